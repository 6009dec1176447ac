import { Flag } from "../../engine/base/flags.js";
import { type CompiledSettings, NOMINAL_MS } from "./compiled-settings.js";
import { isSpread } from "./judge.js";
import { type MeterRecord, RecordType } from "./record.js";
import { lineArea, share, shareDown, shareUp } from "./shares.js";

/** Beside the public flags: some segment reaches into the period, so its value is known. */
export const KNOWN = 1 << 16;
/** Two neighbouring records, or an interval, reach into the period: it has a row once it is over. */
export const REACHED = 1 << 17;
export const PUBLIC_FLAGS = 0xffff;

/** What records add up to in one period, start ≤ t < end. */
export class PeriodSum {
  /** Index into PERIODS. */
  period = 0;
  start = Number.NaN;
  end = Number.NaN;
  /** Units, or an area; an area may be too large for one double, then `sumLow` holds what is missing. */
  sum = 0;
  sumLow = 0;
  coveredMs = 0;
  readings = 0;
  /** Public flags, KNOWN and REACHED. */
  flags = 0;
  /** Lowest and highest level in units, of lines; ±Infinity: none. */
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;

  open(period: number, start: number, end: number): void {
    this.period = period;
    this.start = start;
    this.end = end;
    this.sum = 0;
    this.sumLow = 0;
    this.coveredMs = 0;
    this.readings = 0;
    this.flags = 0;
    this.min = Number.POSITIVE_INFINITY;
    this.max = Number.NEGATIVE_INFINITY;
  }

  copy(other: PeriodSum): void {
    this.period = other.period;
    this.start = other.start;
    this.end = other.end;
    this.sum = other.sum;
    this.sumLow = other.sumLow;
    this.coveredMs = other.coveredMs;
    this.readings = other.readings;
    this.flags = other.flags;
    this.min = other.min;
    this.max = other.max;
  }

  /** Adds what one judged record brings to this period, wherever it lies. */
  add(settings: CompiledSettings, record: MeterRecord): void {
    if (record.type === RecordType.NONE) return;
    const { at } = record;
    if (record.reachFrom < this.end && at > this.start) this.flags |= REACHED;
    const isWithin = at > this.start && at <= this.end;
    if (isWithin && record.type === RecordType.READING) {
      this.flags |= record.flags;
      if (record.accepted) this.readings++;
      if (settings.isLine) this.#level(record.units, record.units);
    }
    if (!isSpread(record)) return;
    const { from } = record;
    if (from < this.end && at > this.start) this.#segment(settings, record);
    else if (from === at && isWithin) {
      // An exchange at the very instant of a reading closes a stretch of no length.
      this.#plus(record.amount);
      this.flags |= record.flags | KNOWN;
    }
  }

  #segment(settings: CompiledSettings, record: MeterRecord): void {
    const { from, at, amount } = record;
    const begin = Math.max(from, this.start);
    const until = Math.min(at, this.end);
    const length = at - from;
    this.flags |= record.flags | KNOWN;
    if (begin === from && until === at) this.#plus(amount);
    else if (settings.isLine) {
      this.#plus(lineArea(record.fromUnits, record.units, until - from, length));
      if (begin > from) this.#plus(-lineArea(record.fromUnits, record.units, begin - from, length));
    } else {
      this.#plus(share(amount, until - from, length) - share(amount, begin - from, length));
    }
    if (settings.isInterval) this.flags |= REACHED;
    if (settings.isInterval || length <= settings.maxGapMs) {
      const covered = until - Math.max(record.coverFrom, begin);
      if (covered > 0) this.coveredMs += covered;
    }
    if (length > settings.maxGapMs || length >= 2 * NOMINAL_MS[this.period]!) this.flags |= Flag.ESTIMATED;
    if (settings.isLine) {
      this.#cut(record, begin - from, length);
      this.#cut(record, until - from, length);
    }
  }

  /** Adds without loss: what the sum of two doubles rounds off goes to `sumLow`. */
  #plus(amount: number): void {
    const before = this.sum;
    const sum = before + amount;
    const added = sum - before;
    this.sumLow += before - (sum - added) + (amount - added);
    this.sum = sum;
  }

  /** A line's level where the period cuts it, rounded outwards. */
  #cut(record: MeterRecord, part: number, length: number): void {
    const rise = record.units - record.fromUnits;
    this.#level(record.fromUnits + shareDown(rise, part, length), record.fromUnits + shareUp(rise, part, length));
  }

  #level(low: number, high: number): void {
    if (low < this.min) this.min = low;
    if (high > this.max) this.max = high;
  }

  get coverage(): number {
    return this.coveredMs / (this.end - this.start);
  }

  /** The row's value; NaN: NULL. */
  value(settings: CompiledSettings): number {
    if (settings.isGauge) return this.coveredMs > 0 ? settings.shownMean(this.sum, this.coveredMs) : Number.NaN;
    return (this.flags & KNOWN) === 0 ? Number.NaN : settings.shownAmount(this.sum);
  }

  /** The row's flags. */
  get rowFlags(): number {
    return (this.flags & PUBLIC_FLAGS) | (this.coveredMs < this.end - this.start ? Flag.PARTIAL : 0);
  }
}
