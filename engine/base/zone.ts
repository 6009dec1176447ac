import { MeterstormError } from "./errors.js";

export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** What a zone's clock is ahead of UTC at an instant, in milliseconds. */
export type OffsetAt = (ts: number) => number;

/**
 * The offsets of an IANA zone as Intl knows them: slow (about a microsecond), hence asked only while tables are filled.
 * Throws MeterstormError `timezone_unknown`.
 */
export function offsetsOf(timezone: string): OffsetAt {
  const format = wallClockOf(timezone);
  return (ts) => {
    const [month = 0, day = 0, year = 0, hour = 0, minute = 0, second = 0] = (format.format(ts).match(/\d+/g) ?? []).map(Number);
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(ts / 1000) * 1000;
  };
}

function wallClockOf(timezone: string): Intl.DateTimeFormat {
  const digits = "2-digit";
  try {
    return new Intl.DateTimeFormat("en-US-u-ca-gregory-nu-latn", {
      timeZone: timezone,
      hourCycle: "h23",
      year: "numeric",
      month: digits,
      day: digits,
      hour: digits,
      minute: digits,
      second: digits,
    });
  } catch (cause) {
    throw new MeterstormError(
      "timezone_unknown",
      `${JSON.stringify(timezone)} is no time zone that this machine knows; give an IANA name such as "Europe/Madrid"`,
      { cause },
    );
  }
}

/** One UTC year of a zone, and a few days around it so that what begins in a neighbouring year is known too. */
export interface ZoneYear {
  /** First and last instant (exclusive) for which the tables may be asked. */
  readonly from: number;
  readonly to: number;
  /** Stretches of one offset: where each begins (−∞ for the first, whose true beginning nobody needs), and its offset in ms. */
  readonly offsetStarts: Float64Array;
  readonly offsets: Float64Array;
  /** Local days: where each begins, and its date in days since 1970-01-01. Dates that were skipped are absent. */
  readonly dayStarts: Float64Array;
  readonly dayDates: Int32Array;
}

/** Days around a year: more than the longest day there ever was, and than the longest offset. */
const marginMs = 4 * DAY_MS;

/** Fills the tables of one UTC year. */
export function zoneYear(offsetAt: OffsetAt, year: number): ZoneYear {
  const from = Date.UTC(year, 0, 1);
  const to = Date.UTC(year + 1, 0, 1);
  const { starts, offsets } = stretches(offsetAt, from - marginMs, to + marginMs);
  const { dayStarts, dayDates } = days(starts, offsets, to + marginMs);
  return {
    from,
    to,
    offsetStarts: Float64Array.of(Number.NEGATIVE_INFINITY, ...starts.slice(1)),
    offsets: Float64Array.from(offsets),
    dayStarts: Float64Array.from(dayStarts),
    dayDates: Int32Array.from(dayDates),
  };
}

/** Looks once a day: no zone has changed its clock and taken that back within a day. */
function stretches(offsetAt: OffsetAt, from: number, to: number): { starts: number[]; offsets: number[] } {
  const starts = [from];
  const offsets = [offsetAt(from)];
  for (let at = from; at < to; ) {
    const offset = offsets.at(-1);
    const next = Math.min(at + DAY_MS, to);
    if (offsetAt(next) === offset) {
      at = next;
      continue;
    }
    let changed = next;
    while (changed - at > 1) {
      const middle = Math.floor((at + changed) / 2);
      if (offsetAt(middle) === offset) at = middle;
      else changed = middle;
    }
    starts.push(changed);
    offsets.push(offsetAt(changed));
    at = changed;
  }
  return { starts, offsets };
}

/**
 * A date can begin at a midnight or where the clock jumps. It begins once, with its first instant: a clock that goes back over
 * midnight does not bring yesterday back.
 */
function days(starts: number[], offsets: number[], to: number): { dayStarts: number[]; dayDates: number[] } {
  const dayStarts: number[] = [];
  const dayDates: number[] = [];
  let newest = Number.NEGATIVE_INFINITY;
  for (const [i, start] of starts.entries()) {
    const offset = offsets[i] ?? 0;
    const end = starts[i + 1] ?? to;
    for (let at = start; at < end; at = (Math.floor((at + offset) / DAY_MS) + 1) * DAY_MS - offset) {
      const date = Math.floor((at + offset) / DAY_MS);
      if (date <= newest) continue;
      newest = date;
      dayStarts.push(at);
      dayDates.push(date);
    }
  }
  // The first one began at some unknown time before.
  return { dayStarts: dayStarts.slice(1), dayDates: dayDates.slice(1) };
}
