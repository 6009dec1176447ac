import type { Calendar } from "./calendar.js";
import { DAY_MS } from "./zone.js";

const DATE = /^(\d{4})-(\d{2})-(\d{2})$/;

/** Whether a text is a date that the Gregorian calendar has, written YYYY-MM-DD. */
export function isDate(text: string): boolean {
  const match = DATE.exec(text);
  if (match === null) return false;
  const month = Number(match[2]);
  const day = Number(match[3]);
  return month >= 1 && month <= 12 && day >= 1 && day <= new Date(Date.UTC(Number(match[1]), month, 0)).getUTCDate();
}

/** The first instant of a local date; NaN for one that the zone skipped. `date` is a date of the years 2000 to 2099. */
export function startOfDate(calendar: Calendar, date: string): number {
  // No zone is ever more than a day away from UTC, so one of the days around midnight in UTC is it.
  let start = calendar.dayStart(Date.parse(`${date}T00:00:00Z`) - DAY_MS);
  while (calendar.localDate(start) < date) start = calendar.dayEnd(start);
  return calendar.localDate(start) === date ? start : Number.NaN;
}
