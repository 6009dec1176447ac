import { invariant } from "../base/errors.js";
import { allocateBinaryFrame, FRAME_HEADER_BYTES, READING_RECORD_BYTES, writeSeq } from "../client/frames.js";
import { Columns, type FrameMaker, Pool, Slices } from "./frame-maker.js";
import { jitter, type Series, UNITS } from "./series.js";

/** Binary frames: alias m is the datalogger's m-th meter. */
export class BinaryFrameMaker implements FrameMaker {
  readonly binary = true;
  readonly slices: Slices;
  readonly #columns: Columns;
  readonly #intervalMs: number;
  readonly #pool = new Pool();

  /** `wanted` is how many readings a frame should hold; it holds a little fewer where that evens them out. */
  constructor(series: Series, datalogger: number, wanted: number) {
    this.slices = new Slices(series.options.metersPerDatalogger, wanted);
    this.#columns = new Columns(series, datalogger);
    this.#intervalMs = series.options.intervalMs;
  }

  bytesOf(k: number): number {
    return FRAME_HEADER_BYTES + this.slices.readingsOf(k) * READING_RECORD_BYTES;
  }

  make(k: number, seq: number, readings = this.slices.readingsOf(k)): Buffer {
    const { slices } = this;
    const frame = this.#pool.take(slices.slice(k)) ?? allocateBinaryFrame(seq, this.slices.readingsOf(k));
    writeSeq(frame, seq);
    invariant(frame.byteOffset % 8 === 0, "a frame's buffer begins on 8 bytes");
    const words = new Uint32Array(frame.buffer, frame.byteOffset, frame.length >> 2);
    const doubles = new Float64Array(frame.buffer, frame.byteOffset, frame.length >> 3);
    const { base, step, hash, firstTs } = this.#columns;
    const first = slices.firstMeter(k);
    const end = first + slices.metersOf(k);
    const firstRound = slices.firstRound(k);
    let at = FRAME_HEADER_BYTES >> 3;
    for (let round = firstRound; round < firstRound + slices.rounds; round++) {
      const sinceStart = round * this.#intervalMs;
      for (let meter = first; meter < end; meter++) {
        words[at << 1] = meter;
        doubles[at + 1] = firstTs[meter]! + sinceStart;
        doubles[at + 2] = (base[meter]! + round * step[meter]! + jitter(hash[meter]!, round)) / UNITS;
        at += READING_RECORD_BYTES >> 3;
      }
    }
    if (readings === this.slices.readingsOf(k)) return frame;
    frame.writeUInt32LE(readings, 4);
    return frame.subarray(0, FRAME_HEADER_BYTES + readings * READING_RECORD_BYTES);
  }

  release(k: number, frame: Buffer): void {
    this.#pool.put(this.slices.slice(k), frame, this.bytesOf(k));
  }
}
