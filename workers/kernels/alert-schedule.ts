import { PERIODS } from "../../engine/base/entries.js";
import type { CompiledRule } from "./alert-rule.js";

const HOUR = PERIODS.indexOf("hour");
const MINUTE_MS = 60_000;
/** Hours in which a schedule that ever changes has changed: a week, another one where the clock skips its hours, and some. */
const MOST_HOURS = 16 * 24;

/** Whether the rule's hours are on at an instant; always without a schedule. Over midnight the stretch belongs to the day on which it begins. */
export function scheduled(rule: CompiledRule, atMs: number): boolean {
  if (rule.days === 0) return true;
  const minute = rule.local.minuteOfDay(atMs);
  const today = rule.local.dayOfWeek(atMs);
  const { fromMinute, toMinute } = rule;
  const overMidnight = fromMinute > toMinute;
  const sinceYesterday = overMidnight && minute < fromMinute;
  const inside =
    fromMinute === toMinute ||
    (overMidnight ? minute >= fromMinute || minute < toMinute : minute >= fromMinute && minute < toMinute);
  const day = sinceYesterday ? (today === 1 ? 7 : today - 1) : today;
  return inside && (rule.days & (1 << day)) !== 0;
}

/** The first instant after this one at which the rule's hours go on or off; Infinity: never. */
export function scheduleChange(rule: CompiledRule, atMs: number): number {
  if (rule.days === 0) return Number.POSITIVE_INFINITY;
  const { stretch } = rule;
  if (!(atMs >= stretch.from && atMs < stretch.to)) {
    stretch.to = changeAfter(rule, atMs);
    stretch.from = atMs;
  }
  return stretch.to;
}

/** Within an hour, which a change of the clock cuts, the minutes run on, so a change lies at its beginning or at one of the two minutes. */
function changeAfter(rule: CompiledRule, atMs: number): number {
  const { local, fromMinute, toMinute } = rule;
  const isOn = scheduled(rule, atMs);
  let begin = atMs;
  for (let hour = 0; hour < MOST_HOURS; hour++) {
    const end = local.end(HOUR, begin);
    const minute = local.minuteOfDay(begin);
    const minuteStart = begin - (begin % MINUTE_MS);
    const first = minuteStart + (Math.min(fromMinute, toMinute) - minute) * MINUTE_MS;
    const second = minuteStart + (Math.max(fromMinute, toMinute) - minute) * MINUTE_MS;
    if (first > begin && first < end && scheduled(rule, first) !== isOn) return first;
    if (second > begin && second < end && scheduled(rule, second) !== isOn) return second;
    if (scheduled(rule, end) !== isOn) return end;
    begin = end;
  }
  return Number.POSITIVE_INFINITY;
}
