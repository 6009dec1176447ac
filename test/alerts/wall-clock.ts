import type { RuleSchedule } from "../../engine/base/settings.js";

const STEP_MS = 15 * 60_000;
const DAYS_LOOKED_AT = 16;
const WEEK = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

const clocks = new Map<string, Intl.DateTimeFormat>();
const changes = new Map<string, number>();
const answers = new Map<string, boolean>();

function clockOf(timeZone: string): Intl.DateTimeFormat {
  const known = clocks.get(timeZone);
  if (known !== undefined) return known;
  const digits = "2-digit";
  const format = new Intl.DateTimeFormat("en-GB", { timeZone, weekday: "short", hour: digits, minute: digits, hourCycle: "h23" });
  clocks.set(timeZone, format);
  return format;
}

/** Whether the hours are on, as Intl's own clock shows the time; schedules begin and end on quarters of an hour. */
export function hoursOn(schedule: RuleSchedule | null, timeZone: string, at: number): boolean {
  if (schedule === null) return true;
  const quarter = Math.floor(at / STEP_MS) * STEP_MS;
  const key = `${JSON.stringify(schedule)} ${timeZone} ${quarter}`;
  const known = answers.get(key);
  if (known !== undefined) return known;
  const part = Object.fromEntries(
    clockOf(timeZone)
      .formatToParts(quarter)
      .map(({ type, value }) => [type, value]),
  );
  const today = WEEK.indexOf(part["weekday"]!) + 1;
  const yesterday = ((today + 5) % 7) + 1;
  const minute = Number(part["hour"]) * 60 + Number(part["minute"]);
  const { days, fromMinute: from, toMinute: to } = schedule;
  let isOn = (days.includes(today) && minute >= from) || (days.includes(yesterday) && minute < to);
  if (from === to) isOn = days.includes(today);
  else if (from < to) isOn = days.includes(today) && from <= minute && minute < to;
  answers.set(key, isOn);
  return isOn;
}

/** The first instant after `at` at which the hours go on or off, found by looking at every quarter of an hour; Infinity: never. */
export function hoursChange(schedule: RuleSchedule | null, timeZone: string, at: number): number {
  if (schedule === null) return Number.POSITIVE_INFINITY;
  const begin = Math.floor(at / STEP_MS) * STEP_MS;
  const key = `${JSON.stringify(schedule)} ${timeZone} ${begin}`;
  const known = changes.get(key);
  if (known !== undefined) return known;
  const isOn = hoursOn(schedule, timeZone, at);
  const last = begin + DAYS_LOOKED_AT * 86_400_000;
  let change = begin + STEP_MS;
  while (change < last && hoursOn(schedule, timeZone, change) === isOn) change += STEP_MS;
  if (change >= last) change = Number.POSITIVE_INFINITY;
  changes.set(key, change);
  return change;
}
