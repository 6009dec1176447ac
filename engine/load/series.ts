import { MeterstormError } from "../base/errors.js";

export interface SeriesOptions {
  /** Begins every meter's and datalogger's id; `A-Z a-z 0-9 _ . -`. */
  readonly name: string;
  readonly dataloggers: number;
  readonly metersPerDatalogger: number;
  readonly seed: number;
  /** Epoch ms of the first reading of all. */
  readonly startMs: number;
  /** Whole milliseconds between two readings of a meter. */
  readonly intervalMs: number;
}

/** Readings per meter after which a register would need more digits than frames of fixed width have. */
export const MAX_ROUNDS = 1_300_000;
/** A register's whole units per unit: three decimals, as meters have by default. */
export const UNITS = 1000;

const BASE_UNITS = 1e8;
const BASE_SPREAD = 2e8;

/**
 * The readings of a load test, none of which is kept anywhere: each is a function of the seed, its
 * meter and its index, so that what was sent can be checked by working it out again. Every meter is
 * a counter that never stands still: 9 digits of whole units, moving by 1 to 766 between readings.
 *
 * The meters of all dataloggers read in turn, evenly spread over the interval (staggered), as
 * fleets do, not all in the same millisecond.
 */
export class Series {
  readonly options: SeriesOptions;
  readonly #digitsOfDatalogger: number;
  readonly #digitsOfMeter: number;

  /** Throws MeterstormError `load_name` where the name would need escaping. */
  constructor(options: SeriesOptions) {
    if (!/^[\w.-]{1,64}$/.test(options.name)) {
      throw new MeterstormError("load_name", `the name ${JSON.stringify(options.name)} is not 1 to 64 of A-Z a-z 0-9 _ . -`);
    }
    this.options = options;
    this.#digitsOfDatalogger = String(options.dataloggers - 1).length;
    this.#digitsOfMeter = String(options.metersPerDatalogger - 1).length;
  }

  dataloggerId(datalogger: number): string {
    return `${this.options.name}-${String(datalogger).padStart(this.#digitsOfDatalogger, "0")}`;
  }

  /** All ids have the same length. */
  meterId(datalogger: number, meter: number): string {
    return `${this.dataloggerId(datalogger)}-${String(meter).padStart(this.#digitsOfMeter, "0")}`;
  }

  /** Milliseconds from the start of a round to this meter's reading. */
  offsetMs(datalogger: number, meter: number): number {
    const { dataloggers, metersPerDatalogger, intervalMs } = this.options;
    return Math.floor(((meter * dataloggers + datalogger) * intervalMs) / (metersPerDatalogger * dataloggers));
  }

  tsMs(datalogger: number, meter: number, index: number): number {
    return this.options.startMs + this.offsetMs(datalogger, meter) + index * this.options.intervalMs;
  }

  /** The index of the reading at `tsMs`, or -1 where this meter has none. */
  indexAt(datalogger: number, meter: number, tsMs: number): number {
    const index = (tsMs - this.options.startMs - this.offsetMs(datalogger, meter)) / this.options.intervalMs;
    return Number.isInteger(index) && index >= 0 ? index : -1;
  }

  /** What `valueUnits` of a meter begins with, and by how much it moves at least: `base + index × step + jitter`. */
  parametersOf(datalogger: number, meter: number): { base: number; step: number; hash: number } {
    const number = datalogger * this.options.metersPerDatalogger + meter;
    const hash = mix((this.options.seed ^ Math.imul(number + 1, 0x9e3779b1)) | 0);
    return { base: BASE_UNITS + ((hash >>> 0) % BASE_SPREAD), step: 256 + ((hash >>> 8) & 255), hash };
  }

  /** The register in whole units (thousandths). */
  valueUnits(datalogger: number, meter: number, index: number): number {
    const { base, step, hash } = this.parametersOf(datalogger, meter);
    return base + index * step + jitter(hash, index);
  }
}

/** 0 … 255, less than the smallest step, so that a register never runs back. */
export function jitter(hash: number, index: number): number {
  const h = Math.imul(hash ^ index, 0x85ebca6b);
  return (h >>> 16) & 255;
}

/** A number in and a number out that looks unrelated: the finalizer of MurmurHash3. */
export function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
