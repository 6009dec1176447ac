import { PERIODS } from "./entries.js";
import { invariant } from "./errors.js";
import { DAY_MS, HOUR_MS, MINUTE_MS, type OffsetAt, offsetsOf, type ZoneYear, zoneYear } from "./zone.js";

const QUARTER_MS = 15 * MINUTE_MS;
const HOUR = PERIODS.indexOf("hour");
const DAY = PERIODS.indexOf("day");

/** A local date or a boundary may lie in the year before or after the ones for which readings are taken. */
const FIRST_YEAR = 1999;
const LAST_YEAR = 2101;
const FIRST_MS = Date.UTC(FIRST_YEAR, 0, 1);
const LAST_MS = Date.UTC(LAST_YEAR + 1, 0, 1);
const MEAN_YEAR_MS = 365.2425 * DAY_MS;

/** What the last look-up found, in one typed array so that numbers are not boxed. */
const VALID_FROM = 0;
const VALID_TO = 1;
const CUT_FROM = 2;
const CUT_TO = 3;
const OFFSET = 4;
const DAY_FROM = 5;
const DAY_TO = 6;

const calendars = new Map<string, Calendar>();

/** The calendar of an IANA zone, one per zone and thread. Throws MeterstormError `timezone_unknown`. */
export function calendarFor(timezone: string): Calendar {
  let calendar = calendars.get(timezone);
  if (calendar === undefined) {
    calendar = new Calendar(offsetsOf(timezone));
    calendars.set(timezone, calendar);
  }
  return calendar;
}

/**
 * Where the quarters, hours and days of a zone begin and end. All instants are epoch milliseconds from 1999 to 2101; a period is
 * asked for by an instant in it, start ≤ ts < end. (A reading on a boundary closes the earlier period: ask for `ts - 1` then.)
 *
 * Hours and quarters are the wall clock's whole ones, cut where the offset changes. A day begins with the first instant of its
 * date and lasts until the next one begins. So quarters nest in hours and hours in days.
 *
 * Tables are filled per year when first asked for (about a millisecond); after that no call allocates, `localDate` apart.
 */
export class Calendar {
  readonly #offsetAt: OffsetAt;
  readonly #years: (ZoneYear | undefined)[] = new Array(LAST_YEAR - FIRST_YEAR + 1).fill(undefined);
  readonly #last = new Float64Array(7).fill(Number.NaN);

  constructor(offsetAt: OffsetAt) {
    this.#offsetAt = offsetAt;
  }

  /** Start of the period; `period` is an index into PERIODS. */
  start(period: number, ts: number): number {
    return period === HOUR ? this.hourStart(ts) : period === DAY ? this.dayStart(ts) : this.quarterStart(ts);
  }

  /** End of the period (the next one's start); `period` is an index into PERIODS. */
  end(period: number, ts: number): number {
    return period === HOUR ? this.hourEnd(ts) : period === DAY ? this.dayEnd(ts) : this.quarterEnd(ts);
  }

  quarterStart(ts: number): number {
    return this.#wholeStart(QUARTER_MS, ts);
  }

  quarterEnd(ts: number): number {
    return this.#wholeEnd(QUARTER_MS, ts);
  }

  hourStart(ts: number): number {
    return this.#wholeStart(HOUR_MS, ts);
  }

  hourEnd(ts: number): number {
    return this.#wholeEnd(HOUR_MS, ts);
  }

  dayStart(ts: number): number {
    const last = this.#last;
    if (!(ts >= last[DAY_FROM]! && ts < last[DAY_TO]!)) this.#seekDay(ts);
    return last[DAY_FROM]!;
  }

  dayEnd(ts: number): number {
    const last = this.#last;
    if (!(ts >= last[DAY_FROM]! && ts < last[DAY_TO]!)) this.#seekDay(ts);
    return last[DAY_TO]!;
  }

  /** `YYYY-MM-DD` of the day that contains `ts`. */
  localDate(ts: number): string {
    return new Date(this.#date(ts) * DAY_MS).toISOString().slice(0, 10);
  }

  /** Start of the first day of the local month that contains `ts`. */
  monthStart(ts: number): number {
    const date = new Date(this.#date(ts) * DAY_MS);
    return this.#startOfDate(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1) / DAY_MS);
  }

  /** Start of the first day of the next local month. */
  monthEnd(ts: number): number {
    const date = new Date(this.#date(ts) * DAY_MS);
    return this.#startOfDate(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1) / DAY_MS);
  }

  /** ISO weekday of the wall clock's date, 1 Monday … 7 Sunday. */
  dayOfWeek(ts: number): number {
    // Day 0 of the epoch was a Thursday.
    return ((this.#wallDate(ts) + 3) % 7) + 1;
  }

  /** Minutes since midnight as the wall clock shows them, 0 … 1439. */
  minuteOfDay(ts: number): number {
    return Math.floor((ts + this.#offset(ts) - this.#wallDate(ts) * DAY_MS) / MINUTE_MS);
  }

  /**
   * The same wall-clock time one local day earlier (`days` = −1) or later (1); dates that were skipped do not count.
   * A time that comes twice means its first, one that the clock skips means as long after the change as it lies in the gap.
   */
  shiftDay(ts: number, days: 1 | -1): number {
    const timeOfDay = ts + this.#offset(ts) - this.#wallDate(ts) * DAY_MS;
    let date = this.#wallDate(ts) + days;
    while (!this.#isDate(date)) date += days;
    return this.#instantOf(date * DAY_MS + timeOfDay);
  }

  #wholeStart(length: number, ts: number): number {
    const offset = this.#offset(ts);
    const start = Math.floor((ts + offset) / length) * length - offset;
    const cut = this.#last[CUT_FROM]!;
    return Math.max(start, cut);
  }

  #wholeEnd(length: number, ts: number): number {
    const offset = this.#offset(ts);
    const end = (Math.floor((ts + offset) / length) + 1) * length - offset;
    const cut = this.#last[CUT_TO]!;
    return Math.min(end, cut);
  }

  #wallDate(ts: number): number {
    return Math.floor((ts + this.#offset(ts)) / DAY_MS);
  }

  #offset(ts: number): number {
    const last = this.#last;
    if (!(ts >= last[VALID_FROM]! && ts < last[VALID_TO]!)) this.#seekOffset(ts);
    return last[OFFSET]!;
  }

  #seekOffset(ts: number): void {
    const year = this.#yearOf(ts);
    const { offsetStarts, offsets } = year;
    let i = offsetStarts.length - 1;
    while (ts < offsetStarts[i]!) i--;
    const from = offsetStarts[i]!;
    const to = i + 1 < offsetStarts.length ? offsetStarts[i + 1]! : Number.POSITIVE_INFINITY;
    const last = this.#last;
    last[VALID_FROM] = Math.max(from, year.from);
    last[VALID_TO] = Math.min(to, year.to);
    last[CUT_FROM] = from;
    last[CUT_TO] = to;
    last[OFFSET] = offsets[i]!;
  }

  #seekDay(ts: number): void {
    const { dayStarts } = this.#yearOf(ts);
    const i = dayIndex(dayStarts, ts);
    this.#last[DAY_FROM] = dayStarts[i]!;
    this.#last[DAY_TO] = dayStarts[i + 1]!;
  }

  #date(ts: number): number {
    const { dayStarts, dayDates } = this.#yearOf(ts);
    return dayDates[dayIndex(dayStarts, ts)]!;
  }

  /** Start of the first day at or after a date. */
  #startOfDate(date: number): number {
    const { dayStarts, dayDates } = this.#yearOf(date * DAY_MS);
    return dayStarts[dateIndex(dayDates, date)]!;
  }

  #isDate(date: number): boolean {
    const { dayDates } = this.#yearOf(date * DAY_MS);
    return dayDates[dateIndex(dayDates, date)] === date;
  }

  #instantOf(wall: number): number {
    const { offsetStarts, offsets } = this.#yearOf(wall);
    for (let i = 0; i < offsets.length; i++) {
      const ts = wall - offsets[i]!;
      const ended = i + 1 < offsets.length && ts >= offsetStarts[i + 1]!;
      // Before a stretch begins, yet not within the one before: the clock jumped over this time.
      if (!ended) return ts >= offsetStarts[i]! ? ts : wall - offsets[i - 1]!;
    }
    invariant(false, `the wall clock never shows ${wall}`);
  }

  #yearOf(ts: number): ZoneYear {
    invariant(ts >= FIRST_MS && ts < LAST_MS, `the calendar knows the years ${FIRST_YEAR} to ${LAST_YEAR}, asked for ${ts} ms`);
    let index = Math.floor((ts - FIRST_MS) / MEAN_YEAR_MS);
    // The mean year is off by less than two days: the guess is right or a neighbour.
    if (ts < Date.UTC(FIRST_YEAR + index, 0, 1)) index--;
    else if (ts >= Date.UTC(FIRST_YEAR + index + 1, 0, 1)) index++;
    let year = this.#years[index];
    if (year === undefined) {
      year = zoneYear(this.#offsetAt, FIRST_YEAR + index);
      this.#years[index] = year;
    }
    return year;
  }
}

/** Index of the day that contains `ts`: nearly all days have 24 hours, so the guess is hardly ever off. */
function dayIndex(dayStarts: Float64Array, ts: number): number {
  let i = Math.min(Math.floor((ts - dayStarts[0]!) / DAY_MS), dayStarts.length - 2);
  while (ts < dayStarts[i]!) i--;
  while (ts >= dayStarts[i + 1]!) i++;
  return i;
}

/** Index of the first day at or after `date`: only skipped dates shift it. */
function dateIndex(dayDates: Int32Array, date: number): number {
  let i = Math.min(date - dayDates[0]!, dayDates.length - 1);
  while (i > 0 && dayDates[i - 1]! >= date) i--;
  return i;
}
