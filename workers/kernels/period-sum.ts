import { Flag } from "../../engine/base/flags.js";
import { type CompiledSettings, NOMINAL_MS } from "./compiled-settings.js";
import { isSpread } from "./judge.js";
import { type MeterRecord, RecordType } from "./record.js";
import { share, shareDown, shareUp } from "./shares.js";
import { EXACT, productLow, sumLow } from "./wide.js";

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

  /** Adds what one judged record brings to this period, wherever it lies; `settings` are in force at the period's start. */
  add(settings: CompiledSettings, record: MeterRecord): void {
    if (record.type === RecordType.NONE) return;
    const { at, reachFrom } = record;
    const isWithin = at > this.start && at <= this.end;
    // A stretch of no length lies, as the record at its end, in the period that ends there.
    if (at > this.start && (reachFrom < this.end || (isWithin && reachFrom === at))) this.flags |= REACHED;
    if (isWithin && record.type === RecordType.READING) {
      this.flags |= record.flags;
      if (record.accepted) this.readings++;
      if (settings.isLine && settings.shows(record.settings)) this.#level(record.units, record.units);
    }
    if (!isSpread(record) || !settings.shows(record.settings)) return;
    const { from } = record;
    if (from < this.end && at > this.start) this.#segment(settings, record);
    else if (from === at && isWithin) {
      // An exchange at the very instant of a reading closes a stretch of no length.
      this.#plusUnits(settings, record, record.amount, 0);
      this.flags |= record.flags | KNOWN;
      if (record.settings.isInterval) this.flags |= REACHED;
    }
  }

  /** What a stretch is like is said by the settings at its end, how much of it lies here in units of the period's. */
  #segment(settings: CompiledSettings, record: MeterRecord): void {
    const { from, at, amount } = record;
    const { isLine, isInterval, maxGapMs } = record.settings;
    const begin = Math.max(from, this.start);
    const until = Math.min(at, this.end);
    const length = at - from;
    this.flags |= record.flags | KNOWN;
    if (isLine) {
      this.#plusLine(record, until - from, length, 1);
      if (begin > from) this.#plusLine(record, begin - from, length, -1);
    } else if (begin === from && until === at) this.#plusUnits(settings, record, amount, 0);
    else this.#plusUnits(settings, record, share(amount, until - from, length), share(amount, begin - from, length));
    if (isInterval) {
      this.flags |= REACHED;
      this.#cover(record.coverFrom, at);
      this.#cover(record.headFrom, record.headTo);
    } else if (length <= maxGapMs) this.coveredMs += until - begin;
    if (length > maxGapMs || length >= 2 * NOMINAL_MS[this.period]!) this.flags |= Flag.ESTIMATED;
    if (isLine) {
      this.#cut(record, begin - from, length);
      this.#cut(record, until - from, length);
    }
  }

  #cover(from: number, to: number): void {
    const begin = Math.max(from, this.start);
    const until = Math.min(to, this.end);
    if (until > begin) this.coveredMs += until - begin;
  }

  /**
   * Adds (`sign` 1) or takes away (−1) the area below a line over its first `part` of `length` milliseconds, in half units × ms,
   * rounded to a whole number, halves up.
   */
  #plusLine({ fromUnits, units }: MeterRecord, part: number, length: number, sign: number): void {
    if (part === length) {
      this.#plusProduct(sign * fromUnits, length);
      this.#plusProduct(sign * units, length);
      return;
    }
    // 2 × from × part + (to − from) × part² ÷ length, part² taken apart so that the quotient is one share.
    const { multiple, rest } = squareOver(part, length);
    const rise = units - fromUnits;
    this.#plusProduct(sign * 2 * fromUnits, part);
    this.#plusProduct(sign * rise, multiple);
    this.#plus(sign * share(rise, rest, length));
  }

  /** Adds what a record brings between two parts of its amount, in its units; where the period has coarser ones each is rounded, halves up. */
  #plusUnits(settings: CompiledSettings, record: MeterRecord, upTo: number, before: number): void {
    const finer = record.settings === settings ? 0 : record.settings.settings.decimals - settings.settings.decimals;
    if (finer === 0) this.#plus(upTo - before);
    else if (finer > 0) this.#plus(share(upTo, 1, 10 ** finer) - share(before, 1, 10 ** finer));
    else this.#plusProduct(upTo - before, 10 ** -finer);
  }

  #plusProduct(a: number, b: number): void {
    const product = a * b;
    this.#plus(product);
    this.sumLow += productLow(a, b, product);
  }

  #plus(amount: number): void {
    const sum = this.sum + amount;
    this.sumLow += sumLow(this.sum, amount, sum);
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
    if (settings.isGauge) return this.coveredMs > 0 ? settings.shownMean(this.sum, this.sumLow, this.coveredMs) : Number.NaN;
    return (this.flags & KNOWN) === 0 ? Number.NaN : settings.shownAmount(this.sum, this.sumLow);
  }

  /** The row's flags. */
  get rowFlags(): number {
    return (this.flags & PUBLIC_FLAGS) | (this.coveredMs < this.end - this.start ? Flag.PARTIAL : 0);
  }
}

/** part² ÷ length in whole numbers. */
function squareOver(part: number, length: number): { multiple: number; rest: number } {
  const square = part * part;
  if (square < EXACT) {
    const multiple = Math.floor(square / length);
    return { multiple, rest: square - multiple * length };
  }
  // Stretches of more than 26 hours.
  const exact = BigInt(part) ** 2n;
  return { multiple: Number(exact / BigInt(length)), rest: Number(exact % BigInt(length)) };
}
