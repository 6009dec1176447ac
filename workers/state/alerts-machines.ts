import type { EntryWriter } from "../../engine/base/entries.js";
import type { MeterSettings } from "../../engine/base/settings.js";
import { AlertState, advance, dueAt, elapse, levelOf, Move, Truth, truthOf } from "../kernels/alert.js";
import { type CompiledRule, On } from "../kernels/alert-rule.js";
import { scheduleChange, scheduled } from "../kernels/alert-schedule.js";
import { incidentId } from "./alerts-incident.js";
import type { AlertRows } from "./alerts-rows.js";
import type { SlotRuns } from "./alerts-slots.js";

/** Number of a rule's id in the entries; it writes the NAME of a new one. */
export type RuleNumber = (ruleId: string, tenant: string) => number;

/** What the machines need to know of the meters, and tell of them. */
export interface MeterNames {
  id(meter: number): string;
  settings(meter: number): MeterSettings;
  /** Time alone is about to move one of the meter's machines. */
  changing(meter: number): void;
}

/** The state machines of a shard: they move by what is seen and by what time decides, and write their transitions. */
export class AlertMachines {
  readonly #rows: AlertRows;
  readonly #slots: SlotRuns;
  readonly #meters: MeterNames;
  /** When the engine was started last, in epoch milliseconds: no data is missed from before. */
  startedMs = Number.NEGATIVE_INFINITY;
  /** Transitions written. */
  transitions = 0;

  constructor(rows: AlertRows, slots: SlotRuns, meters: MeterNames) {
    this.#rows = rows;
    this.#slots = slots;
    this.#meters = meters;
  }

  /** Moves a machine on by what was seen at `ts`: an amount, NaN where it is not known, or flags. `atMs`: see `truthOf`. */
  step(slot: number, seen: number, ts: number, atMs: number, out: EntryWriter, ruleNumber: RuleNumber): void {
    const slots = this.#slots;
    const rule = slots.rule[slot]!;
    const since = slots.since[slot]!;
    // Where a tick has let time pass beyond it, it is as if it had been seen right after; so is energy that ends at the very
    // instant at which time ended the incident, or that instant would open another one.
    const isOver = ts === since && slots.state[slot] === AlertState.OK && belongsBefore(rule) > 0;
    const when = ts < since || isOver ? since + 1 : ts;
    if (slots.state[slot] !== AlertState.OK) this.#settle(slot, rule, when, out, ruleNumber);
    const truth = truthOf(rule, seen, atMs + (when - ts));
    if (truth !== Truth.TRUE && slots.state[slot] === AlertState.OK) return;
    const move = advance(slots, slot, rule, truth, when);
    const amount = rule.on === On.FLAG ? Number.NaN : seen;
    if (move === Move.RESOLVE) this.#write(slot, when, amount, false, out, ruleNumber);
    if (slots.state[slot] === AlertState.OK) {
      if (when !== ts) slots.since[slot] = when;
      return;
    }
    const isKnown = !Number.isNaN(amount);
    if (isKnown || move === Move.FIRE) slots.last[slot] = amount;
    if (slots.state[slot] !== AlertState.FIRING) return;
    if (move !== Move.FIRE && !isKnown) return;
    const severity = rule.severities[isKnown ? levelOf(rule, amount) : 0]!;
    if (move !== Move.FIRE && severity === slots.severity[slot]) return;
    slots.severity[slot] = severity;
    // What is said next is said later, or nobody could tell what was said last.
    slots.since[slot] = when;
    this.#write(slot, when, amount, true, out, ruleNumber);
  }

  /** What time has decided before `ts`: ends of `keepFiring` and of the hours; how long a condition has lasted the reading says itself. */
  #settle(slot: number, rule: CompiledRule, ts: number, out: EntryWriter, ruleNumber: RuleNumber): void {
    const slots = this.#slots;
    const belongsMs = belongsBefore(rule);
    if (slots.state[slot] === AlertState.PENDING) {
      const end = scheduleChange(rule, slots.since[slot]! - belongsMs);
      if (end < ts) elapse(slots, slot, rule, end, belongsMs);
      return;
    }
    for (let due = dueAt(slots, slot, rule, belongsMs); due < ts; due = dueAt(slots, slot, rule, belongsMs))
      this.#elapse(slot, rule, due, out, ruleNumber);
  }

  #elapse(slot: number, rule: CompiledRule, due: number, out: EntryWriter, ruleNumber: RuleNumber): void {
    const slots = this.#slots;
    const move = elapse(slots, slot, rule, due, belongsBefore(rule));
    const amount = slots.last[slot]!;
    if (move === Move.FIRE) slots.severity[slot] = rule.severities[Number.isNaN(amount) ? 0 : levelOf(rule, amount)]!;
    if (move !== Move.NONE) this.#write(slot, due, amount, move === Move.FIRE, out, ruleNumber);
  }

  /**
   * A live reading has arrived at a meter whose data may be missed. Returns from when on it may be missed again: a reading that had waited
   * to be taken may have arrived before the instant at which it was missed, and ends that all the same.
   */
  arrived(slot: number, arrivalMs: number, out: EntryWriter, ruleNumber: RuleNumber): number {
    const slots = this.#slots;
    const rule = slots.rule[slot]!;
    if (slots.state[slot] === AlertState.FIRING) {
      const end = rule.retired ? arrivalMs : Math.min(this.#hoursEnd(slot, rule), arrivalMs);
      this.#elapse(slot, rule, Math.max(end, slots.since[slot]!), out, ruleNumber);
    }
    const from = Math.max(arrivalMs, slots.since[slot]!);
    if (slots.state[slot] !== AlertState.RECOVERING) return from;
    const over = slots.since[slot]! + rule.keepFiringMs;
    if (over < arrivalMs) this.#elapse(slot, rule, over, out, ruleNumber);
    return from;
  }

  /** The instant, by the engine's clock, at which time alone moves a machine on; Infinity: never. */
  dueMs(slot: number): number {
    const rule = this.#slots.rule[slot]!;
    if (rule.on === On.NODATA) return this.#missedAt(slot, rule);
    if (this.#slots.state[slot] === AlertState.OK) return Number.POSITIVE_INFINITY;
    // What fires under a rule that is gone has nothing to wait for.
    return rule.retired ? 0 : this.#dueAt(slot, rule) + this.#lagMs(slot, rule);
  }

  #lagMs(slot: number, rule: CompiledRule): number {
    return this.#rows.lagMs(this.#slots.row[slot]!, belongsBefore(rule) > 0);
  }

  #dueAt(slot: number, rule: CompiledRule): number {
    return dueAt(this.#slots, slot, rule, belongsBefore(rule));
  }

  /** When a machine of missing data moves on if nothing comes; all by the engine's clock. */
  #missedAt(slot: number, rule: CompiledRule): number {
    const slots = this.#slots;
    const state = slots.state[slot]!;
    if (state === AlertState.FIRING) return this.#hoursEnd(slot, rule);
    const over = state === AlertState.RECOVERING ? slots.since[slot]! + rule.keepFiringMs : Number.POSITIVE_INFINITY;
    return Math.min(over, this.#missing(slot, rule, slots.row[slot]!));
  }

  /** When data will have been missing for long enough. */
  #missing(slot: number, rule: CompiledRule, row: number): number {
    const forMs = this.#missingFor(rule, row);
    if (rule.retired || forMs === 0) return Number.POSITIVE_INFINITY;
    const ms = Math.max(this.#countsFrom(rule, row) + forMs, this.#slots.since[slot]!);
    return scheduled(rule, ms) ? ms : scheduleChange(rule, ms);
  }

  #missingFor(rule: CompiledRule, row: number): number {
    return rule.forMs !== 0 ? rule.forMs : 2 * (this.#meters.settings(this.#rows.meter[row]!).expectMs ?? 0);
  }

  /** From when on data is missing: the last arrival, not before the engine's start or before there was the rule. */
  #countsFrom(rule: CompiledRule, row: number): number {
    const arrived = this.#rows.arrived[row]!;
    const least = Math.max(this.startedMs, rule.fromMs);
    return Number.isNaN(arrived) ? least : Math.max(arrived, least);
  }

  /** When the hours of a rule that fires are over; at once where it is gone, or where they were changed. */
  #hoursEnd(slot: number, rule: CompiledRule): number {
    const since = this.#slots.since[slot]!;
    if (rule.retired || !scheduled(rule, since)) return since;
    return scheduleChange(rule, since);
  }

  /** Moves a machine on by time alone, as the engine's clock shows it. `false`: it is not time yet. */
  tick(slot: number, nowMs: number, out: EntryWriter, ruleNumber: RuleNumber): boolean {
    if (!(this.dueMs(slot) <= nowMs)) return false;
    const slots = this.#slots;
    const rule = slots.rule[slot]!;
    const row = slots.row[slot]!;
    this.#meters.changing(this.#rows.meter[row]!);
    // The name of a rule that has never said anything stands before what it says.
    const number = ruleNumber(rule.rule.id, rule.tenant);
    out.ticked(this.#rows.meter[row]!, number, rule.on);
    const isNoData = rule.on === On.NODATA;
    if (rule.retired) {
      const lagMs = isNoData ? 0 : this.#lagMs(slot, rule);
      this.#elapse(slot, rule, Math.max(slots.since[slot]!, nowMs - lagMs), out, ruleNumber);
    } else if (!isNoData) this.#elapse(slot, rule, this.#dueAt(slot, rule), out, ruleNumber);
    else if (slots.state[slot] === AlertState.FIRING) this.#elapse(slot, rule, this.#hoursEnd(slot, rule), out, ruleNumber);
    else this.#miss(slot, rule, row, out, ruleNumber);
    return true;
  }

  /** Data has been missing for long enough, or has come again for long enough. */
  #miss(slot: number, rule: CompiledRule, row: number, out: EntryWriter, ruleNumber: RuleNumber): void {
    const slots = this.#slots;
    const missing = this.#missing(slot, rule, row);
    const isKept = slots.state[slot] === AlertState.RECOVERING;
    const over = slots.since[slot]! + rule.keepFiringMs;
    if (isKept && over < missing) {
      this.#elapse(slot, rule, over, out, ruleNumber);
      return;
    }
    slots.state[slot] = AlertState.FIRING;
    slots.since[slot] = missing;
    if (isKept) return;
    const from = this.#countsFrom(rule, row);
    // Where its hours began later, so did the condition: the same silence on two days is two incidents.
    slots.began[slot] = from + this.#missingFor(rule, row) === missing ? from : missing;
    slots.last[slot] = Number.NaN;
    slots.severity[slot] = rule.severities[0]!;
    this.#write(slot, missing, Number.NaN, true, out, ruleNumber);
  }

  #write(slot: number, ts: number, amount: number, firing: boolean, out: EntryWriter, ruleNumber: RuleNumber): void {
    const slots = this.#slots;
    const rule = slots.rule[slot]!;
    const meter = this.#rows.meter[slots.row[slot]!]!;
    const { low, high } = incidentId(rule.tenant, this.#meters.id(meter), rule.rule.id, slots.began[slot]!);
    const number = ruleNumber(rule.rule.id, rule.tenant);
    const severity = slots.severity[slot]!;
    // Levels may have been changed while it fires.
    const level = Math.max(0, rule.severities.indexOf(severity));
    out.alert(meter, number, ts, amount, rule.thresholds[level]!, firing, severity, low, high);
    this.transitions++;
  }
}

/** How far before its ts the instant lies by which a reading is judged: energy that ends exactly on a boundary belongs before it. */
function belongsBefore(rule: CompiledRule): number {
  return rule.on === On.VALUE || rule.on === On.FLAG || rule.on === On.NODATA ? 0 : 1;
}
