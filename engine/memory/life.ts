/**
 * A few words that two threads keep about each other: whether to stop, and a heartbeat that shows who is alive.
 */
const STOP = 0;
const BEAT = 16;
const WORDS = 32;

export function createLife(): SharedArrayBuffer {
  return new SharedArrayBuffer(WORDS * 4);
}

export class Life {
  readonly #words: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer);
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
}
