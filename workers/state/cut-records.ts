/** Takes whole records, in the order in which they are written; nobody changes them any more. */
export type CutSink = (bytes: Uint8Array) => void;

/** A part of the state of which the state at one instant is copied bit by bit while it goes on changing. */
export interface Cut {
  /** Copies what was not copied before its change, a little between every two answers. It does no harm to stop in the middle. */
  sweep(): Generator<void, void, undefined>;
}

const PIECE_DOUBLES = 8 * 1024;

/** Writes records of doubles into pieces of about 64 KiB; a record lies within one piece. */
export class RecordWriter {
  readonly #sink: CutSink;
  #doubles = new Float64Array(0);
  #length = 0;

  constructor(sink: CutSink) {
    this.#sink = sink;
  }

  /** Makes room for a record of so many doubles, which are pushed next. */
  begin(count: number): void {
    if (this.#length + count > this.#doubles.length) {
      this.flush();
      this.#doubles = new Float64Array(Math.max(PIECE_DOUBLES, count));
    }
  }

  push(value: number): void {
    this.#doubles[this.#length++] = value;
  }

  pushAll(values: Float64Array): void {
    this.#doubles.set(values, this.#length);
    this.#length += values.length;
  }

  /** Hands over what has been written. */
  flush(): void {
    if (this.#length > 0) this.#sink(new Uint8Array(this.#doubles.buffer, 0, this.#length * 8));
    this.#doubles = new Float64Array(0);
    this.#length = 0;
  }
}

/** Takes a cut in one go. */
export function sweepAll(cut: Cut): void {
  for (const _ of cut.sweep());
}

/** The doubles of a section; those of another alignment are copied. NaN behind the end tells who reads on. */
export function doublesOf(bytes: Uint8Array): Float64Array {
  const isAligned = bytes.byteOffset % 8 === 0;
  return isAligned ? new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length >> 3) : new Float64Array(bytes.slice().buffer);
}
