/**
 * A few words that two threads keep about each other: whether to stop, a heartbeat that shows who is alive, and how far the
 * journal is durable, which a successor of a thread that died has to know.
 */
const STOP = 0;
const BEAT = 16;
/** In words of 8 bytes. */
const DURABLE = 16;
const WORDS = 64;

export function createLife(): SharedArrayBuffer {
  return new SharedArrayBuffer(WORDS * 4);
}

export class Life {
  readonly #words: Int32Array;
  readonly #longs: BigInt64Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer);
    this.#longs = new BigInt64Array(buffer);
  }

  /** Asks the worker to end: finish what is in the ring, flush, leave. */
  requestStop(): void {
    Atomics.store(this.#words, STOP, 1);
    Atomics.notify(this.#words, STOP);
  }

  get stopRequested(): boolean {
    return Atomics.load(this.#words, STOP) !== 0;
  }

  beat(): void {
    Atomics.add(this.#words, BEAT, 1);
  }

  /** Grows as long as the worker lives. */
  get beats(): number {
    return Atomics.load(this.#words, BEAT);
  }

  /** Everything before this position of the journal is synced. Told before anything is acked, or given back to the ring, because of it. */
  set durable(position: number) {
    // From 1 on, so that 0 can say that nothing was told yet.
    Atomics.store(this.#longs, DURABLE, BigInt(position) + 1n);
  }

  /** Null: no worker has told any yet. */
  get durable(): number | null {
    const told = Atomics.load(this.#longs, DURABLE);
    return told === 0n ? null : Number(told - 1n);
  }
}
