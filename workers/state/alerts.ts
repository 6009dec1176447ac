import { calendarFor } from "../../engine/base/calendar.js";
import type { EntryWriter } from "../../engine/base/entries.js";
import { invariant } from "../../engine/base/errors.js";
import { Flag } from "../../engine/base/flags.js";
import type { MeterSettings, Rule } from "../../engine/base/settings.js";
import { AlertState, defers, emptyObservation, energyOf, type Observation } from "../kernels/alert.js";
import { type CompiledRule, compileRule, type LocalTime, On, retire, ruleKey } from "../kernels/alert-rule.js";
import { AlertClock } from "./alerts-clock.js";
import { AlertCut } from "./alerts-cut.js";
import { AlertMachines, type RuleNumber } from "./alerts-machines.js";
import { EndedPeriods, eachPeriodRow } from "./alerts-periods.js";
import { AlertRows, ENERGY_KINDS, IMMEDIATE_KINDS, PERIOD_KINDS } from "./alerts-rows.js";
import { AlertRules } from "./alerts-rules.js";
import { grown, type LiveSlot, SlotRuns } from "./alerts-slots.js";
import { readAlerts, type SavedHead, type SavedMeter, type SavedMore } from "./alerts-snapshot.js";
import type { AlertSource } from "./alerts-source.js";
import { type CutSink, sweepAll } from "./cut-records.js";

/** Rules on meters that one tick moves on, so that it lasts milliseconds when thousands of meters fall silent at once. */
const MOVES_PER_TICK = 1000;

/**
 * The alerts of a shard: which rules each meter has, and how far each stands. It is a function of the settings, the rules, and
 * the sequence of live readings, of ticks that moved something and of starts alone, so a replay writes the same transitions.
 *
 * Energy that the look-ahead may take back is held until the next reading has arrived, and judged then
 * where it counts: at its own ts, of an interval at the end; so each rule sees its meter's event time run forwards. A reading
 * that turned out to be a SPIKE has no energy and is not judged. Levels (`value`) are judged at once. What is outside the schedule
 * is judged clear, whatever the amount.
 */
export class AlertBook {
  readonly #calendar: (zone: string) => LocalTime;
  readonly #rules: AlertRules;
  /** By meter: its row + 1, 0 without rules. The one look-up that a meter without rules costs. */
  #rowOf = new Uint32Array(1024);
  readonly #tenantOf: number[] = [];
  readonly #ids: string[] = [];
  readonly #settings: MeterSettings[] = [];
  readonly #rows = new AlertRows();
  readonly #slots = new SlotRuns();
  readonly #periods = new EndedPeriods();
  readonly #machines: AlertMachines;
  /** Null until time counts: not while a journal is replayed. */
  #clock: AlertClock | null = null;
  /** Whatever changes a meter's alerts tells it first. */
  #cut: AlertCut | null = null;
  readonly #seen = emptyObservation();
  readonly #held = emptyObservation();

  constructor(calendar: (zone: string) => LocalTime = calendarFor) {
    this.#calendar = calendar;
    this.#rules = new AlertRules(calendar);
    this.#machines = new AlertMachines(this.#rows, this.#slots, {
      id: (meter) => this.#ids[meter]!,
      settings: (meter) => this.#settings[meter]!,
      changing: (meter) => this.#cut?.save(meter),
    });
  }

  /** Transitions written since the start. */
  get transitions(): number {
    return this.#machines.transitions;
  }

  /**
   * The rules of a tenant from here on, which is `nowMs` by the engine's clock. A rule that stays, by its id and what it looks at, keeps its
   * state on every meter, only a PENDING one begins anew when its condition changed; what fires under a rule that went resolves at
   * the meter's next live reading or the next tick.
   */
  setRules(tenant: number, name: string, rules: readonly Rule[], nowMs = Number.NEGATIVE_INFINITY): void {
    this.#rules.set(tenant, name, rules, nowMs);
    this.#placeAll(tenant);
  }

  #placeAll(tenant: number): void {
    for (let meter = 0; meter < this.#ids.length; meter++)
      if (this.#tenantOf[meter] === tenant) this.#place(meter, this.#matching(meter));
  }

  rulesOf(tenant: number): readonly Rule[] {
    return this.#rules.of(tenant);
  }

  /** The engine starts at this instant: no data is missed from before. */
  started(nowMs: number): void {
    this.#machines.startedMs = nowMs;
  }

  /** From here on time counts: `tick` finds what it decides. */
  startClock(nowMs: number): void {
    this.#clock = new AlertClock(this.#rows, this.#slots, this.#machines, nowMs);
    this.#setAll();
  }

  /** Memory that each meter with rules takes, timers included; names and settings are the book's of meters. */
  get bytes(): number {
    return (this.#rows.bytes + this.#slots.bytes + (this.#clock?.bytes ?? 0)) / Math.max(1, this.#rows.used);
  }

  /** Whether the last tick was cut short. */
  get isBehind(): boolean {
    return this.#clock?.isBehind ?? false;
  }

  /** Decides what time alone decides up to `nowMs`, of at most so many rules on meters. Returns how many of them it moved on. */
  tick(nowMs: number, out: EntryWriter, ruleNumber: RuleNumber, most = MOVES_PER_TICK): number {
    return this.#clock?.tick(nowMs, most, out, ruleNumber, () => this.#setAll()) ?? 0;
  }

  /** One move of a tick again, as its TICKED entry says it; it writes nothing where there is nothing to decide. */
  tickAgain(meter: number, ruleId: string, on: number, nowMs: number, out: EntryWriter, ruleNumber: RuleNumber): void {
    const row = (this.#rowOf[meter] ?? 0) - 1;
    if (row < 0) return;
    const slot = this.#run(row).find((each) => this.#slots.rule[each]!.on === on && this.#slots.rule[each]!.rule.id === ruleId);
    if (slot !== undefined) this.#machines.tick(slot, nowMs, out, ruleNumber);
  }

  #setAll(): void {
    for (const row of this.#rowOf.subarray(0, this.#ids.length)) if (row > 0) this.#clock?.set(row - 1);
  }

  /** Makes a meter known, at `nowMs` by the engine's clock, or gives it other settings. Meters are numbered from 0 without gaps. */
  open(meter: number, tenant: number, id: string, settings: MeterSettings, nowMs = Number.NaN): void {
    if (this.#cut !== null) this.#cut.save(meter);
    const { length } = this.#rowOf;
    if (meter >= length) this.#rowOf = grown(this.#rowOf, new Uint32Array(Math.max(meter + 1, length * 2)));
    this.#tenantOf[meter] = tenant;
    this.#ids[meter] = id;
    this.#settings[meter] = settings;
    this.#place(meter, this.#matching(meter));
    const row = this.#rowOf[meter]! - 1;
    if (row < 0 || !Number.isNaN(this.#rows.arrived[row]!)) return;
    this.#rows.arrived[row] = nowMs;
    this.#clock?.set(row);
  }

  /** Whether data of the meter, which nobody has sent, can be missing from `nowMs` on; what fires resolves at the next tick. `true`: it is new. */
  expect(meter: number, on: boolean, nowMs = Number.NaN): boolean {
    if (!this.#rules.expect(meter, on)) return false;
    this.#place(meter, this.#matching(meter));
    const row = this.#rowOf[meter]! - 1;
    if (row >= 0 && on) this.#rows.arrived[row] = nowMs;
    return true;
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

  /** Judges the live reading that `source` applied last and that arrived at `arrivalMs`. */
  judge(meter: number, source: AlertSource, out: EntryWriter, ruleNumber: RuleNumber, arrivalMs?: number): void {
    if (!this.watches(meter)) return;
    if (this.watchesPeriods(meter)) source.reportPeriods(meter, this);
    source.observe(meter, this.#seen, (this.#rows.kinds[this.#rowOf[meter]! - 1]! & PERIOD_KINDS) >>> On.QUARTER);
    this.live(meter, this.#seen, out, ruleNumber, arrivalMs);
  }

  /**
   * Takes note of a row of `consumption` that the next `live` reading wrote, new or again (`period`: index into
   * PERIODS, `energy` NaN where NULL; without an `end` the calendar's). It is judged, once, when a reading at or past its end is settled.
   */
  period(meter: number, period: number, start: number, energy: number, end?: number): void {
    const row = this.#rowOf[meter]! - 1;
    if (row < 0 || (this.#rows.kinds[row]! & (1 << (On.QUARTER + period))) === 0) return;
    if (this.#cut !== null) this.#cut.save(meter);
    const until = end ?? this.#calendar(this.#settings[meter]!.timezone).end(period, start);
    this.#periods.put(row, period, start, until, energy);
  }

  /** Calls `period` for each row of the meter among these entries, whole ones that begin on 8 bytes. */
  periodsIn(meter: number, entries: Uint8Array): void {
    eachPeriodRow(meter, entries, (period, start, energy) => this.period(meter, period, start, energy));
  }

  /** Judges a live reading, which arrived at `arrivalMs`, after `period` was called for the rows that it wrote. Writes transitions to `out`. */
  live(meter: number, seen: Observation, out: EntryWriter, ruleNumber: RuleNumber, arrivalMs = seen.ts): void {
    const row = this.#rowOf[meter]! - 1;
    if (row < 0) return;
    if (this.#cut !== null) this.#cut.save(meter);
    const rows = this.#rows;
    const kinds = rows.kinds[row]!;
    const cameMs = (kinds & IMMEDIATE_KINDS) !== 0 ? this.#judgeAtOnce(row, seen, arrivalMs, out, ruleNumber) : arrivalMs;
    const settled = seen.previousFlags | (seen.previousTs === rows.newest[row] ? 0 : rows.flags[row]!);
    rows.came(row, cameMs, seen.ts, seen.at, seen.flags);
    if ((kinds & ENERGY_KINDS) !== 0) {
      const heldTs = rows.heldTs(row);
      if (heldTs < seen.ts && (settled & Flag.SPIKE) === 0) {
        rows.held(row, this.#held);
        this.#judgeEnergy(row, this.#held, out, ruleNumber);
      }
      if (defers(this.#settings[meter]!, seen.flags)) {
        rows.hold(row, seen);
      } else {
        rows.release(row);
        this.#judgeEnergy(row, seen, out, ruleNumber);
      }
    }
    if (this.#clock !== null) this.#clock.read(row);
  }

  /** A correction, or a reading worked in before it, may have changed the newest reading: what waits is as it is now, what was judged stays judged. */
  revised(meter: number, source: AlertSource): void {
    const row = this.#rowOf[meter]! - 1;
    if (row < 0) return;
    if (this.#cut !== null) this.#cut.save(meter);
    const { newest, flags, kinds } = this.#rows;
    const heldTs = this.#rows.heldTs(row);
    if (!Number.isNaN(heldTs) && this.watchesPeriods(meter)) source.reportPeriods(meter, this);
    const seen = this.#seen;
    source.observe(meter, seen, (kinds[row]! & PERIOD_KINDS) >>> On.QUARTER);
    if (seen.ts === newest[row]) flags[row] = seen.flags;
    if (seen.ts === heldTs) this.#rows.hold(row, seen);
  }

  /** An exchange has settled the newest reading, or has gone again: these are its flags now. */
  flagged(meter: number, { ts, flags }: Pick<Observation, "ts" | "flags">): void {
    const row = this.#rowOf[meter]! - 1;
    if (row < 0 || this.#rows.newest[row] !== ts) return;
    if (this.#cut !== null) this.#cut.save(meter);
    this.#rows.flags[row] = flags;
  }

  /** State and beginning of each rule of the meter that is not OK. */
  states(meter: number): { rule: Rule; state: number; since: number }[] {
    const row = this.#rowOf[meter]! - 1;
    if (row < 0) return [];
    return this.#run(row)
      .filter((slot) => this.#slots.state[slot] !== AlertState.OK)
      .map((slot) => ({ rule: this.#slots.rule[slot]!.rule, state: this.#slots.state[slot]!, since: this.#slots.began[slot]! }));
  }

  /** Levels and arrivals at once; flags of the reading before, which this one has settled. Returns from when on data may be missed again. */
  #judgeAtOnce(row: number, seen: Observation, arrivalMs: number, out: EntryWriter, ruleNumber: RuleNumber): number {
    let cameMs = arrivalMs;
    const rows = this.#rows;
    const end = rows.start[row]! + rows.count[row]!;
    // A meter that has rules only now had readings before.
    const newest = Number.isNaN(rows.newest[row]!) ? seen.previousTs : rows.newest[row]!;
    for (let slot = rows.start[row]!; slot < end; slot++) {
      const { on } = this.#slots.rule[slot]!;
      if (on === On.VALUE) this.#machines.step(slot, rows.scaled(row, seen.value), seen.ts, seen.ts, out, ruleNumber);
      else if (on === On.NODATA) cameMs = Math.max(cameMs, this.#machines.arrived(slot, arrivalMs, out, ruleNumber));
      else if (on === On.FLAG && newest < seen.ts) {
        const flags = seen.previousTs === newest ? seen.previousFlags : rows.flags[row]!;
        this.#machines.step(slot, flags, newest, newest, out, ruleNumber);
      }
    }
    return cameMs;
  }

  #judgeEnergy(row: number, seen: Observation, out: EntryWriter, ruleNumber: RuleNumber): void {
    if ((this.#rows.kinds[row]! & PERIOD_KINDS) !== 0) this.#judgePeriods(row, seen.at, out, ruleNumber);
    const end = this.#rows.start[row]! + this.#rows.count[row]!;
    for (let slot = this.#rows.start[row]!; slot < end; slot++) {
      const rule = this.#slots.rule[slot]!;
      if (((1 << rule.on) & ENERGY_KINDS) !== 0)
        this.#machines.step(slot, energyOf(rule, seen), seen.at, seen.at - 1, out, ruleNumber);
    }
  }

  #judgePeriods(row: number, untilMs: number, out: EntryWriter, ruleNumber: RuleNumber): void {
    for (let ended = this.#periods.next(row, untilMs); ended !== undefined; ended = this.#periods.next(row, untilMs)) {
      const end = this.#rows.start[row]! + this.#rows.count[row]!;
      for (let slot = this.#rows.start[row]!; slot < end; slot++) {
        if (this.#slots.rule[slot]!.on === On.QUARTER + ended.period)
          this.#machines.step(slot, ended.energy, ended.end, ended.end - 1, out, ruleNumber);
      }
    }
  }

  #matching(meter: number): CompiledRule[] {
    return this.#rules.matching(this.#tenantOf[meter]!, meter, this.#ids[meter]!, this.#settings[meter]!.timezone);
  }

  /** Gives a meter these rules, and what still fires under others; states move over by the rules' keys. */
  #place(meter: number, matching: readonly CompiledRule[]): void {
    if (this.#cut !== null) this.#cut.save(meter);
    const before = this.#rowOf[meter]! - 1;
    if (before < 0 && matching.length === 0) return;
    const isOver = ({ rule, state, since }: LiveSlot) => rule.retired && state === AlertState.OK && since === 0;
    const run = before < 0 ? [] : this.#run(before);
    const old = run.map((slot) => this.#slots.save(slot)).filter((saved) => !isOver(saved));
    const keys = new Set(matching.map(({ rule }) => ruleKey(rule)));
    const orphans = old.filter(({ rule, state }) => state >= AlertState.FIRING && !keys.has(ruleKey(rule.rule)));
    const rules = [...matching, ...orphans.map(({ rule }) => (rule.retired ? rule : retire(rule)))];
    if (before >= 0) {
      this.#slots.giveBack(this.#rows.start[before]!, this.#rows.count[before]!);
      this.#clock?.forget(this.#rows.start[before]!, this.#rows.count[before]!);
    }
    if (rules.length === 0) {
      if (before >= 0) this.#forgetRow(meter, before);
      return;
    }
    const row = before >= 0 ? before : this.#rows.take(meter);
    this.#rows.setScale(row, this.#settings[meter]!);
    this.#rowOf[meter] = row + 1;
    const start = this.#slots.take(row, rules);
    this.#rows.setRun(row, start, rules);
    // What waited for rules that are gone is not for those that come one day.
    if ((this.#rows.kinds[row]! & ENERGY_KINDS) === 0) this.#rows.release(row);
    if ((this.#rows.kinds[row]! & PERIOD_KINDS) === 0) this.#periods.release(row);
    const byKey = new Map(old.map((saved) => [ruleKey(saved.rule.rule), saved]));
    rules.forEach((rule, index) => {
      const saved = byKey.get(ruleKey(rule.rule));
      if (saved !== undefined) this.#slots.fill(start + index, saved.rule.rule, saved);
    });
    this.#clock?.set(row);
  }

  #forgetRow(meter: number, row: number): void {
    this.#rowOf[meter] = 0;
    this.#periods.forget(row);
    this.#rows.giveBack(row);
  }

  #run(row: number): number[] {
    return Array.from({ length: this.#rows.count[row]! }, (_, index) => this.#rows.start[row]! + index);
  }

  /** The state as it is now, copied bit by bit from here on; `endCut` ends it. There is one at a time. */
  beginCut(sink: CutSink): AlertCut {
    invariant(this.#cut === null, "one cut is taken at a time");
    const [rows, slots, periods] = [this.#rows, this.#slots, this.#periods];
    const now = { rows, slots, periods, meters: this.#ids.length, rowOf: (meter: number) => this.#rowOf[meter]! - 1 };
    const { from, unexpected } = this.#rules;
    this.#cut = new AlertCut(now, { startedMs: this.#machines.startedMs, from, unexpected }, sink);
    return this.#cut;
  }

  endCut(): void {
    this.#cut = null;
  }

  /** The state as it is now: the head, and the records of meters in pieces. */
  snapshot(): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    const cut = this.beginCut((bytes) => pieces.push(bytes));
    sweepAll(cut);
    this.endCut();
    return [cut.head(), ...pieces];
  }

  /**
   * Takes over what `snapshot` gave, once rules are set and meters are open: by meter's number and rule's key, as if the
   * present rules had been set then.
   * @throws MeterstormError `snapshot_damaged`
   */
  restore([headBytes, ...pieces]: readonly Uint8Array[]): void {
    const { head, meters } = readAlerts(headBytes, pieces, this.#ids.length);
    this.take(head, meters);
  }

  /** As `restore`. */
  take(head: SavedHead, meters: Iterable<SavedMeter>): void {
    this.#machines.startedMs = head.startedMs;
    for (const tenant of this.#rules.restore(head.from)) this.#placeAll(tenant);
    for (const meter of head.unexpected) this.expect(meter, false);
    for (const { meter, arrived, newest, counts, flags, held, more } of meters) {
      if (more !== null) this.#restoreMeter(meter, more);
      const row = this.#rowOf[meter]! - 1;
      if (row < 0) continue;
      if (held !== null) this.#rows.hold(row, held);
      this.#rows.came(row, arrived, newest, counts, flags);
    }
  }

  #restoreMeter(meter: number, { judged, waiting, slots }: SavedMore): void {
    const rules = this.#matching(meter);
    const keys = new Set(rules.map(({ rule }) => ruleKey(rule)));
    const local = this.#calendar(this.#settings[meter]!.timezone);
    const name = this.#rules.name(this.#tenantOf[meter]!);
    for (const { rule, state } of slots)
      if (state !== AlertState.PENDING && !keys.has(ruleKey(rule))) rules.push(retire(compileRule(rule, name, local)));
    this.#place(meter, rules);
    const row = this.#rowOf[meter]! - 1;
    if (row < 0) return;
    if (this.#cut !== null) this.#cut.save(meter);
    judged.forEach((end, period) => {
      this.#periods.setJudged(row, period, end);
    });
    for (const { period, start, end, energy } of waiting) this.#periods.put(row, period, start, end, energy);
    for (const each of slots) {
      const slot = this.#run(row).find((candidate) => ruleKey(this.#slots.rule[candidate]!.rule) === ruleKey(each.rule));
      if (slot !== undefined) this.#slots.fill(slot, each.rule, each);
    }
  }
}
