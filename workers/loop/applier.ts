import { type EntryWriter, NameType, NONE } from "../../engine/base/entries.js";
import { invariant, rejectCodeIndex } from "../../engine/base/errors.js";
import { isId } from "../../engine/base/ids.js";
import { limits } from "../../engine/base/limits.js";
import { type MeterTimeline, parseTimeline, type TenantPlan, timelineFor, timelineText } from "../../engine/base/settings.js";
import type { MeterClaims } from "../../engine/memory/claims.js";
import { AlertBook } from "../state/alerts.js";
import { Applied, createRunning, MeterBook } from "../state/book.js";
import type { ChangedSet } from "../state/changed.js";
import { Directory } from "../state/directory.js";
import { knownExchange, knownReading } from "../state/known-record.js";
import { LateInputs } from "../state/late-inputs.js";

const TS_INVALID = -1 - rejectCodeIndex("ts_invalid");
const TS_FUTURE = -1 - rejectCodeIndex("ts_future");
const TS_TOO_OLD = -1 - rejectCodeIndex("ts_too_old");
const VALUE_INVALID = -1 - rejectCodeIndex("value_invalid");
const VALUE_OUT_OF_RANGE = -1 - rejectCodeIndex("value_out_of_range");
const METER_INVALID = -1 - rejectCodeIndex("meter_invalid");
const METER_LIMIT = -1 - rejectCodeIndex("meter_limit");
const EXCHANGE_INVALID = -1 - rejectCodeIndex("exchange_invalid");
const METER_ELSEWHERE = -1 - rejectCodeIndex("meter_elsewhere");

/** The index into REJECT_CODES behind a negative answer of the applier. */
export function rejectOf(answer: number): number {
  return -1 - answer;
}

/**
 * From a checked input to all that it causes: names, rows, alerts, written into the open unit of `out`.
 * The live path and the replay after a restart run through the same methods, so they cannot differ.
 */
export class Applier {
  readonly directory: Directory;
  readonly book: MeterBook;
  readonly alerts: AlertBook;
  readonly out: EntryWriter;
  /** Inputs that wait for a repair. */
  readonly late = new LateInputs();
  /** Whose inputs are taken: the datalogger of the open unit. */
  datalogger: number = NONE;
  /** When the open unit's input arrived, by the engine's clock. */
  arrivalMs = Number.NEGATIVE_INFINITY;
  /** What of the alert transitions is kept elsewhere: all up to `position` in the journal, and all before `from`. */
  readonly told = { from: Number.NaN, position: 0 };
  /** Who owns the meters of clients that are spread over shards; null where none is. */
  claims: MeterClaims | null = null;
  /** Meters with a new live reading since a cache last asked; null until one does. */
  changed: ChangedSet | null = null;
  #plans = new Map<string, TenantPlan>();
  /** SETTINGS by number, and their JSON for finding them again. */
  readonly settings: MeterTimeline[] = [];
  readonly #settingsNumbers = new Map<string, number>();
  /** The same by identity: all meters of the same entries of the configuration have the very same timeline. */
  readonly #numbersOfSame = new Map<MeterTimeline, number>();
  /** Inputs behind their meter's newest since the last `takeLate`. */
  #late = 0;
  #transitions = 0;
  readonly #newest = createRunning();

  constructor(
    plans: readonly TenantPlan[],
    out: EntryWriter,
    directory = new Directory(),
    book = new MeterBook(),
    alerts = new AlertBook(),
  ) {
    this.plans = plans;
    this.out = out;
    this.directory = directory;
    this.book = book;
    this.alerts = alerts;
  }

  plan(tenant: string): TenantPlan | undefined {
    return this.#plans.get(tenant);
  }

  get plans(): Iterable<TenantPlan> {
    return this.#plans.values();
  }

  /** What the configuration says from here on; `adoptPlans` makes it so for what is known already. */
  set plans(plans: Iterable<TenantPlan>) {
    this.#plans = new Map([...plans].map((plan) => [plan.id, plan]));
  }

  /** Number that the datalogger has or will get; `nameDatalogger` gives it. */
  dataloggerNumber(tenant: string, id: string): number {
    const number = this.directory.tenantNumber(tenant);
    const known = number < 0 ? -1 : this.directory.dataloggerNumber(number, id);
    return known >= 0 ? known : this.directory.dataloggers.length;
  }

  /** Makes sure that tenant and datalogger have numbers; writes NAME entries for new ones. */
  nameDatalogger(tenant: string, id: string): number {
    const tenantNumber = this.nameTenant(tenant);
    const known = this.directory.dataloggerNumber(tenantNumber, id);
    if (known >= 0) return known;
    const number = this.directory.dataloggers.length;
    this.directory.addDatalogger(number, tenantNumber, id);
    this.out.name(NameType.DATALOGGER, number, tenantNumber, id);
    return number;
  }

  /** Makes sure that a tenant has a number, and its rules. */
  nameTenant(tenant: string): number {
    const known = this.directory.tenantNumber(tenant);
    if (known >= 0) return known;
    const number = this.directory.tenantCount;
    this.directory.addTenant(number, tenant);
    this.out.name(NameType.TENANT, number, 0, tenant);
    this.#announceRules(number, tenant);
    return number;
  }

  /** Journals the rules under which the tenant's readings are judged from here on. */
  #announceRules(number: number, tenant: string): void {
    const rules = this.#plans.get(tenant)?.rules ?? [];
    this.#setRules(number, tenant, rules);
    this.out.name(NameType.RULES, number, number, JSON.stringify(rules));
  }

  #setRules(number: number, tenant: string, rules: TenantPlan["rules"]): void {
    // A meter without rules has not kept up with its settings.
    for (const [, meter] of this.directory.metersOf(number)) this.useSettings(meter);
    this.alerts.setRules(number, tenant, rules, this.arrivalMs);
  }

  /** The meter's alerts go by the settings that are in force at its newest record. */
  useSettings(meter: number): void {
    if (this.book.timeline(meter).only === null) this.alerts.use(meter, this.book.settings(meter));
  }

  /** Rules of known tenants that are others than before take over from here. */
  adoptRules(): void {
    for (let number = 0; number < this.directory.tenantCount; number++) {
      const tenant = this.directory.tenant(number);
      const rules = this.#plans.get(tenant)?.rules ?? [];
      if (JSON.stringify(rules) !== JSON.stringify(this.alerts.rulesOf(number))) this.#announceRules(number, tenant);
    }
  }

  /** The meter's number, or a negative answer (see `rejectOf`). */
  meter(tenantNumber: number, id: unknown, datalogger: number, split: boolean): number {
    if (!isId(id)) return METER_INVALID;
    const known = this.directory.meterNumber(tenantNumber, id);
    if (known >= 0) return split && !this.#owns(tenantNumber, known, id, datalogger) ? METER_ELSEWHERE : known;
    const tenant = this.directory.tenant(tenantNumber);
    const plan = this.#plans.get(tenant);
    if (plan === undefined || this.directory.meterCountOf(tenantNumber) >= plan.maxMeters) return METER_LIMIT;
    if (split && this.claims?.claim(tenant, id, this.directory.datalogger(datalogger).id) === false) return METER_ELSEWHERE;
    const settingsNumber = this.settingsNumber(timelineFor(plan, id));
    const number = this.directory.meterCount;
    this.out.name(NameType.METER, number, tenantNumber, id, settingsNumber);
    this.openMeter(number, tenantNumber, id, datalogger, settingsNumber);
    return number;
  }

  /** Whether a meter of a client that is spread over shards is the datalogger's; one that nobody has sent yet may become so. */
  #owns(tenantNumber: number, meter: number, id: string, datalogger: number): boolean {
    const owner = this.directory.meterOwner(meter);
    if (owner !== NONE) return owner === datalogger;
    return this.claims?.claim(this.directory.tenant(tenantNumber), id, this.directory.datalogger(datalogger).id) !== false;
  }

  /** Opens a meter that nobody has sent yet, so that it can be missed; not where it is known, or the tenant may have no more. */
  expectMeter(tenantNumber: number, id: string): void {
    if (this.directory.meterNumber(tenantNumber, id) < 0) this.meter(tenantNumber, id, NONE, false);
  }

  /** Of a meter that nobody has sent: whether its data can be missing from here on. */
  expect(meter: number, on: boolean): void {
    if (!this.alerts.expect(meter, on, this.arrivalMs)) return;
    this.out.name(NameType.EXPECTED, meter, this.directory.meterTenant(meter), "", on ? 1 : 0);
  }

  openMeter(number: number, tenantNumber: number, id: string, owner: number, settingsNumber: number): void {
    const timeline = this.settings[settingsNumber]!;
    this.directory.addMeter(number, tenantNumber, id, owner, settingsNumber);
    this.book.open(number, timeline);
    this.alerts.open(number, tenantNumber, id, timeline[0]!.settings, this.arrivalMs);
  }

  /** A known meter is judged by other settings from here on, which are the same for all that it has sent. */
  adoptSettings(meter: number, settingsNumber: number): void {
    this.directory.setMeterSettings(meter, settingsNumber);
    this.book.adopt(meter, this.settings[settingsNumber]!);
    this.alerts.use(meter, this.book.settings(meter));
  }

  /** Number of a timeline; writes the SETTINGS of a new one. */
  settingsNumber(timeline: MeterTimeline): number {
    const same = this.#numbersOfSame.get(timeline);
    if (same !== undefined) return same;
    const text = timelineText(timeline);
    const known = this.#settingsNumbers.get(text);
    const number = known ?? this.settings.length;
    if (known === undefined) {
      this.addSettings(number, text);
      this.out.name(NameType.SETTINGS, number, 0, text);
    }
    this.#numbersOfSame.set(timeline, number);
    return number;
  }

  addSettings(number: number, text: string): void {
    this.settings[number] = parseTimeline(text);
    this.#settingsNumbers.set(text, number);
  }

  /**
   * One reading of a known meter. `ts` in epoch milliseconds, finer is cut. Returns 0, or a negative answer
   * when it cannot be taken. Writes exactly one of READING, INPUT and LATE when it is.
   */
  reading(meter: number, ts: number, value: number, rev: number, arrivalMs: number): number {
    const ms = Math.floor(ts);
    if (!(ms >= limits.minTsMs && ms <= arrivalMs + limits.maxFutureMs)) return refusedTs(ms, arrivalMs);
    if (!Number.isFinite(value)) return VALUE_INVALID;
    if (!this.book.accepts(meter, ms, value)) return VALUE_OUT_OF_RANGE;
    this.apply(meter, ms, value, rev);
    return 0;
  }

  /** A declared exchange (NaN, NaN: withdrawn). Returns 0, or a negative answer. */
  exchange(meter: number, ts: number, final: number, start: number, rev: number, arrivalMs: number): number {
    const withdrawn = Number.isNaN(final);
    const ms = Math.floor(ts);
    if (!(ms >= limits.minTsMs && ms <= arrivalMs + limits.maxFutureMs)) return refusedTs(ms, arrivalMs);
    // Only a counter has a register that can be exchanged.
    if (!this.book.compiled(meter, ms).isCounter) return EXCHANGE_INVALID;
    if (!withdrawn && !(this.book.accepts(meter, ms, final) && this.book.accepts(meter, ms, start))) return EXCHANGE_INVALID;
    this.applyExchange(meter, ms, final, start, rev, withdrawn);
    return 0;
  }

  /** A meter that nobody had sent is the datalogger's, and is missed from now on whether or not the configuration names it. */
  #own(meter: number): void {
    if (this.directory.meterOwner(meter) !== NONE || this.datalogger === NONE) return;
    this.directory.own(meter, this.datalogger);
    this.alerts.expect(meter, true, this.arrivalMs);
  }

  /** An exchange that was checked before: what the replay calls. */
  applyExchange(meter: number, ts: number, final: number, start: number, rev: number, withdrawn: boolean): void {
    if (this.directory.unowned > 0) this.#own(meter);
    const applied = this.book.applyExchange(meter, ts, final, start, rev, withdrawn, this.out);
    if (applied !== Applied.LATE) {
      this.useSettings(meter);
      this.book.running(meter, this.#newest);
      this.alerts.flagged(meter, this.#newest);
      return;
    }
    const [last, first] = withdrawn ? [Number.NaN, Number.NaN] : [final, start];
    this.late.add(meter, knownExchange(ts, last, first, rev), this.datalogger);
    this.#late++;
  }

  /** A reading that was checked before: what the replay calls. */
  apply(meter: number, ts: number, value: number, rev: number): void {
    if (this.directory.unowned > 0) this.#own(meter);
    const applied = this.book.apply(meter, ts, value, rev, this.out);
    if (applied === Applied.LIVE) {
      this.changed?.mark(meter);
      if (this.alerts.watches(meter)) this.#judgeAlerts(meter);
    } else if (applied === Applied.LATE) {
      this.late.add(meter, knownReading(ts, value, rev), this.datalogger);
      this.#late++;
    } else if (applied !== Applied.DUPLICATE) {
      if (applied === Applied.INSERTED) {
        this.changed?.mark(meter);
        this.#late++;
      }
      this.alerts.revised(meter, this.book);
    }
  }

  #judgeAlerts(meter: number): void {
    this.useSettings(meter);
    this.alerts.judge(meter, this.book, this.out, this.#ruleNumber, this.arrivalMs);
  }

  /** Decides what time alone decides up to `nowMs`. Returns how many rules on meters it moved on; their rows are in the open unit. */
  tick(nowMs: number): number {
    return this.alerts.tick(nowMs, this.out, this.#ruleNumber);
  }

  /** One move of a tick, on replay. */
  tickAgain(meter: number, rule: number, on: number): void {
    this.alerts.tickAgain(meter, this.directory.rule(rule), on, this.arrivalMs, this.out, this.#ruleNumber);
  }

  /**
   * What a repair did: of the first `count` late inputs of a meter those between `from` and `to` are worked in, and the live path goes on
   * from `image` (null: from where it is). `position`: where that is in the journal.
   */
  mended(
    meter: number,
    from: number,
    to: number,
    count: number,
    image: Float64Array | readonly number[] | null,
    position: number,
  ): void {
    const first = this.late.mended(meter, from, to, count, position);
    if (!Number.isNaN(first)) this.book.beginsAt(meter, first);
    if (image !== null) this.book.draw(meter, image);
    this.changed?.mark(meter);
  }

  /** Alert transitions written since it was last asked. */
  takeTransitions(): number {
    const transitions = this.alerts.transitions - this.#transitions;
    this.#transitions = this.alerts.transitions;
    return transitions;
  }

  takeLate(): number {
    const late = this.#late;
    this.#late = 0;
    return late;
  }

  readonly #ruleNumber = (id: string): number => {
    const known = this.directory.ruleNumber(id);
    if (known >= 0) return known;
    const number = this.directory.rules.length;
    this.directory.addRule(number, id);
    this.out.name(NameType.RULE, number, 0, id);
    return number;
  };

  /** A NAME entry of the journal, on replay. `owner` is the datalogger of its unit. */
  replayName(type: number, number: number, parent: number, text: string, detail: number, owner: number): void {
    if (type === NameType.TENANT) this.directory.addTenant(number, text);
    else if (type === NameType.DATALOGGER) this.directory.addDatalogger(number, parent, text);
    else if (type === NameType.METER) this.openMeter(number, parent, text, owner, detail);
    else if (type === NameType.RULE) this.#replayRule(number, text);
    else if (type === NameType.SETTINGS) this.addSettings(number, text);
    else if (type === NameType.METER_SETTINGS) this.adoptSettings(number, detail);
    else if (type === NameType.EXPECTED) this.alerts.expect(number, detail === 1, this.arrivalMs);
    else if (type === NameType.RULES)
      this.#setRules(number, this.directory.tenant(number), JSON.parse(text) as TenantPlan["rules"]);
  }

  /** In a unit the name stands behind the reading whose alert needed it, so the replay of that reading has given the number already. */
  #replayRule(number: number, id: string): void {
    const known = this.directory.ruleNumber(id);
    if (known < 0) this.directory.addRule(number, id);
    else invariant(known === number, `rule ${id} was given ${number} in the journal and ${known} by its replay`);
  }
}

function refusedTs(ms: number, arrivalMs: number): number {
  if (ms > arrivalMs + limits.maxFutureMs && ms < 8.64e15) return TS_FUTURE;
  if (ms < limits.minTsMs && ms > -8.64e15) return TS_TOO_OLD;
  return TS_INVALID;
}
