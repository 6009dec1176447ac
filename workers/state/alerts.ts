import { calendarFor } from "../../engine/base/calendar.js";
import { type EntryWriter, entryBytes, Kind, viewsOf } from "../../engine/base/entries.js";
import { Flag } from "../../engine/base/flags.js";
import { globMatches } from "../../engine/base/glob.js";
import type { MeterSettings, Rule } from "../../engine/base/settings.js";
import {
  AlertState,
  advance,
  type CompiledRule,
  compileRule,
  defers,
  emptyObservation,
  energyOf,
  type LocalTime,
  Move,
  type Observation,
  On,
  retire,
  sameCondition,
  truthOf,
} from "../kernels/alert.js";
import { incidentId } from "./alerts-incident.js";
import { EndedPeriods } from "./alerts-periods.js";
import { AlertRows, ENERGY_KINDS, PERIOD_KINDS } from "./alerts-rows.js";
import { SlotRuns } from "./alerts-slots.js";
import { readAlerts, type SavedMeter, writeAlerts } from "./alerts-snapshot.js";

/** What the book asks of whoever keeps the meters, about the live reading that was applied last. */
export interface AlertSource {
  /** Fills in that reading. */
  observe(meter: number, into: Observation): void;
  /** Reports by `book.period` or `book.periodsIn` each row of `consumption` that the reading wrote, new or again. */
  reportPeriods(meter: number, book: Pick<AlertBook, "period" | "periodsIn">): void;
}

/** Number of a rule's id in the entries; it writes the NAME of a new one. */
export type RuleNumber = (ruleId: string, tenant: string) => number;

interface TenantRules {
  name: string;
  rules: readonly Rule[];
  byZone: Map<string, CompiledRule[]>;
}

/**
 * The alerts of a shard: which rules each meter has, and how far each stands. It is a function of the
 * settings, the rules and the sequence of live readings alone, so a replay writes the same transitions.
 *
 * Energy that the look-ahead may take back is held until the next reading has arrived, and judged then
 * with its own ts; so each rule sees its meter's event time run forwards. A reading that turned out to be
 * a SPIKE has no energy and is not judged. Levels (`value`) are judged at once. What is outside the schedule
 * is judged clear, whatever the amount.
 */
export class AlertBook {
  /** Transitions written since the start. */
  transitions = 0;
  readonly #calendar: (zone: string) => LocalTime;
  readonly #tenants: TenantRules[] = [];
  /** By meter: its row + 1, 0 without rules. The one look-up that a meter without rules costs. */
  #rowOf = new Uint32Array(1024);
  readonly #tenantOf: number[] = [];
  readonly #ids: string[] = [];
  readonly #settings: MeterSettings[] = [];
  readonly #rows = new AlertRows();
  readonly #slots = new SlotRuns();
  readonly #periods = new EndedPeriods();
  readonly #seen = emptyObservation();
  readonly #held = emptyObservation();

  constructor(calendar: (zone: string) => LocalTime = calendarFor) {
    this.#calendar = calendar;
  }

  /**
   * The rules of a tenant from here on. A rule that stays, by its id, keeps its state on every meter, only a
   * PENDING one begins anew when its condition changed; what fires under a rule that went resolves at the meter's next live reading.
   */
  setRules(tenant: number, name: string, rules: readonly Rule[]): void {
    this.#tenants[tenant] = { name, rules, byZone: new Map() };
    for (let meter = 0; meter < this.#ids.length; meter++)
      if (this.#tenantOf[meter] === tenant) this.#place(meter, this.#matching(meter));
  }

  rulesOf(tenant: number): readonly Rule[] {
    return this.#tenants[tenant]?.rules ?? [];
  }

  /** Makes a meter known, or gives it other settings. Meters are numbered from 0 without gaps. */
  open(meter: number, tenant: number, id: string, settings: MeterSettings): void {
    if (meter >= this.#rowOf.length) {
      const wider = new Uint32Array(Math.max(meter + 1, this.#rowOf.length * 2));
      wider.set(this.#rowOf);
      this.#rowOf = wider;
    }
    this.#tenantOf[meter] = tenant;
    this.#ids[meter] = id;
    this.#settings[meter] = settings;
    this.#place(meter, this.#matching(meter));
  }

  /** The meter's live readings are from now on those of other settings, its rules and their state the same. */
  use(meter: number, settings: MeterSettings): void {
    if (this.#settings[meter] !== settings) this.open(meter, this.#tenantOf[meter]!, this.#ids[meter]!, settings);
  }

  /** Whether the meter has rules. */
  watches(meter: number): boolean {
    return this.#rowOf[meter] !== 0;
  }

  /** Whether rows of `consumption` matter to the meter's rules. */
  watchesPeriods(meter: number): boolean {
    const row = this.#rowOf[meter]! - 1;
    return row >= 0 && (this.#rows.kinds[row]! & PERIOD_KINDS) !== 0;
  }

  /** Judges the live reading that `source` applied last. */
  judge(meter: number, source: AlertSource, out: EntryWriter, ruleNumber: RuleNumber): void {
    if (!this.watches(meter)) return;
    if (this.watchesPeriods(meter)) source.reportPeriods(meter, this);
    source.observe(meter, this.#seen);
    this.live(meter, this.#seen, out, ruleNumber);
  }

  /**
   * Takes note of a row of `consumption` that the next `live` reading wrote, new or again (`period`: index into
   * PERIODS, `energy` NaN where NULL; without an `end` the calendar's). It is judged, once, when a reading at or past its end is settled.
   */
  period(meter: number, period: number, start: number, energy: number, end?: number): void {
    const row = this.#rowOf[meter]! - 1;
    if (row < 0 || (this.#rows.kinds[row]! & (1 << (On.QUARTER + period))) === 0) return;
    const until = end ?? this.#calendar(this.#settings[meter]!.timezone).end(period, start);
    this.#periods.put(row, period, start, until, energy);
  }

  /** Calls `period` for each row of the meter among these entries, whole ones that begin on 8 bytes. */
  periodsIn(meter: number, entries: Uint8Array): void {
    const views = viewsOf(entries);
    for (let at = 0; at < entries.length; at += entryBytes(views, at)) {
      const head = views.u32[at >> 2]!;
      if ((head & 0xff) !== Kind.PERIOD || views.u32[(at >> 2) + 1] !== meter) continue;
      this.period(meter, views.u32[(at >> 2) + 13]!, views.f64[(at >> 3) + 1]!, views.f64[(at >> 3) + 2]!);
    }
  }

  /** Judges a live reading, after `period` was called for the rows that it wrote. Writes transitions to `out`. */
  live(meter: number, seen: Observation, out: EntryWriter, ruleNumber: RuleNumber): void {
    const row = this.#rowOf[meter]! - 1;
    if (row < 0) return;
    const kinds = this.#rows.kinds[row]!;
    if ((kinds & (1 << On.VALUE)) !== 0) this.#judgeValue(meter, row, seen, out, ruleNumber);
    if ((kinds & ENERGY_KINDS) === 0) return;
    const heldTs = this.#rows.heldTs(row);
    if (heldTs < seen.ts && (seen.previousFlags & Flag.SPIKE) === 0) {
      this.#rows.held(row, this.#held);
      this.#judgeEnergy(meter, row, this.#held, out, ruleNumber);
    }
    if (defers(this.#settings[meter]!, seen.flags)) {
      this.#rows.hold(row, seen);
    } else {
      this.#rows.release(row);
      this.#judgeEnergy(meter, row, seen, out, ruleNumber);
    }
  }

  /** State and beginning of each rule of the meter that is not OK. */
  states(meter: number): { rule: Rule; state: number; since: number }[] {
    const row = this.#rowOf[meter]! - 1;
    if (row < 0) return [];
    return this.#run(row)
      .filter((slot) => this.#slots.state[slot] !== AlertState.OK)
      .map((slot) => ({ rule: this.#slots.rule[slot]!.rule, state: this.#slots.state[slot]!, since: this.#slots.began[slot]! }));
  }

  #judgeValue(meter: number, row: number, seen: Observation, out: EntryWriter, ruleNumber: RuleNumber): void {
    const value = this.#rows.scaled(row, seen.value);
    const end = this.#rows.start[row]! + this.#rows.count[row]!;
    for (let slot = this.#rows.start[row]!; slot < end; slot++) {
      if (this.#slots.rule[slot]!.on === On.VALUE) this.#step(meter, slot, value, seen.ts, seen.ts, out, ruleNumber);
    }
  }

  #judgeEnergy(meter: number, row: number, seen: Observation, out: EntryWriter, ruleNumber: RuleNumber): void {
    if ((this.#rows.kinds[row]! & PERIOD_KINDS) !== 0) this.#judgePeriods(meter, row, seen.ts, out, ruleNumber);
    const end = this.#rows.start[row]! + this.#rows.count[row]!;
    for (let slot = this.#rows.start[row]!; slot < end; slot++) {
      const rule = this.#slots.rule[slot]!;
      if (rule.on !== On.VALUE) this.#step(meter, slot, energyOf(rule, seen), seen.ts, seen.ts - 1, out, ruleNumber);
    }
  }

  #judgePeriods(meter: number, row: number, untilMs: number, out: EntryWriter, ruleNumber: RuleNumber): void {
    for (let ended = this.#periods.next(row, untilMs); ended !== undefined; ended = this.#periods.next(row, untilMs)) {
      const end = this.#rows.start[row]! + this.#rows.count[row]!;
      for (let slot = this.#rows.start[row]!; slot < end; slot++) {
        if (this.#slots.rule[slot]!.on === On.QUARTER + ended.period)
          this.#step(meter, slot, ended.energy, ended.end, ended.end - 1, out, ruleNumber);
      }
    }
  }

  #step(meter: number, slot: number, amount: number, ts: number, atMs: number, out: EntryWriter, ruleNumber: RuleNumber): void {
    const rule = this.#slots.rule[slot]!;
    const move = advance(this.#slots, slot, rule, truthOf(rule, amount, atMs), ts);
    if (move === Move.NONE) return;
    const { low, high } = incidentId(rule.tenant, this.#ids[meter]!, rule.rule.id, this.#slots.began[slot]!);
    const number = ruleNumber(rule.rule.id, rule.tenant);
    out.alert(meter, number, ts, amount, rule.threshold, move === Move.FIRE, rule.severity, low, high);
    this.transitions++;
  }

  #matching(meter: number): CompiledRule[] {
    const tenant = this.#tenants[this.#tenantOf[meter]!];
    if (tenant === undefined || tenant.rules.length === 0) return [];
    const zone = this.#settings[meter]!.timezone;
    let compiled = tenant.byZone.get(zone);
    if (compiled === undefined) {
      const local = this.#calendar(zone);
      compiled = tenant.rules.map((rule) => compileRule(rule, tenant.name, local));
      tenant.byZone.set(zone, compiled);
    }
    return compiled.filter(({ rule }) => globMatches(rule.meters, this.#ids[meter]!));
  }

  /** Gives a meter these rules, and what still fires under others; states move over by the rules' ids. */
  #place(meter: number, matching: readonly CompiledRule[]): void {
    const before = this.#rowOf[meter]! - 1;
    if (before < 0 && matching.length === 0) return;
    const old = before < 0 ? [] : this.#run(before).map((slot) => this.#saveSlot(slot));
    const ids = new Set(matching.map(({ rule }) => rule.id));
    const orphans = old.filter(({ rule, state }) => state >= AlertState.FIRING && !ids.has(rule.rule.id));
    const rules = [...matching, ...orphans.map(({ rule }) => (rule.retired ? rule : retire(rule)))];
    if (before >= 0) this.#slots.giveBack(this.#rows.start[before]!, this.#rows.count[before]!);
    if (rules.length === 0) {
      if (before >= 0) this.#forgetRow(meter, before);
      return;
    }
    const row = before >= 0 ? before : this.#rows.take();
    this.#rows.setScale(row, this.#settings[meter]!);
    this.#rowOf[meter] = row + 1;
    const start = this.#slots.take(rules);
    this.#rows.setRun(row, start, rules);
    const byId = new Map(old.map((saved) => [saved.rule.rule.id, saved]));
    rules.forEach((rule, index) => {
      const saved = byId.get(rule.rule.id);
      if (saved !== undefined) this.#fillSlot(start + index, saved.rule.rule, saved.state, saved.since, saved.began);
    });
  }

  #forgetRow(meter: number, row: number): void {
    this.#rowOf[meter] = 0;
    this.#periods.forget(row);
    this.#rows.giveBack(row);
  }

  #run(row: number): number[] {
    return Array.from({ length: this.#rows.count[row]! }, (_, index) => this.#rows.start[row]! + index);
  }

  #saveSlot(slot: number): { rule: CompiledRule; state: number; since: number; began: number } {
    const { rule, state, since, began } = this.#slots;
    return { rule: rule[slot]!, state: state[slot]!, since: since[slot]!, began: began[slot]! };
  }

  #fillSlot(slot: number, was: Rule, state: number, since: number, began: number): void {
    if (state === AlertState.PENDING && !sameCondition(was, this.#slots.rule[slot]!.rule)) return;
    this.#slots.state[slot] = state;
    this.#slots.since[slot] = since;
    this.#slots.began[slot] = began;
  }

  /** The state of all meters; no more than 64 KiB of meters' records a piece. */
  snapshot(): Uint8Array[] {
    return writeAlerts(this.#saved());
  }

  *#saved(): Generator<SavedMeter> {
    for (let meter = 0; meter < this.#ids.length; meter++) {
      const row = this.#rowOf[meter]! - 1;
      if (row < 0) continue;
      const held = Number.isNaN(this.#rows.heldTs(row)) ? null : emptyObservation();
      if (held !== null) this.#rows.held(row, held);
      const slots = this.#run(row)
        .map((slot) => this.#saveSlot(slot))
        .filter(({ state }) => state !== AlertState.OK)
        .map(({ rule, state, since, began }) => ({ rule: rule.rule, state, since, began }));
      const judged = [0, 1, 2].map((period) => this.#periods.judged(row, period));
      yield { meter, held, judged, waiting: this.#periods.waiting(row), slots };
    }
  }

  /**
   * Takes over what `snapshot` gave, once rules are set and meters are open: by meter's number and rule's id, as if the
   * present rules had been set then.
   * @throws MeterstormError `snapshot_damaged`
   */
  restore(pieces: readonly Uint8Array[]): void {
    for (const saved of readAlerts(pieces, this.#ids.length)) {
      const { meter } = saved;
      const rules = this.#matching(meter);
      const ids = new Set(rules.map(({ rule }) => rule.id));
      const local = this.#calendar(this.#settings[meter]!.timezone);
      const name = this.#tenants[this.#tenantOf[meter]!]?.name ?? "";
      for (const { rule, state } of saved.slots)
        if (state >= AlertState.FIRING && !ids.has(rule.id)) rules.push(retire(compileRule(rule, name, local)));
      this.#place(meter, rules);
      const row = this.#rowOf[meter]! - 1;
      if (row < 0) continue;
      if (saved.held !== null) this.#rows.hold(row, saved.held);
      saved.judged.forEach((end, period) => {
        this.#periods.setJudged(row, period, end);
      });
      for (const { period, start, end, energy } of saved.waiting) this.#periods.put(row, period, start, end, energy);
      for (const { rule, state, since, began } of saved.slots) {
        const slot = this.#run(row).find((candidate) => this.#slots.rule[candidate]!.rule.id === rule.id);
        if (slot !== undefined) this.#fillSlot(slot, rule, state, since, began);
      }
    }
  }
}
