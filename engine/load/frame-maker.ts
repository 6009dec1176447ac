import type { Series } from "./series.js";

/**
 * Makes the frames of one datalogger, one after the other: frame k holds the next `readings` readings,
 * meter by meter, round by round. Buffers are laid out once and given back with `release` when acked;
 * filling one only rewrites seq, ts and value in place.
 */
export interface FrameMaker {
  readonly binary: boolean;
  /** Which readings are in which frame. */
  readonly slices: Slices;
  /** Bytes of frame k when whole. */
  bytesOf(k: number): number;
  /** Frame k under a seq; `readings` cuts it short (such a buffer is not reused). */
  make(k: number, seq: number, readings?: number): Buffer;
  release(k: number, frame: Buffer): void;
}

/** Which meters share a frame: a slice of one round, or several whole rounds. */
export class Slices {
  readonly rounds: number;
  readonly size: number;
  readonly count: number;
  readonly #meters: number;

  constructor(meters: number, wanted: number) {
    this.#meters = meters;
    this.rounds = Math.max(1, Math.floor(wanted / meters));
    this.count = Math.ceil(meters / wanted);
    this.size = Math.ceil(meters / this.count);
    this.count = Math.ceil(meters / this.size);
  }

  slice(k: number): number {
    return k % this.count;
  }

  firstMeter(k: number): number {
    return this.slice(k) * this.size;
  }

  metersOf(k: number): number {
    return Math.min(this.size, this.#meters - this.firstMeter(k));
  }

  firstRound(k: number): number {
    return Math.floor(k / this.count) * this.rounds;
  }

  /** Readings in frame k. */
  readingsOf(k: number): number {
    return this.metersOf(k) * this.rounds;
  }

  /** Which reading is at `index` of frame k. */
  locate(k: number, index: number): { meter: number; round: number } {
    const meters = this.metersOf(k);
    return { meter: this.firstMeter(k) + (index % meters), round: this.firstRound(k) + Math.floor(index / meters) };
  }

  /** Readings in all frames before frame k. */
  readingsBefore(k: number): number {
    return (Math.floor(k / this.count) * this.#meters + this.firstMeter(k)) * this.rounds;
  }

  /** How many of a meter's rounds are among the datalogger's first `readings`. */
  roundsWithin(meter: number, readings: number): number {
    const cycle = this.#meters * this.rounds;
    const k = Math.floor(meter / this.size);
    const meters = this.metersOf(k);
    const inSlice = (readings % cycle) - this.firstMeter(k) * this.rounds;
    const started = Math.ceil((inSlice - (meter - this.firstMeter(k))) / meters);
    return Math.floor(readings / cycle) * this.rounds + Math.min(this.rounds, Math.max(0, started));
  }
}

/** What the hot loops need of each meter, in columns. */
export class Columns {
  readonly base: Float64Array;
  readonly step: Float64Array;
  readonly hash: Int32Array;
  readonly firstTs: Float64Array;

  constructor(series: Series, datalogger: number) {
    const meters = series.options.metersPerDatalogger;
    this.base = new Float64Array(meters);
    this.step = new Float64Array(meters);
    this.hash = new Int32Array(meters);
    this.firstTs = new Float64Array(meters);
    for (let meter = 0; meter < meters; meter++) {
      const { base, step, hash } = series.parametersOf(datalogger, meter);
      this.base[meter] = base;
      this.step[meter] = step;
      this.hash[meter] = hash;
      this.firstTs[meter] = series.tsMs(datalogger, meter, 0);
    }
  }
}

/** Gives buffers back to the slice they were laid out for. */
export class Pool {
  readonly #free: Buffer[][] = [];

  take(slice: number): Buffer | undefined {
    return this.#free[slice]?.pop();
  }

  put(slice: number, frame: Buffer, wholeBytes: number): void {
    if (frame.length !== wholeBytes) return;
    this.#free[slice] ??= [];
    this.#free[slice].push(frame);
  }
}
