import type { Span } from "../state/audit-spans.js";
import type { MeterBook } from "../state/book.js";

const LEAST_BEFORE_MS = 3_600_000;
const LEAST_AFTER_MS = 900_000;

/** How much further than usual is read; grows until it is enough. */
export interface AuditReach {
  readonly before: number;
  readonly after: number;
}

/** What of a meter is read to judge a day; `knownFrom` −Infinity: nothing was before, `knownTo` Infinity: nothing came after. */
export interface AuditRange {
  readonly from: number;
  readonly to: number;
  readonly knownFrom: number;
  readonly knownTo: number;
}

/** From a place early enough to judge from, most likely, to a reading behind the day that settles it. */
export function auditRange(book: MeterBook, meter: number, day: Span, reach: AuditReach): AuditRange {
  const timeline = book.timeline(meter);
  const cadenceMs = book.cadenceMs(meter);
  const someMs = 3 * (Number.isNaN(cadenceMs) ? 0 : cadenceMs);
  // A reading may be labelled by the beginning of an interval that ends in the day, or behind it by one that begins in it.
  const overlapMs = Math.max(
    ...timeline.steps.map((step) => (step.isInterval ? step.intervalLength(day.to) + 2 * step.intervalSlackMs : 0)),
  );
  const from = day.from - overlapMs - Math.max(LEAST_BEFORE_MS, timeline.maxGapMs + someMs) * reach.before;
  const to = day.to + (2 * overlapMs + Math.max(LEAST_AFTER_MS, someMs)) * reach.after;
  const first = book.firstTs(meter);
  const newest = book.newestTs(meter);
  const [isFirst, isLast] = [!(from > first), !(to < newest)];
  return {
    from: isFirst ? first : from,
    to: isLast ? newest : to,
    knownFrom: isFirst ? Number.NEGATIVE_INFINITY : from,
    knownTo: isLast ? Number.POSITIVE_INFINITY : to,
  };
}

/** The first local day of which a meter may have a row. */
export function firstDayOf(book: MeterBook, meter: number): number {
  const timeline = book.timeline(meter);
  const first = book.firstTs(meter);
  const settings = timeline.at(first);
  // What stands exactly at a day's beginning belongs to the day before.
  const begin = settings.isInterval ? Math.min(first - 1, settings.intervalStart(first)) : first - 1;
  return timeline.dayOf(begin).from;
}
