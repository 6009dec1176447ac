import { Flag } from "../base/flags.js";
import { type MeterTimeline, stepAt } from "../base/settings.js";
import type { ConsumptionRow } from "../store/interface.js";
import { dayAt, decimalsOf, monthAt, type Span, settingsWithin } from "./month-spans.js";

/** A local month as the sum of its local days. `period` stays "day": a month is no row of a table. */
export type MonthRow = Omit<ConsumptionRow, "period">;

/**
 * Months from their days' rows, in order. A day without a row counts as uncovered; only months of which at least
 * one day has a row appear. Values are added in whole units of the finest resolution in force, so no sum shows a rounding of its own.
 * For a gauge the value is the mean of the days, weighted by the time that each covers.
 */
export function monthsOf(days: readonly ConsumptionRow[], timeline: MeterTimeline): MonthRow[] {
  const months: MonthRow[] = [];
  for (let i = 0; i < days.length; ) {
    const month = monthAt(timeline, days[i]!.ts);
    const inMonth: ConsumptionRow[] = [];
    while (i < days.length && days[i]!.ts < month.to) inMonth.push(days[i++]!);
    months.push(monthOf(inMonth, month, timeline));
  }
  return months;
}

function monthOf(days: readonly ConsumptionRow[], { from, to }: Span, timeline: MeterTimeline): MonthRow {
  const mean = stepAt(timeline, from).settings.kind === "gauge";
  const scale = 10 ** decimalsOf(settingsWithin(timeline, { from, to }));
  const month: MonthRow = { ts: from, value: null, min: null, max: null, coverage: 0, readings: 0, flags: 0 };
  let units = 0;
  let weighted = 0;
  let coveredMs = 0;
  for (const day of days) {
    const span = dayAt(timeline, day.ts);
    const dayMs = span.to - span.from;
    coveredMs += Math.round(day.coverage * dayMs);
    month.readings += day.readings;
    month.flags |= day.flags;
    if (day.min !== null) month.min = Math.min(month.min ?? day.min, day.min);
    if (day.max !== null) month.max = Math.max(month.max ?? day.max, day.max);
    if (day.value === null) continue;
    units += Math.round(day.value * scale);
    weighted += day.value * Math.round(day.coverage * dayMs);
    month.value = mean ? weighted / coveredMs : units / scale;
  }
  month.coverage = coveredMs / (to - from);
  if (month.coverage < 1) month.flags |= Flag.PARTIAL;
  return month;
}
