import { SEVERITIES } from "../../engine/base/entries.js";
import { Flag } from "../../engine/base/flags.js";
import type { Rule } from "../../engine/base/settings.js";

/** What a rule looks at; QUARTER, HOUR and DAY stand in the order of PERIODS from `On.QUARTER` on. */
export const On = { VALUE: 0, DELTA: 1, RATE: 2, QUARTER: 3, HOUR: 4, DAY: 5, FLAG: 6, NODATA: 7 } as const;

/** The local time of a zone. */
export interface LocalTime {
  /** 1 Monday … 7 Sunday. */
  dayOfWeek(ts: number): number;
  minuteOfDay(ts: number): number;
  /** End of the period that contains `ts`; `period` is an index into PERIODS. */
  end(period: number, ts: number): number;
}

/** A rule made ready for one time zone. */
export interface CompiledRule {
  readonly rule: Rule;
  readonly tenant: string;
  readonly on: number;
  readonly above: boolean;
  readonly orEqual: boolean;
  /** Of each level in the order in which an incident climbs; there is at least one. NaN: none. */
  readonly thresholds: readonly number[];
  readonly severities: readonly number[];
  /** The first level's threshold itself where no other is given. */
  readonly clear: number;
  readonly forMs: number;
  readonly keepFiringMs: number;
  /** Which flag it looks for, as its bit; 0: none. */
  readonly flag: number;
  /** Bit d for ISO day d; 0: no schedule. */
  readonly days: number;
  readonly fromMinute: number;
  readonly toMinute: number;
  readonly local: LocalTime;
  /** Since when the client has it, in epoch milliseconds of the engine's clock: missing data counts from no earlier. */
  readonly fromMs: number;
  /** No longer among the rules: what still fires resolves at the next live reading or tick. */
  readonly retired: boolean;
  /** The stretch without a change of the schedule that was looked up last: it serves the next meter too. */
  readonly stretch: { from: number; to: number };
}

const ONS: Readonly<Record<Rule["on"], number>> = {
  value: On.VALUE,
  delta: On.DELTA,
  rate: On.RATE,
  quarter: On.QUARTER,
  hour: On.HOUR,
  day: On.DAY,
  flag: On.FLAG,
  nodata: On.NODATA,
};

export function compileRule(rule: Rule, tenant: string, local: LocalTime, fromMs = Number.NEGATIVE_INFINITY): CompiledRule {
  let days = 0;
  for (const day of rule.schedule?.days ?? []) days |= 1 << day;
  const first = rule.threshold ?? Number.NaN;
  // Rules that were journaled before there were levels have none.
  const levels = rule.levels?.length > 0 ? rule.levels : [{ severity: rule.severity, threshold: first }];
  return {
    rule,
    tenant,
    on: ONS[rule.on],
    above: rule.op === ">" || rule.op === ">=",
    orEqual: rule.op === ">=" || rule.op === "<=",
    thresholds: levels.map(({ threshold }) => threshold),
    severities: levels.map(({ severity }) => SEVERITIES.indexOf(severity)),
    clear: rule.clear ?? first,
    forMs: rule.forMs,
    keepFiringMs: rule.keepFiringMs,
    flag: rule.on === "flag" && rule.flag !== null ? Flag[rule.flag] : 0,
    days,
    fromMinute: rule.schedule?.fromMinute ?? 0,
    toMinute: rule.schedule?.toMinute ?? 0,
    local,
    fromMs,
    retired: false,
    stretch: { from: Number.NaN, to: Number.NaN },
  };
}

/** The rule as it goes on where it fires though it is no longer among the rules. */
export function retire(rule: CompiledRule): CompiledRule {
  return { ...rule, retired: true, keepFiringMs: 0, days: 0 };
}

/** By this a rule is known when rules change: one that looks at something else is another one. */
export function ruleKey({ id, on }: Pick<Rule, "id" | "on">): string {
  return `${on} ${id}`;
}

/** Whether two rules judge alike, so that a condition that began under one goes on under the other. */
export function sameCondition(a: Rule, b: Rule): boolean {
  return condition(a) === condition(b);
}

function condition(rule: Rule): string {
  const { on, op, threshold, clear, forMs, schedule, flag = null } = rule;
  return JSON.stringify([on, op, threshold, clear, forMs, schedule?.days, schedule?.fromMinute, schedule?.toMinute, flag]);
}
