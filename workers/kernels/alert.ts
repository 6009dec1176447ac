import { Flag } from "../../engine/base/flags.js";
import type { MeterSettings } from "../../engine/base/settings.js";
import { type CompiledRule, On } from "./alert-rule.js";
import { scheduleChange, scheduled } from "./alert-schedule.js";

/**
 * One rule on one meter, as a state machine in event time:
 *
 *     OK ──true──▶ PENDING ──true for `for`──▶ FIRING ──clear──▶ RECOVERING ──clear for `keepFiring`──▶ OK
 *      ◀───clear───┘                             ▲ ──────────true─────────┘
 *
 * What is neither true nor clear (between threshold and `clear`, or an amount that is not known)
 * moves nothing, in whatever state. What time alone decides (`elapse`) is decided by whoever comes first: a tick, or the next reading.
 */
export const AlertState = { OK: 0, PENDING: 1, FIRING: 2, RECOVERING: 3 } as const;
export const Truth = { NEITHER: 0, TRUE: 1, CLEAR: 2 } as const;
export const Move = { NONE: 0, FIRE: 1, RESOLVE: 2 } as const;

/** One live reading as the rules see it. The caller fills one object again and again. */
export interface Observation {
  ts: number;
  /** Where its energy counts: its ts, or the end of its interval. */
  at: number;
  /** As sent: the register's number, before the multiplier. */
  value: number;
  /** After the multiplier, as its row shows it; NaN where unknown. */
  delta: number;
  /** Time over which `delta` came about, from the baseline's ts to this one (an interval's length); NaN with an unknown delta. */
  spanMs: number;
  /** Flags as they stand now, before the look-ahead. */
  flags: number;
  /** ts and flags of the reading before this one, now that this one, its look-ahead, is here; NaN and 0 where there is none. */
  previousTs: number;
  previousFlags: number;
  /** Energy so far of the running periods, this reading's share included (one exactly on an end belongs to the period that ends); NaN where not kept. */
  quarter: number;
  hour: number;
  day: number;
}

export function emptyObservation(): Observation {
  return {
    ts: 0,
    at: 0,
    value: 0,
    delta: 0,
    spanMs: 0,
    flags: 0,
    previousTs: Number.NaN,
    previousFlags: 0,
    quarter: 0,
    hour: 0,
    day: 0,
  };
}

/**
 * What an amount, or of a rule that looks for one the flags, says about a rule. `atMs` is the instant by which the schedule is judged: a level's
 * own ts, but for energy the millisecond before it ends, since what ends exactly on a boundary belongs before it.
 */
export function truthOf(rule: CompiledRule, seen: number, atMs: number): number {
  if (rule.retired || (rule.days !== 0 && !scheduled(rule, atMs))) return Truth.CLEAR;
  if (rule.flag !== 0) return (seen & rule.flag) !== 0 ? Truth.TRUE : Truth.CLEAR;
  if (Number.isNaN(seen)) return Truth.NEITHER;
  if (beyond(rule, seen, rule.thresholds[0]!)) return Truth.TRUE;
  return beyond(rule, seen, rule.clear) ? Truth.NEITHER : Truth.CLEAR;
}

/** The highest level that an amount has reached; the first one where it has reached none. */
export function levelOf(rule: CompiledRule, amount: number): number {
  let level = rule.thresholds.length - 1;
  while (level > 0 && !beyond(rule, amount, rule.thresholds[level]!)) level--;
  return level;
}

function beyond(rule: CompiledRule, amount: number, threshold: number): boolean {
  if (amount === threshold) return rule.orEqual;
  return amount > threshold === rule.above;
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
  /** When the present state began; OK: 0, or the instant up to which time alone has decided. */
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
      if (!isTrue) return silently(slots, slot, 0);
      if (ts - slots.since[slot]! < rule.forMs) return Move.NONE;
      slots.since[slot] = ts;
      slots.state[slot] = AlertState.FIRING;
      return Move.FIRE;
    case AlertState.FIRING:
      if (isTrue) return Move.NONE;
      slots.since[slot] = ts;
      slots.state[slot] = AlertState.RECOVERING;
      return rule.keepFiringMs === 0 ? resolve(slots, slot, 0) : Move.NONE;
    default:
      if (isTrue) {
        slots.since[slot] = ts;
        slots.state[slot] = AlertState.FIRING;
      } else if (ts - slots.since[slot]! >= rule.keepFiringMs) return resolve(slots, slot, 0);
      return Move.NONE;
  }
}

/**
 * The instant at which time alone moves a machine on; Infinity: never. `belongsMs` before `since` lies the instant at which the
 * condition was seen, by which the schedule is judged: 0 of levels, 1 of energy.
 */
export function dueAt(slots: AlertSlots, slot: number, rule: CompiledRule, belongsMs: number): number {
  const since = slots.since[slot]!;
  switch (slots.state[slot]) {
    case AlertState.PENDING:
      return Math.min(since + rule.forMs, scheduleChange(rule, since - belongsMs));
    case AlertState.FIRING:
      // Hours that were changed while it fires may leave out what made it fire.
      return scheduled(rule, since - belongsMs) ? scheduleChange(rule, since - belongsMs) : since;
    case AlertState.RECOVERING:
      return since + rule.keepFiringMs;
    default:
      return Number.POSITIVE_INFINITY;
  }
}

/** Moves a machine on at the instant that `dueAt` gave, or one that fires under a rule that is gone. The answer is of Move. */
export function elapse(slots: AlertSlots, slot: number, rule: CompiledRule, dueMs: number, belongsMs: number): number {
  switch (slots.state[slot]) {
    case AlertState.PENDING:
      // Where both end at once, the hours are over and the condition has not lasted within them.
      if (scheduleChange(rule, slots.since[slot]! - belongsMs) <= dueMs) return silently(slots, slot, dueMs);
      slots.since[slot] = dueMs;
      slots.state[slot] = AlertState.FIRING;
      return Move.FIRE;
    case AlertState.FIRING:
      slots.since[slot] = dueMs;
      slots.state[slot] = AlertState.RECOVERING;
      return rule.keepFiringMs === 0 ? resolve(slots, slot, dueMs) : Move.NONE;
    default:
      return resolve(slots, slot, dueMs);
  }
}

function silently(slots: AlertSlots, slot: number, sinceMs: number): number {
  slots.state[slot] = AlertState.OK;
  slots.since[slot] = sinceMs;
  return Move.NONE;
}

function resolve(slots: AlertSlots, slot: number, sinceMs: number): number {
  slots.state[slot] = AlertState.OK;
  slots.since[slot] = sinceMs;
  return Move.RESOLVE;
}
