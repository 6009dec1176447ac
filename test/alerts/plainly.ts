import { Flag } from "../../engine/base/flags.js";
import type { MeterSettings, Rule } from "../../engine/base/settings.js";

/** One live reading with all that anybody will ever know of it. */
export interface Told {
  ts: number;
  /** Where its energy counts. */
  at: number;
  value: number;
  delta: number;
  spanMs: number;
  /** As they stood when it arrived. */
  flags: number;
  /** Whether the next reading showed it to be a spike. */
  spike: boolean;
  quarter: number;
  hour: number;
  day: number;
  /** Rows of `consumption` that came with it, some of them rewritten. */
  periods: { period: number; start: number; end: number; energy: number }[];
}

export interface Outcome {
  ts: number;
  state: "firing" | "resolved";
  value: number;
  /** When the incident's condition began. */
  began: number;
}

interface Moment {
  ts: number;
  /** The instant that the schedule is asked about. */
  at: number;
  amount: number;
}

/**
 * One rule on one meter with the whole story known beforehand: first the list of all moments at which
 * there is something to judge, then one pass.
 */
export function alertsPlainly(rule: Rule, settings: MeterSettings, story: readonly Told[]): Outcome[] {
  const outcomes: Outcome[] = [];
  let phase: "ok" | "pending" | "firing" | "recovering" = "ok";
  let since = 0;
  let began = 0;
  let last = Number.NaN;
  const zone = settings.timezone;
  const belongs = rule.on === "value" ? 0 : 1;
  for (const { ts, at, amount } of moments(rule, settings, story)) {
    // What time has decided by now.
    if (phase === "pending" && hoursEnd(rule.schedule, zone, since - belongs) < ts) phase = "ok";
    const end = phase === "firing" ? hoursEnd(rule.schedule, zone, since - belongs) : Number.POSITIVE_INFINITY;
    if (end < ts) {
      phase = "recovering";
      since = end;
    }
    if (phase === "recovering" && since + rule.keepFiringMs < ts) {
      phase = "ok";
      outcomes.push({ ts: since + rule.keepFiringMs, state: "resolved", value: last, began });
    }
    const inside = rule.schedule === null || withinSchedule(rule.schedule, settings.timezone, at);
    const holds = inside && compare(amount, rule.op, rule.threshold ?? Number.NaN);
    const clear = !inside || (!Number.isNaN(amount) && !compare(amount, rule.op, rule.clear ?? rule.threshold ?? Number.NaN));
    if (!Number.isNaN(amount)) last = amount;
    if (phase === "ok" && holds) {
      phase = "pending";
      began = since = ts;
      if (rule.forMs > 0) continue;
    }
    if (phase === "pending") {
      if (clear) phase = "ok";
      if (!holds || ts - since < rule.forMs) continue;
      phase = "firing";
      since = ts;
      outcomes.push({ ts, state: "firing", value: amount, began });
      continue;
    }
    if (phase === "firing" && clear) {
      phase = "recovering";
      since = ts;
      if (rule.keepFiringMs > 0) continue;
    }
    if (phase !== "recovering") continue;
    if (holds) {
      phase = "firing";
      since = ts;
    }
    if (!clear || ts - since < rule.keepFiringMs) continue;
    phase = "ok";
    outcomes.push({ ts, state: "resolved", value: amount, began });
  }
  return outcomes;
}

function compare(amount: number, op: Rule["op"], threshold: number): boolean {
  return { ">": amount > threshold, ">=": amount >= threshold, "<": amount < threshold, "<=": amount <= threshold }[op];
}

function moments(rule: Rule, settings: MeterSettings, story: readonly Told[]): Moment[] {
  if (rule.on === "value")
    return story.map(({ ts, value }) => ({ ts, at: ts, amount: Number((value * settings.multiplier).toFixed(6)) }));
  const waits = (told: Told) =>
    settings.kind === "counter" && (settings.maxRate === null || (told.flags & (Flag.RESET | Flag.EXCHANGE)) !== 0);
  const settled = story.map((told, index) => !waits(told) || (index + 1 < story.length && !told.spike));
  const all = story.flatMap((told, index): Moment[] => {
    if (!settled[index]) return [];
    const moment = (amount: number) => [{ ts: told.at, at: told.at - 1, amount }];
    if (rule.on === "delta") return moment(told.delta);
    if (rule.on === "rate") return moment(told.delta / Math.max(told.spanMs / 3_600_000, 1 / 60));
    if (rule.on === "flag" || rule.on === "nodata") return [];
    return moment(rule.op.startsWith(">") ? told[rule.on] : Number.NaN);
  });
  const period = ["quarter", "hour", "day"].indexOf(rule.on);
  return [...(period < 0 ? [] : closings(period, story, waits, settled)), ...all].sort((a, b) => a.ts - b.ts);
}

/** Each period once, at its end, with the energy that its row held when the reading that settled it was settled. */
function closings(period: number, story: readonly Told[], waits: (told: Told) => boolean, settled: readonly boolean[]): Moment[] {
  const ends = new Set(story.flatMap((told) => told.periods.filter((row) => row.period === period).map((row) => row.end)));
  return [...ends]
    .sort((a, b) => a - b)
    .flatMap((end): Moment[] => {
      const by = story.findIndex((told, index) => settled[index] && told.at >= end);
      if (by < 0) return [];
      const known = story.slice(0, waits(story[by]!) ? by + 2 : by + 1);
      const rows = known.flatMap((told) => told.periods.filter((row) => row.period === period && row.end === end));
      return [{ ts: end, at: end - 1, amount: rows.at(-1)!.energy }];
    });
}

const ends = new Map<string, number>();
const HALF_HOUR = 1_800_000;
const DAY = 86_400_000;

/** When the hours are over that contain `at`, found by looking at every half hour from there on; all schedules here begin and end on one. */
function hoursEnd(schedule: Rule["schedule"], zone: string, at: number): number {
  if (schedule === null) return Number.POSITIVE_INFINITY;
  const half = Math.floor(at / HALF_HOUR) * HALF_HOUR;
  const key = `${JSON.stringify(schedule)} ${zone} ${half}`;
  let end = ends.get(key);
  if (end === undefined) {
    end = half + HALF_HOUR;
    while (end < half + 9 * DAY && withinSchedule(schedule, zone, end)) end += HALF_HOUR;
    if (end >= half + 9 * DAY) end = Number.POSITIVE_INFINITY;
    ends.set(key, end);
  }
  return end;
}

const clocks = new Map<string, Intl.DateTimeFormat>();

function clockOf(timeZone: string): Intl.DateTimeFormat {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  clocks.set(timeZone, format);
  return format;
}

/** Asks Intl itself what the wall clock shows. */
function withinSchedule(schedule: NonNullable<Rule["schedule"]>, timeZone: string, at: number): boolean {
  const format = clocks.get(timeZone) ?? clockOf(timeZone);
  const part = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const week = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
  const today = week.indexOf(part["weekday"]!) + 1;
  const yesterday = ((today + 5) % 7) + 1;
  const minute = Number(part["hour"]) * 60 + Number(part["minute"]);
  const { days, fromMinute: from, toMinute: to } = schedule;
  if (from === to) return days.includes(today);
  if (from < to) return days.includes(today) && from <= minute && minute < to;
  return (days.includes(today) && minute >= from) || (days.includes(yesterday) && minute < to);
}
