/**
 * Frames, posts and greetings that are computed and wait until they are safe, in journal order.
 *
 *      ┌────────┬────────┬────────┬───── position of the journal behind the frame's unit
 *      │ frame  │ frame  │ frame  │ …
 *      └────────┴────────┴────────┴─────
 *        ▲ released up to the safe position, many at once
 *
 * Kept as columns in a circular buffer, so that a frame of one reading allocates nothing.
 */
export class AckQueue {
  #capacity = 1024;
  #positions = new Float64Array(this.#capacity);
  #seqs = new Float64Array(this.#capacity);
  #arrivals = new Float64Array(this.#capacity);
  #sessions = new Uint32Array(this.#capacity);
  #dataloggers = new Uint32Array(this.#capacity);
  #bytes = new Uint32Array(this.#capacity);
  #details: (readonly string[] | null)[] = new Array<readonly string[] | null>(this.#capacity).fill(null);
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** `detail`: rejects of a frame, each a JSON object, the parts of a post's answer, or null. */
  push(
    position: number,
    session: number,
    datalogger: number,
    seq: number,
    bytes: number,
    arrivalMs: number,
    detail: readonly string[] | null,
  ): void {
    if (this.#size === this.#capacity) this.#grow();
    const at = (this.#head + this.#size++) & (this.#capacity - 1);
    this.#positions[at] = position;
    this.#sessions[at] = session;
    this.#dataloggers[at] = datalogger;
    this.#seqs[at] = seq;
    this.#bytes[at] = bytes;
    this.#arrivals[at] = arrivalMs;
    this.#details[at] = detail;
  }

  /** Hands over, in order, every frame whose unit ends at or before `position`. */
  release(
    position: number,
    give: (
      session: number,
      datalogger: number,
      seq: number,
      bytes: number,
      arrivalMs: number,
      detail: readonly string[] | null,
    ) => void,
  ): void {
    while (this.#size > 0) {
      const at = this.#head;
      if (this.#positions[at]! > position) return;
      const detail = this.#details[at]!;
      this.#details[at] = null;
      this.#head = (at + 1) & (this.#capacity - 1);
      this.#size--;
      give(this.#sessions[at]!, this.#dataloggers[at]!, this.#seqs[at]!, this.#bytes[at]!, this.#arrivals[at]!, detail);
    }
  }

  #grow(): void {
    const old = this.#capacity;
    const order = (column: Float64Array | Uint32Array, into: Float64Array | Uint32Array) => {
      for (let i = 0; i < this.#size; i++) into[i] = column[(this.#head + i) & (old - 1)]!;
    };
    this.#capacity = old * 2;
    const positions = new Float64Array(this.#capacity);
    const seqs = new Float64Array(this.#capacity);
    const arrivals = new Float64Array(this.#capacity);
    const sessions = new Uint32Array(this.#capacity);
    const dataloggers = new Uint32Array(this.#capacity);
    const bytes = new Uint32Array(this.#capacity);
    order(this.#positions, positions);
    order(this.#seqs, seqs);
    order(this.#arrivals, arrivals);
    order(this.#sessions, sessions);
    order(this.#dataloggers, dataloggers);
    order(this.#bytes, bytes);
    const details = new Array<readonly string[] | null>(this.#capacity).fill(null);
    for (let i = 0; i < this.#size; i++) details[i] = this.#details[(this.#head + i) & (old - 1)]!;
    this.#positions = positions;
    this.#seqs = seqs;
    this.#arrivals = arrivals;
    this.#sessions = sessions;
    this.#dataloggers = dataloggers;
    this.#bytes = bytes;
    this.#details = details;
    this.#head = 0;
  }
}
