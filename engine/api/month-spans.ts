import { type Calendar, calendarFor } from "../base/calendar.js";
import { decimalParts } from "../base/decimal.js";
import { type MeterSettings, type MeterTimeline, stepAt } from "../base/settings.js";

/** Calendars go no further than 2101, and no reading is of a time so far ahead. */
const LAST_MONTH_MS = Date.UTC(2101, 0, 1);

/** From ≤ ts < to, epoch milliseconds. */
export interface Span {
  from: number;
  to: number;
}

/** The calendar of the time zone in force at an instant. */
export function calendarAt(timeline: MeterTimeline, ts: number): Calendar {
  return calendarFor(stepAt(timeline, ts).settings.timezone);
}

/** The local day in which an instant lies, as rows have it: cut where the settings change. */
export function dayAt(timeline: MeterTimeline, ts: number): Span {
  const index = timeline.indexOf(stepAt(timeline, ts));
  const calendar = calendarFor(timeline[index]!.settings.timezone);
  return within(timeline, index, calendar.dayStart(ts), calendar.dayEnd(ts));
}

/**
 * The local month in which an instant lies, by the time zone in force at each instant of it. Over a change of settings it goes on where
 * they call it the same month and its days can be added: not where levels become amounts, nor from one unit to another.
 */
export function monthAt(timeline: MeterTimeline, ts: number): Span {
  const asked = Math.min(ts, LAST_MONTH_MS);
  const index = timeline.indexOf(stepAt(timeline, asked));
  const name = monthName(timeline, index, asked);
  const span = monthWithin(timeline, index, asked);
  for (let i = index; i > 0 && span.from === timeline[i]!.from; i--) {
    if (!goesOn(timeline, i) || monthName(timeline, i - 1, span.from - 1) !== name) break;
    span.from = monthWithin(timeline, i - 1, span.from - 1).from;
  }
  for (let i = index + 1; i < timeline.length && span.to === timeline[i]!.from; i++) {
    if (!goesOn(timeline, i) || monthName(timeline, i, span.to) !== name) break;
    span.to = monthWithin(timeline, i, span.to).to;
  }
  return span;
}

/** All settings that are in force at some time of a span. */
export function settingsWithin(timeline: MeterTimeline, { from, to }: Span): MeterSettings[] {
  const first = timeline.indexOf(stepAt(timeline, from));
  return timeline.filter((step, i) => i >= first && (i === first || step.from < to)).map(({ settings }) => settings);
}

/** Decimal places of the finest amounts that rows of these settings can show. */
export function decimalsOf(settings: readonly MeterSettings[]): number {
  return Math.max(...settings.map(({ decimals, multiplier }) => decimals + decimalParts(multiplier).decimals));
}

/** `YYYY-MM` by the calendar of a step. */
function monthName(timeline: MeterTimeline, index: number, ts: number): string {
  return calendarFor(timeline[index]!.settings.timezone).localDate(ts).slice(0, 7);
}

function monthWithin(timeline: MeterTimeline, index: number, ts: number): Span {
  const calendar = calendarFor(timeline[index]!.settings.timezone);
  return within(timeline, index, calendar.monthStart(ts), calendar.monthEnd(ts));
}

function within(timeline: MeterTimeline, index: number, from: number, to: number): Span {
  return { from: Math.max(from, timeline[index]!.from), to: Math.min(to, timeline[index + 1]?.from ?? to) };
}

/** Whether days before the step at `index` and days behind its beginning add up to one figure. */
function goesOn(timeline: MeterTimeline, index: number): boolean {
  const [before, after] = [timeline[index - 1]!.settings, timeline[index]!.settings];
  return (before.kind === "gauge") === (after.kind === "gauge") && before.unit === after.unit;
}
