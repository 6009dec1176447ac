import { type Calendar, calendarFor } from "../../engine/base/calendar.js";
import { decimalParts } from "../../engine/base/decimal.js";
import { PERIODS } from "../../engine/base/entries.js";
import type { MeterSettings } from "../../engine/base/settings.js";
import { shareDown } from "./shares.js";
import { wideTimes } from "./wide.js";

const HOUR_MS = 3_600_000;

/** Length that a period's name says, by its index in PERIODS. */
export const NOMINAL_MS: readonly number[] = [HOUR_MS / 4, HOUR_MS, 24 * HOUR_MS];

/** A value of more units than this is out of range. */
const MAX_UNITS = 2 ** 53;

/** Area under power is in half units × ms, so this many make a unit. */
const AREA_PER_UNIT = 2 * HOUR_MS;

/** Where settings stand in a meter's timeline; `CompiledTimeline` works it out. */
export interface StepPlace {
  /** In force: from ≤ ts < until. */
  from: number;
  until: number;
  /** Number of the step. */
  index: number;
  /** Steps of one series go on from each other's baselines; where the next series begins everything starts anew. */
  series: number;
  seriesFrom: number;
  seriesUntil: number;
}

const ALWAYS: StepPlace = {
  from: Number.NEGATIVE_INFINITY,
  until: Number.POSITIVE_INFINITY,
  index: 0,
  series: 0,
  seriesFrom: Number.NEGATIVE_INFINITY,
  seriesUntil: Number.POSITIVE_INFINITY,
};

/**
 * One step of a meter's settings made ready for arithmetic in whole units of its resolution (10^-decimals of the number that arrives).
 * Its periods lie within the step: those of the calendar, cut where it begins and ends.
 */
export class CompiledSettings {
  readonly settings: MeterSettings;
  readonly from: number;
  readonly until: number;
  readonly index: number;
  readonly series: number;
  readonly #seriesFrom: number;
  readonly #seriesUntil: number;
  readonly calendar: Calendar;
  readonly isCounter: boolean;
  readonly isInterval: boolean;
  readonly isPower: boolean;
  readonly isGauge: boolean;
  /** Integrated along lines between readings: amounts are areas, and there are min and max. */
  readonly isLine: boolean;
  readonly net: boolean;
  /** Indices into PERIODS, ascending. */
  readonly periods: readonly number[];
  readonly maxGapMs: number;
  /** Whether there is a greatest rate. */
  readonly isBounded: boolean;
  /** Smallest movement of the register, in units. */
  readonly step: number;
  /** How far a register may seem to run backwards. */
  readonly jitter: number;
  /** NaN where none is set. */
  readonly modulus: number;
  /** NaN: a day on the wall clock. */
  readonly intervalMs: number;
  /** How much earlier than its predecessor an interval may begin: by the wall clock, where the offset changes. */
  readonly intervalSlackMs: number;
  readonly labelsStart: boolean;
  /** Units per hour, as a fraction of whole numbers. */
  readonly #rateDigits: number;
  readonly #rateDivisor: number;
  readonly #hourBound: number;
  /** Index of its longest period; a day where it has none. */
  readonly #longest: number;
  readonly #scale: number;
  readonly #digits: number;
  readonly #divisor: number;

  constructor(settings: MeterSettings, place: StepPlace = ALWAYS) {
    const scale = 10 ** settings.decimals;
    const { digits, decimals } = decimalParts(settings.multiplier);
    this.settings = settings;
    this.from = place.from;
    this.until = place.until;
    this.index = place.index;
    this.series = place.series;
    this.#seriesFrom = place.seriesFrom;
    this.#seriesUntil = place.seriesUntil;
    this.calendar = calendarFor(settings.timezone);
    this.isCounter = settings.kind === "counter";
    this.isInterval = settings.kind === "interval";
    this.isPower = settings.kind === "power";
    this.isGauge = settings.kind === "gauge";
    this.isLine = this.isPower || this.isGauge;
    this.net = settings.net;
    this.periods = PERIODS.map((_, index) => index).filter((index) => settings.periods.includes(PERIODS[index]!));
    this.maxGapMs = settings.maxGapMs;
    const rate = decimalParts(settings.maxRate ?? 0);
    this.isBounded = settings.maxRate !== null;
    this.#rateDigits = rate.digits * scale;
    this.#rateDivisor = HOUR_MS * 10 ** rate.decimals;
    this.step = Math.round(settings.step * scale);
    this.#hourBound = this.mostIn(HOUR_MS);
    this.jitter = 2 * this.step;
    this.modulus = settings.modulus === null ? Number.NaN : Math.round(settings.modulus * scale);
    this.intervalMs = settings.interval === "1d" ? Number.NaN : settings.interval;
    this.intervalSlackMs = settings.interval === "1d" ? 3 * HOUR_MS : 0;
    this.labelsStart = settings.label === "start";
    this.#longest = this.periods[this.periods.length - 1] ?? PERIODS.indexOf("day");
    this.#scale = scale;
    this.#digits = digits;
    this.#divisor = 10 ** (settings.decimals + decimals);
  }

  /** Whole units of a value as it arrives. */
  units(value: number): number {
    // A value just below 0 is 0, without a sign: rows and states that mean the same are told by their bytes.
    return Math.round(value * this.#scale) + 0;
  }

  inRange(value: number): boolean {
    const units = Math.round(value * this.#scale);
    return units <= MAX_UNITS && units >= -MAX_UNITS;
  }

  /** Most units that so much time may bring at the greatest rate, a `step` included; Infinity without one. */
  mostIn(ms: number): number {
    return this.isBounded ? shareDown(this.#rateDigits, ms, this.#rateDivisor) + this.step : Number.POSITIVE_INFINITY;
  }

  /** Most that a register may count between two instants: many move hourly though they are read each minute. */
  bound(fromMs: number, toMs: number): number {
    return toMs - fromMs > HOUR_MS ? this.mostIn(toMs - fromMs) : this.#hourBound;
  }

  /** Whether a register that showed `a` may show `b` later. */
  agrees(a: number, aMs: number, b: number, bMs: number): boolean {
    const moved = b - a;
    const bound = this.bound(aMs, bMs);
    return moved <= bound && moved >= (this.net ? -bound : -this.jitter);
  }

  /** Where the interval labelled `ts` begins; none reaches over the beginning of its series. */
  intervalStart(ts: number): number {
    return Math.max(this.#wholeIntervalStart(ts), this.#seriesFrom);
  }

  /** Where it ends: not behind the end of its series. */
  intervalEnd(ts: number): number {
    return Math.min(this.#wholeIntervalEnd(ts), this.#seriesUntil);
  }

  /** How long it is, whatever is cut off. */
  intervalLength(ts: number): number {
    return this.#wholeIntervalEnd(ts) - this.#wholeIntervalStart(ts);
  }

  #wholeIntervalStart(ts: number): number {
    if (this.labelsStart) return ts;
    return Number.isNaN(this.intervalMs) ? this.calendar.shiftDay(ts, -1) : ts - this.intervalMs;
  }

  #wholeIntervalEnd(ts: number): number {
    if (!this.labelsStart) return ts;
    return Number.isNaN(this.intervalMs) ? this.calendar.shiftDay(ts, 1) : ts + this.intervalMs;
  }

  /** When a reading of this instant counts. */
  countsAt(ts: number): number {
    return this.isInterval ? this.intervalEnd(ts) : ts;
  }

  /** Whether there are rows of a period (an index into PERIODS). */
  keeps(period: number): boolean {
    return this.periods.includes(period);
  }

  /** Start of the period in which an instant of this step lies; of one that is not kept, the step's. */
  periodStart(period: number, ts: number): number {
    if (!this.keeps(period)) return this.from;
    return Math.max(this.calendar.start(period, ts), this.from);
  }

  periodEnd(period: number, ts: number): number {
    if (!this.keeps(period)) return this.until;
    return Math.min(this.calendar.end(period, ts), this.until);
  }

  /** Where the longest of its periods begins in which `ts` lies. */
  largestPeriodStart(ts: number): number {
    return Math.max(this.calendar.start(this.#longest, ts), this.from);
  }

  /** Where it ends. */
  largestPeriodEnd(ts: number): number {
    return Math.min(this.calendar.end(this.#longest, ts), this.until);
  }

  /** Whether what a record of that step amounts to can be shown in periods of this one: intervals count wherever there are intervals. */
  shows(other: CompiledSettings): boolean {
    return other === this || other.series === this.series || (other.isInterval && this.isInterval);
  }

  /** A level as a row shows it. */
  shownLevel(units: number): number {
    return (units * this.#digits) / this.#divisor;
  }

  /** An amount (units, or area of power; `low`: what it has beyond the first double) as a row shows it; NaN stays. */
  shownAmount(amount: number, low: number): number {
    return wideTimes(amount, low, this.#digits) / (this.isPower ? this.#divisor * AREA_PER_UNIT : this.#divisor);
  }

  /** The mean level of an area over so many milliseconds, as a row shows it. */
  shownMean(area: number, low: number, coveredMs: number): number {
    return wideTimes(area, low, this.#digits) / (2 * coveredMs * this.#divisor);
  }
}
