import { SEVERITIES } from "../../engine/base/entries.js";
import { Flag } from "../../engine/base/flags.js";
import type { MeterSettings, Rule } from "../../engine/base/settings.js";

/**
 * One rule on one meter, as a state machine in event time:
 *
 *     OK ──true──▶ PENDING ──true for `for`──▶ FIRING ──clear──▶ RECOVERING ──clear for `keepFiring`──▶ OK
 *      ◀───clear───┘                             ▲ ──────────true─────────┘
 *
 * What is neither true nor clear (between threshold and `clear`, or an amount that is not known)
 * moves nothing, in whatever state.
 */
export const AlertState = { OK: 0, PENDING: 1, FIRING: 2, RECOVERING: 3 } as const;
export const Truth = { NEITHER: 0, TRUE: 1, CLEAR: 2 } as const;
export const Move = { NONE: 0, FIRE: 1, RESOLVE: 2 } as const;

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

/** One live reading as the rules see it. The caller fills one object again and again. */
export interface Observation {
  ts: number;
  /** As sent: the register's number, before the multiplier. */
  value: number;
  /** After the multiplier, as its row shows it; NaN where unknown. */
  delta: number;
  /** Time over which `delta` came about, from the baseline's ts to this one (an interval's length); NaN with an unknown delta. */
  spanMs: number;
  /** Flags as they stand now, before the look-ahead. */
  flags: number;
  /** Flags of the reading before this one, now that this one, its look-ahead, is here; 0 where there is none. */
  previousFlags: number;
  /** Energy so far of the running periods, this reading's share included (one exactly on an end belongs to the period that ends); NaN where not kept. */
  quarter: number;
  hour: number;
  day: number;
}

export function emptyObservation(): Observation {
  return { ts: 0, value: 0, delta: 0, spanMs: 0, flags: 0, previousFlags: 0, quarter: 0, hour: 0, day: 0 };
}

/** A rule made ready for one time zone. */
export interface CompiledRule {
  readonly rule: Rule;
  readonly tenant: string;
  readonly on: number;
  readonly above: boolean;
  readonly orEqual: boolean;
  /** NaN: none. */
  readonly threshold: number;
  /** The threshold itself where no other is given. */
  readonly clear: number;
  readonly forMs: number;
  readonly keepFiringMs: number;
  readonly severity: number;
  /** Bit d for ISO day d; 0: no schedule. */
  readonly days: number;
  readonly fromMinute: number;
  readonly toMinute: number;
  readonly local: LocalTime;
  /** No longer among the rules: what still fires resolves at the next live reading. */
  readonly retired: boolean;
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

export function compileRule(rule: Rule, tenant: string, local: LocalTime): CompiledRule {
  let days = 0;
  for (const day of rule.schedule?.days ?? []) days |= 1 << day;
  return {
    rule,
    tenant,
    on: ONS[rule.on],
    above: rule.op === ">" || rule.op === ">=",
    orEqual: rule.op === ">=" || rule.op === "<=",
    threshold: rule.threshold ?? Number.NaN,
    clear: rule.clear ?? rule.threshold ?? Number.NaN,
    forMs: rule.forMs,
    keepFiringMs: rule.keepFiringMs,
    severity: SEVERITIES.indexOf(rule.severity),
    days,
    fromMinute: rule.schedule?.fromMinute ?? 0,
    toMinute: rule.schedule?.toMinute ?? 0,
    local,
    retired: false,
  };
}

export function retire(rule: CompiledRule): CompiledRule {
  return { ...rule, retired: true, keepFiringMs: 0 };
}

/** Whether two rules judge alike, so that a condition that began under one goes on under the other. */
export function sameCondition(a: Rule, b: Rule): boolean {
  return condition(a) === condition(b);
}

function condition(rule: Rule): string {
  const { on, op, threshold, clear, forMs, schedule } = rule;
  return JSON.stringify([on, op, threshold, clear, forMs, schedule?.days, schedule?.fromMinute, schedule?.toMinute]);
}

/**
 * What an amount says about a rule. `atMs` is the instant by which the schedule is judged: a level's
 * own ts, but for energy the millisecond before, since what ends exactly on a boundary belongs before it.
 */
export function truthOf(rule: CompiledRule, amount: number, atMs: number): number {
  if (rule.retired || (rule.days !== 0 && !scheduled(rule, atMs))) return Truth.CLEAR;
  if (Number.isNaN(amount)) return Truth.NEITHER;
  if (beyond(rule, amount, rule.threshold)) return Truth.TRUE;
  return beyond(rule, amount, rule.clear) ? Truth.NEITHER : Truth.CLEAR;
}

function beyond(rule: CompiledRule, amount: number, threshold: number): boolean {
  if (amount === threshold) return rule.orEqual;
  return amount > threshold === rule.above;
}

/** Over midnight the stretch belongs to the day on which it begins. */
function scheduled(rule: CompiledRule, atMs: number): boolean {
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

/** The energy that a reading gives a rule, NaN for none. A running sum says nothing yet to a rule that looks for little. */
export function energyOf(rule: CompiledRule, seen: Observation): number {
  switch (rule.on) {
    case On.DELTA:
      return (seen.flags & Flag.SPIKE) === 0 ? seen.delta : Number.NaN;
    case On.RATE:
      return (seen.flags & Flag.SPIKE) === 0 && seen.spanMs >= 0
        ? (seen.delta * 3_600_000) / Math.max(seen.spanMs, 60_000)
        : Number.NaN;
    case On.QUARTER:
      return rule.above ? seen.quarter : Number.NaN;
    case On.HOUR:
      return rule.above ? seen.hour : Number.NaN;
    case On.DAY:
      return rule.above ? seen.day : Number.NaN;
    default:
      return Number.NaN;
  }
}

/**
 * Whether the look-ahead may still take back what a reading with these flags counts: every delta of a
 * counter without maxRate, with one those after a RESET or EXCHANGE.
 */
export function defers(settings: MeterSettings, flags: number): boolean {
  return settings.kind === "counter" && (settings.maxRate === null || (flags & (Flag.RESET | Flag.EXCHANGE)) !== 0);
}

/** The machines' memory, one slot each. */
export interface AlertSlots {
  /** Of AlertState. */
  readonly state: Uint8Array;
  /** When the present PENDING or RECOVERING began. */
  readonly since: Float64Array;
  /** The incident's beginning: when its condition became true. */
  readonly began: Float64Array;
}

/** Moves one machine on by what was seen at `ts`. The answer is of Move. */
export function advance(slots: AlertSlots, slot: number, rule: CompiledRule, truth: number, ts: number): number {
  if (truth === Truth.NEITHER) return Move.NONE;
  const isTrue = truth === Truth.TRUE;
  switch (slots.state[slot]) {
    case AlertState.OK:
      if (!isTrue) return Move.NONE;
      slots.since[slot] = ts;
      slots.began[slot] = ts;
      slots.state[slot] = rule.forMs === 0 ? AlertState.FIRING : AlertState.PENDING;
      return rule.forMs === 0 ? Move.FIRE : Move.NONE;
    case AlertState.PENDING:
      if (!isTrue) slots.state[slot] = AlertState.OK;
      else if (ts - slots.since[slot]! >= rule.forMs) {
        slots.state[slot] = AlertState.FIRING;
        return Move.FIRE;
      }
      return Move.NONE;
    case AlertState.FIRING:
      if (isTrue) return Move.NONE;
      slots.since[slot] = ts;
      slots.state[slot] = rule.keepFiringMs === 0 ? AlertState.OK : AlertState.RECOVERING;
      return rule.keepFiringMs === 0 ? Move.RESOLVE : Move.NONE;
    default:
      if (isTrue) slots.state[slot] = AlertState.FIRING;
      else if (ts - slots.since[slot]! >= rule.keepFiringMs) {
        slots.state[slot] = AlertState.OK;
        return Move.RESOLVE;
      }
      return Move.NONE;
  }
}
