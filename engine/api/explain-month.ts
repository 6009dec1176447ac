import type { ExplainedDay, ExplainedFlag, MonthExplanation } from "../base/explanation.js";
import { Flag, flagNames } from "../base/flags.js";
import type { MeterSettings, MeterTimeline } from "../base/settings.js";
import type { ConsumptionRow } from "../store/interface.js";
import { calendarAt, dayAt, decimalsOf, type Span, settingsWithin } from "./month-spans.js";
import { monthsOf } from "./months.js";

/** Days that a sentence can name. */
const MOST_NAMED = 5;

/**
 * What lies behind a local month: its days. `settings` are those in force where it was asked for, `rows` those of its days, `newestMs` the
 * meter's newest reading. Null where no day has a row.
 */
export function explainMonth(
  meter: string,
  timeline: MeterTimeline,
  settings: MeterSettings,
  rows: readonly ConsumptionRow[],
  span: Span,
  newestMs: number,
  pending: number,
): MonthExplanation | null {
  const { kind, unit, timezone } = settings;
  const decimals = decimalsOf(settingsWithin(timeline, span));
  const scale = { decimals, digits: 1, divisor: 10 ** decimals };
  const [month] = monthsOf(rows, timeline);
  if (month === undefined) return null;
  const { from: start, to: end } = span;
  const days = daysOf(rows, timeline, span, scale.divisor);
  const { value, min, max, coverage, readings, flags } = month;
  const coveredMs = days.reduce((sum, day) => sum + day.coveredMs, 0);
  const running = newestMs < end;
  return {
    ...{ meter, kind, unit, timezone, settings },
    period: "month",
    ts: new Date(start).toISOString(),
    end: new Date(end).toISOString(),
    localDate: calendarAt(timeline, start).localDate(start),
    lengthMs: end - start,
    figure: { value, min, max, coverage, readings, flags: flagNames(flags) },
    running,
    provisional: running,
    pending,
    flags: flagNames(flags).map((flag) => flagOf(flag, days, running)),
    scale,
    days,
    coveredMs,
    recompute: recomputeText(days, settings, value, decimals),
  };
}

function daysOf(rows: readonly ConsumptionRow[], timeline: MeterTimeline, { from, to }: Span, divisor: number): ExplainedDay[] {
  const byTs = new Map(rows.map((row) => [row.ts, row]));
  const days: ExplainedDay[] = [];
  for (let ts = from, next = from; ts < to; ts = next) {
    const row = byTs.get(ts);
    next = dayAt(timeline, ts).to;
    const lengthMs = next - ts;
    const value = row?.value ?? null;
    days.push({
      localDate: calendarAt(timeline, ts).localDate(ts),
      ts: new Date(ts).toISOString(),
      lengthMs,
      value,
      units: value === null ? null : Math.round(value * divisor),
      min: row?.min ?? null,
      max: row?.max ?? null,
      coverage: row?.coverage ?? 0,
      coveredMs: Math.round((row?.coverage ?? 0) * lengthMs),
      readings: row?.readings ?? 0,
      flags: flagNames(row?.flags ?? 0),
      hasRow: row !== undefined,
    });
  }
  return days;
}

function flagOf(flag: ExplainedFlag["flag"], days: readonly ExplainedDay[], running: boolean): ExplainedFlag {
  if (Flag[flag] === Flag.PARTIAL) {
    const partial = days.filter(({ coverage }) => coverage < 1).map(({ localDate }) => localDate);
    return { flag, why: `${running ? "the month is not over; " : ""}not wholly covered: ${named(partial)}` };
  }
  return { flag, why: `on ${named(days.filter(({ flags }) => flags.includes(flag)).map(({ localDate }) => localDate))}` };
}

function named(dates: readonly string[]): string {
  if (dates.length <= MOST_NAMED) return dates.join(", ");
  return `${dates.slice(0, MOST_NAMED).join(", ")} and ${dates.length - MOST_NAMED} more days`;
}

function recomputeText(days: readonly ExplainedDay[], settings: MeterSettings, value: number | null, decimals: number): string {
  const known = days.filter((day) => day.value !== null).length;
  if (value === null) return "No day of the month has a known figure.";
  const shown = `${value}${settings.unit === "" ? "" : ` ${settings.unit}`}`;
  if (settings.kind === "gauge") {
    return `The mean of the ${known} known days, each weighted by the time that it covers (value × coveredMs, added, ÷ the sum of coveredMs), is ${shown}.`;
  }
  return `Add the units of 10^-${decimals} of the ${known} known days and divide by 10^${decimals}: ${shown}.`;
}
