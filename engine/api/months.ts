import type { Calendar } from "../base/calendar.js";
import { Flag } from "../base/flags.js";
import type { ConsumptionRow } from "../store/interface.js";

/** A local month as the sum of its local days. `period` stays "day": a month is no row of a table. */
export type MonthRow = Omit<ConsumptionRow, "period">;

/**
 * Months from their days' rows, in order. A day without a row counts as uncovered; only months of which at least
 * one day has a row appear. Values are added in whole units of `decimals` places, so no sum shows a rounding of its own.
 * For a gauge (`mean`) the value is the mean of the days, weighted by the time that each covers.
 */
export function monthsOf(days: readonly ConsumptionRow[], calendar: Calendar, decimals: number, mean: boolean): MonthRow[] {
  const months: MonthRow[] = [];
  for (let i = 0; i < days.length; ) {
    const start = calendar.monthStart(days[i]!.ts);
    const end = calendar.monthEnd(days[i]!.ts);
    const inMonth: ConsumptionRow[] = [];
    while (i < days.length && days[i]!.ts < end) inMonth.push(days[i++]!);
    months.push(monthOf(inMonth, start, end, calendar, decimals, mean));
  }
  return months;
}

function monthOf(
  days: readonly ConsumptionRow[],
  start: number,
  end: number,
  calendar: Calendar,
  decimals: number,
  mean: boolean,
): MonthRow {
  const scale = 10 ** decimals;
  const month: MonthRow = { ts: start, value: null, min: null, max: null, coverage: 0, readings: 0, flags: 0 };
  let units = 0;
  let weighted = 0;
  let coveredMs = 0;
  for (const day of days) {
    const dayMs = calendar.dayEnd(day.ts) - day.ts;
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
  month.coverage = coveredMs / (end - start);
  if (month.coverage < 1) month.flags |= Flag.PARTIAL;
  return month;
}
