import { EntryWriter, Kind, UnitType } from "../../engine/base/entries.js";
import { entryBytes, viewsOf } from "../../engine/base/entry-views.js";
import type { TenantPlan } from "../../engine/base/settings.js";
import { adoptPlans } from "../../workers/loop/adopt-plans.js";
import { alertTransition } from "../../workers/loop/alert-json.js";
import { Applier } from "../../workers/loop/applier.js";
import { Replayer } from "../../workers/loop/recover.js";
import { restoreSections, snapshotSections } from "../../workers/loop/snapshot-sections.js";
import { Ticks } from "../../workers/loop/ticks.js";
import { AlertBook } from "../../workers/state/alerts.js";
import { MeterBook } from "../../workers/state/book.js";
import { Directory } from "../../workers/state/directory.js";
import type { SimClock } from "../support/sim-clock.js";
import type { ExpectedRow } from "./model.js";

/** What may be put wrong: each is found out by the model. */
export interface WrongAlerts {
  book?(): AlertBook;
  opened?(applier: Applier): void;
}

/** What of a shard alerts are made of: units that are kept, a snapshot, and what goes on from both after a restart. */
export class ModelShard {
  readonly #clock: SimClock;
  readonly #wrong: WrongAlerts;
  #plan: TenantPlan;
  readonly #units: Uint8Array[] = [];
  #snapshot: { unit: number; sections: Map<string, Uint8Array> } | null = null;
  #applier!: Applier;
  #ticks!: Ticks;
  readonly rows: ExpectedRow[] = [];
  readonly keys = new Set<string>();
  /** Units of ticks that moved something. */
  ticks = 0;

  constructor(clock: SimClock, plan: TenantPlan, wrong: WrongAlerts = {}) {
    this.#clock = clock;
    this.#plan = plan;
    this.#wrong = wrong;
    this.restart();
  }

  /** Begins again with what was kept. */
  restart(): void {
    const book = this.#wrong.book?.() ?? new AlertBook();
    const applier = new Applier([this.#plan], new EntryWriter(1 << 12), new Directory(), new MeterBook(4), book);
    this.#wrong.opened?.(applier);
    if (this.#snapshot !== null) restoreSections(applier, this.#snapshot.sections);
    const replayer = new Replayer(applier, 0);
    for (const unit of this.#units.slice(this.#snapshot?.unit ?? 0)) replayer.replay(unit);
    applier.takeTransitions();
    this.#applier = applier;
    this.#adopt(UnitType.START);
    applier.alerts.startClock(this.#clock.nowMs());
    this.#ticks = new Ticks(this.#clock, applier);
  }

  #adopt(type: number): void {
    const write = (unit: Uint8Array) => this.#units.push(unit.slice());
    adoptPlans(this.#applier, [this.#plan], { type, nowMs: this.#clock.nowMs(), isHome: () => true, write });
  }

  adopt(plan: TenantPlan): void {
    this.#plan = plan;
    this.#adopt(UnitType.CONTROL);
  }

  snapshot(): void {
    const sections = new Map<string, Uint8Array>();
    for (const { name, parts } of snapshotSections(this.#applier, 0, 0)) sections.set(name, new Uint8Array(Buffer.concat(parts)));
    this.#snapshot = { unit: this.#units.length, sections };
  }

  reading(meter: string, ts: number, value: number, rev = 0): void {
    const applier = this.#applier;
    const { out } = applier;
    const nowMs = this.#clock.nowMs();
    out.reset();
    const datalogger = applier.dataloggerNumber(this.#plan.id, "dl");
    applier.datalogger = datalogger;
    applier.arrivalMs = nowMs;
    out.beginUnit(UnitType.FRAME, nowMs, datalogger, 0, 0, 0);
    applier.nameDatalogger(this.#plan.id, "dl");
    const number = applier.meter(applier.directory.tenantNumber(this.#plan.id), meter, datalogger, false);
    const answer = applier.reading(number, ts, value, rev, nowMs);
    if (answer !== 0) throw new Error(`a reading of ${new Date(ts).toISOString()} is refused: ${answer}`);
    out.endUnit(1);
    this.#keep();
  }

  /** NaN, NaN: one that is withdrawn. */
  exchange(meter: string, ts: number, final: number, start: number, rev = 0): void {
    const { out, directory } = this.#applier;
    const nowMs = this.#clock.nowMs();
    out.reset();
    this.#applier.datalogger = this.#applier.dataloggerNumber(this.#plan.id, "dl");
    this.#applier.arrivalMs = nowMs;
    out.beginUnit(UnitType.FRAME, nowMs, this.#applier.datalogger, 0, 0, 0);
    this.#applier.exchange(directory.meterNumber(directory.tenantNumber(this.#plan.id), meter), ts, final, start, rev, nowMs);
    out.endUnit(1);
    this.#keep();
  }

  tick(): void {
    const { out } = this.#applier;
    out.reset();
    if (this.#ticks.run() === 0) return;
    this.ticks++;
    this.#keep();
  }

  #keep(): void {
    const { out, directory } = this.#applier;
    this.#units.push(out.bytes().slice());
    if (this.#applier.takeTransitions() === 0) return;
    const views = viewsOf(out.bytes());
    for (let at = 0; at < views.u8.length; at += entryBytes(views, at)) {
      if ((views.u32[at >> 2]! & 0xff) !== Kind.ALERT) continue;
      const { key, tenant: _, ts, ...rest } = alertTransition(views, at, directory);
      if (this.keys.has(key)) throw new Error(`the transition ${key} comes twice`);
      this.keys.add(key);
      this.rows.push({ ...rest, ts: Date.parse(ts) });
    }
  }
}
