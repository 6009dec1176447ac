/** What the shard remembers of a datalogger. */
export interface DataloggerState {
  readonly number: number;
  readonly tenant: number;
  readonly id: string;
  /** To be called before a frame is remembered. */
  readonly changing: (state: DataloggerState) => void;
  /** Highest seq that was computed. */
  lastSeq: number;
  /** Highest seq that is as safe as acks promise. */
  safeSeq: number;
  /** seq → its frame's two hashes, in a ring of the last frames. */
  readonly seqs: Float64Array;
  readonly hashes: Uint32Array;
  frames: number;
}
