import type { PeriodSum } from "../kernels/period-sum.js";

/** An array with a slot for each meter of a page. */
export type Column = Float64Array | Uint32Array | Uint8Array;

/**
 * The state of so many meters as arrays, a slot each. Zero bytes are an unused slot, so that memory that no meter
 * uses is never touched. Times are epoch milliseconds, 0: none.
 */
export class MeterPage {
  readonly slots: number;
  /** Index into the book's settings. */
  readonly settings: Uint32Array;
  /** Its first record. */
  readonly firstTs: Float64Array;
  /** Bits of Status. */
  readonly status: Uint8Array;
  /** The last settled reading that left a baseline: its time and whole units; of intervals the end of the covered block, and its beginning. */
  readonly baseTs: Float64Array;
  readonly baseUnits: Float64Array;
  /** The two newest records, values as sent. */
  readonly olderTs: Float64Array;
  readonly olderValue: Float64Array;
  readonly olderRev: Uint32Array;
  readonly newerTs: Float64Array;
  readonly newerValue: Float64Array;
  readonly newerRev: Uint32Array;
  /** By index into PERIODS; null until a meter of this page needs it. */
  readonly periods: (PeriodColumns | null)[] = [null, null, null];

  constructor(slots: number) {
    this.slots = slots;
    this.settings = new Uint32Array(slots);
    this.firstTs = new Float64Array(slots);
    this.status = new Uint8Array(slots);
    this.baseTs = new Float64Array(slots);
    this.baseUnits = new Float64Array(slots);
    this.olderTs = new Float64Array(slots);
    this.olderValue = new Float64Array(slots);
    this.olderRev = new Uint32Array(slots);
    this.newerTs = new Float64Array(slots);
    this.newerValue = new Float64Array(slots);
    this.newerRev = new Uint32Array(slots);
  }

  /** Makes room for a period's sums; `levels`: of lines too. */
  needs(period: number, levels: boolean): void {
    let columns = this.periods[period] ?? null;
    if (columns === null) {
      columns = new PeriodColumns(this.slots);
      this.periods[period] = columns;
    }
    if (levels) columns.levels ??= new LevelColumns(this.slots);
  }

  /** Which periods it has room for, as bits 2 × period; the bit above: with levels. */
  get kept(): number {
    return this.periods.reduce((bits, columns, period) => {
      if (columns === null) return bits;
      return bits | ((columns.levels === null ? 1 : 3) << (2 * period));
    }, 0);
  }

  /** Makes room for what `kept` says. */
  keep(kept: number): void {
    for (let period = 0; period < this.periods.length; period++) {
      const bits = (kept >>> (2 * period)) & 3;
      if (bits !== 0) this.needs(period, bits === 3);
    }
  }

  /**
   * All arrays but the settings, whose numbers are the book's own, in an order that depends only on which are there. Their bytes are the
   * page's part of a snapshot.
   */
  columns(): Column[] {
    return [
      this.firstTs,
      this.status,
      this.baseTs,
      this.baseUnits,
      this.olderTs,
      this.olderValue,
      this.olderRev,
      this.newerTs,
      this.newerValue,
      this.newerRev,
      ...this.periods.flatMap((columns) => columns?.all() ?? []),
    ];
  }
}

/** What a meter's `status` says. */
export const Status = {
  OLDER_IS_READING: 1,
  OLDER_IS_EXCHANGE: 2,
  OLDER_CONFLICT: 4,
  NEWER_IS_READING: 8,
  NEWER_IS_EXCHANGE: 16,
  NEWER_CONFLICT: 32,
  /** There is more beside the page. */
  RARE: 64,
  /** A counter whose two newest readings each only counted on from the one before, nowhere further apart than maxGap. */
  STEADY: 128,
} as const;

/** Nothing else may be said of a meter that goes the short way. */
const STEADY_STATUS = Status.OLDER_IS_READING | Status.NEWER_IS_READING | Status.STEADY;

/** Whether a meter is a counter that has only counted on, and nothing is said of it beside its page. */
export function isSteady(page: MeterPage, slot: number): boolean {
  return page.status[slot] === STEADY_STATUS;
}

/** The settled part of a meter's open period; a day has fewer than 2^32 ms. */
export class PeriodColumns {
  readonly start: Float64Array;
  readonly end: Float64Array;
  readonly sum: Float64Array;
  readonly coveredMs: Uint32Array;
  readonly readings: Uint32Array;
  readonly flags: Uint32Array;
  levels: LevelColumns | null = null;

  constructor(slots: number) {
    this.start = new Float64Array(slots);
    this.end = new Float64Array(slots);
    this.sum = new Float64Array(slots);
    this.coveredMs = new Uint32Array(slots);
    this.readings = new Uint32Array(slots);
    this.flags = new Uint32Array(slots);
  }

  load(slot: number, period: number, into: PeriodSum): void {
    const end = this.end[slot]!;
    if (end === 0) {
      into.open(period, Number.NaN, Number.NaN);
      return;
    }
    into.open(period, this.start[slot]!, end);
    into.sum = this.sum[slot]!;
    into.coveredMs = this.coveredMs[slot]!;
    into.readings = this.readings[slot]!;
    into.flags = this.flags[slot]!;
    const { levels } = this;
    if (levels === null) return;
    into.sumLow = levels.sumLow[slot]!;
    into.min = levels.min[slot]!;
    into.max = levels.max[slot]!;
  }

  save(slot: number, from: PeriodSum): void {
    if (Number.isNaN(from.end)) {
      this.end[slot] = 0;
      return;
    }
    this.start[slot] = from.start;
    this.end[slot] = from.end;
    this.sum[slot] = from.sum;
    this.coveredMs[slot] = from.coveredMs;
    this.readings[slot] = from.readings;
    this.flags[slot] = from.flags;
    const { levels } = this;
    if (levels === null) return;
    levels.sumLow[slot] = from.sumLow;
    levels.min[slot] = from.min;
    levels.max[slot] = from.max;
  }

  all(): (Float64Array | Uint32Array)[] {
    const { levels } = this;
    const own = [this.start, this.end, this.sum, this.coveredMs, this.readings, this.flags];
    return levels === null ? own : [...own, levels.sumLow, levels.min, levels.max];
  }
}

/** What lines have beside energy: what an area has beyond 2^53, and the lowest and highest level. */
class LevelColumns {
  readonly sumLow: Float64Array;
  readonly min: Float64Array;
  readonly max: Float64Array;

  constructor(slots: number) {
    this.sumLow = new Float64Array(slots);
    // None: a page may get these columns while periods of meters that have no levels are open in it.
    this.min = new Float64Array(slots).fill(Number.POSITIVE_INFINITY);
    this.max = new Float64Array(slots).fill(Number.NEGATIVE_INFINITY);
  }
}
