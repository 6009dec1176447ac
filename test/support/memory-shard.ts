import type { Clock } from "../../engine/base/clock.js";
import { EntryWriter, ExchangeInfo, Kind, PERIODS, UnitType } from "../../engine/base/entries.js";
import { entryBytes, viewsOf } from "../../engine/base/entry-views.js";
import { InTurn } from "../../engine/base/in-turn.js";
import { always, type MeterEntry, type MeterSettings, type MeterTimeline, type TenantPlan } from "../../engine/base/settings.js";
import { addRow, emptyPeriods } from "../../engine/store/history.js";
import type { HistoryRange, MeterHistory, MeterPeriods } from "../../engine/store/interface.js";
import type { Journal } from "../../workers/journal/journal.js";
import { adoptSettings } from "../../workers/loop/adopt-settings.js";
import { Applier } from "../../workers/loop/applier.js";
import { Auditor } from "../../workers/loop/auditor.js";
import { Mender } from "../../workers/loop/mender.js";
import { Replayer } from "../../workers/loop/recover.js";
import { restoreSections, snapshotSections } from "../../workers/loop/snapshot-sections.js";
import { MeterBook } from "../../workers/state/book.js";
import { Directory } from "../../workers/state/directory.js";
import type { Input } from "../reference/history.js";
import { Tables } from "../state/tables.js";

const NOW_MS = Date.UTC(2100, 0, 1);
const TENANT = "acme";

/** Time that passes whenever anybody waits for it. */
export class HurryingClock implements Clock {
  #ms = 0;
  nowMs(): number {
    return NOW_MS;
  }
  monotonicMs(): number {
    return this.#ms;
  }
  after(delayMs: number, task: () => void): { cancel(): void } {
    const handle = setImmediate(() => {
      this.#ms += delayMs;
      task();
    });
    return { cancel: () => clearImmediate(handle) };
  }
}

export type StoredRows = ReturnType<Tables["rows"]>;

function planOf(settings: ReadonlyMap<string, MeterSettings | MeterTimeline>): TenantPlan {
  const meters = [...settings].flatMap(([match, each]) =>
    ("kind" in each ? always(each) : each).map(
      ({ from, settings }): MeterEntry => (from === Number.NEGATIVE_INFINITY ? { match, settings } : { match, from, settings }),
    ),
  );
  return { id: TENANT, timezone: "UTC", meters, rules: [], maxMeters: 1_000_000, maxDataloggers: 10 };
}

interface Store {
  tables: Tables;
  exchanges: Map<number, { final: number; start: number; rev: number }>;
}

/** A shard without disk and network: inputs become units, units are kept, and a store in memory takes them when it is told to. */
export class MemoryShard {
  #plan: TenantPlan;
  readonly #units: Uint8Array[] = [];
  #appended = 0;
  #stored = 0;
  readonly #stores = new Map<string, Store>();
  readonly #clock = new HurryingClock();
  #snapshot: { unit: number; sections: Map<string, Uint8Array> } | null = null;
  applier!: Applier;
  mender!: Mender;
  /** Rows that repairs wrote, and questions to the store. */
  questions = 0;
  /** Readings and exchanges that the store has given to repairs. */
  rowsAsked = 0;
  failure: unknown = null;
  /** Called with each unit that is written. */
  onUnit: (unit: Uint8Array) => void = () => {};
  /** Goes round the stored rows; null until `audit` is called. */
  auditor: Auditor | null = null;
  /** Its questions for periods, and what it has found. */
  readonly audited: HistoryRange[] = [];
  readonly warnings: string[] = [];
  /** What somebody else has made of the rows in the store. */
  tamper: (rows: StoredRows) => StoredRows = (rows) => rows;
  /** Where the auditor begins. */
  #auditRandom: (() => number) | null = null;
  /** Known records that may be kept in memory. */
  readonly #knownRecords: number;
  readonly #fewRecords: number | undefined;

  constructor(settings: ReadonlyMap<string, MeterSettings | MeterTimeline>, knownRecords = 10_000, fewRecords?: number) {
    this.#plan = planOf(settings);
    this.#knownRecords = knownRecords;
    this.#fewRecords = fewRecords;
    this.#open();
  }

  #open(): void {
    this.applier = new Applier([this.#plan], new EntryWriter(1 << 12), new Directory(), new MeterBook(4));
    let first = 0;
    if (this.#snapshot !== null) {
      restoreSections(this.applier, this.#snapshot.sections);
      first = this.#snapshot.unit;
    }
    const replayer = new Replayer(this.applier, 0);
    for (const unit of this.#units.slice(first)) replayer.replay(unit);
    adoptSettings(this.applier, [this.#plan], NOW_MS, (units) => this.#journal.append(units));
    const turns = new InTurn();
    const history = (ranges: readonly HistoryRange[]) => turns.take(() => this.#history(ranges));
    const consumption = (ranges: readonly HistoryRange[]) => turns.take(() => this.#consumption(ranges));
    this.mender = new Mender(
      {
        clock: this.#clock,
        journal: this.#journal as unknown as Journal,
        sink: { history },
        applier: this.applier,
        stored: () => this.#stored,
        mayWrite: () => true,
        mayAsk: () => true,
        onMended: (meter) => this.auditor?.changed(meter),
        onError: () => {},
        restMs: () => 0,
        onFailed: (error) => {
          this.failure = error;
        },
      },
      this.#knownRecords,
      this.#fewRecords,
    );
    this.mender.start();
    if (this.#auditRandom === null) return;
    this.auditor = new Auditor({
      clock: this.#clock,
      journal: this.#journal,
      sink: { history, consumption },
      applier: this.applier,
      stored: () => this.#stored,
      mayLook: () => this.mender.trouble === "",
      random: this.#auditRandom,
      warn: (message) => this.warnings.push(message),
    });
    this.auditor.start();
  }

  /** From the next restart on stored rows are audited. */
  audit(random: () => number = () => 0): void {
    this.#auditRandom = random;
  }

  readonly #journal = {
    append: (unit: Uint8Array): number => {
      this.onUnit(unit);
      this.#units.push(unit.slice());
      this.#appended += unit.length;
      return this.#appended;
    },
    commit: () => {},
    shard: this,
    get appended(): number {
      return this.shard.#appended;
    },
  };

  /** One input of a meter, in a unit of its own. Whether it was taken. */
  give(meter: string, input: Input): boolean {
    return this.giveAll([{ meter, input }]) === 1;
  }

  /** An exchange that was once taken, whatever would be said of it now. */
  declare(meter: string, ts: number, final: number, start: number): void {
    const { out } = this.applier;
    out.reset();
    out.beginUnit(UnitType.POST, NOW_MS, this.applier.datalogger, 0, 0, 0);
    this.applier.applyExchange(this.applier.directory.meterNumber(0, meter), ts, final, start, 0, false);
    out.endUnit(1);
    this.#journal.append(out.bytes());
  }

  /** Some inputs as one frame. How many were taken. */
  giveAll(inputs: readonly { meter: string; input: Input }[]): number {
    const { out } = this.applier;
    out.reset();
    const datalogger = this.applier.dataloggerNumber(TENANT, "d1");
    this.applier.datalogger = datalogger;
    out.beginUnit(UnitType.POST, NOW_MS, datalogger, 0, 0, 0);
    this.applier.nameDatalogger(TENANT, "d1");
    let taken = 0;
    for (const { meter, input } of inputs) {
      const number = this.applier.meter(0, meter, datalogger, false);
      const { ts, rev = 0 } = input;
      if ("value" in input) {
        if (this.applier.reading(number, ts, input.value, rev, NOW_MS) === 0) taken++;
      } else {
        const { final, start } = input.exchange ?? { final: Number.NaN, start: Number.NaN };
        if (this.applier.exchange(number, ts, final, start, rev, NOW_MS) === 0) taken++;
      }
    }
    out.endUnit(inputs.length);
    this.#journal.append(out.bytes());
    if (this.applier.takeLate() > 0) this.mender.notify();
    return taken;
  }

  /** The store takes what was computed; `most` units at most. */
  store(most = Number.POSITIVE_INFINITY): void {
    let position = 0;
    let taken = 0;
    for (const unit of this.#units) {
      position += unit.length;
      if (position <= this.#stored) continue;
      if (taken++ >= most) return;
      this.#take(unit);
      this.#stored = position;
    }
    this.mender.notify();
  }

  #take(unit: Uint8Array): void {
    const views = viewsOf(unit);
    const meters = new Set<number>();
    for (let at = 0; at < unit.length; at += entryBytes(views, at)) {
      const kind = views.u32[at >> 2]! & 0xff;
      if (kind === Kind.READING || kind === Kind.REWRITE || kind === Kind.PERIOD) meters.add(views.u32[(at >> 2) + 1]!);
      if (kind === Kind.EXCHANGE && ((views.u32[at >> 2]! >>> 8) & ExchangeInfo.NO_ROW) === 0) {
        const f = at >> 3;
        const store = this.#storeOf(views.u32[(at >> 2) + 1]!);
        store.exchanges.set(views.f64[f + 1]!, {
          final: views.f64[f + 2]!,
          start: views.f64[f + 3]!,
          rev: views.u32[(at >> 2) + 8]!,
        });
      }
    }
    for (const meter of meters) this.#storeOf(meter).tables.take(unit, meter);
  }

  #storeOf(meter: number): Store {
    const name = this.applier.directory.meter(meter);
    let store = this.#stores.get(name);
    if (store === undefined) {
      store = { tables: new Tables(), exchanges: new Map() };
      this.#stores.set(name, store);
    }
    return store;
  }

  async #history(ranges: readonly HistoryRange[]): Promise<MeterHistory[]> {
    this.questions++;
    await new Promise((resolve) => setImmediate(resolve));
    return ranges.map(({ meter, from, to }) => {
      const { tables, exchanges } = this.#storeOf(meter);
      const rows = this.tamper(tables.rows()).readings.filter(({ ts }) => ts >= from && ts <= to);
      const declared = [...exchanges].filter(([ts]) => ts >= from && ts <= to).sort(([a], [b]) => a - b);
      this.rowsAsked += rows.length + declared.length;
      return {
        meter,
        readings: {
          ts: rows.map(({ ts }) => ts),
          value: rows.map(({ value }) => value),
          rev: rows.map(({ rev }) => rev),
          delta: rows.map(({ delta }) => delta ?? Number.NaN),
          flags: rows.map(({ flags }) => flags),
        },
        exchanges: {
          ts: declared.map(([ts]) => ts),
          final: declared.map(([, { final }]) => final),
          start: declared.map(([, { start }]) => start),
          rev: declared.map(([, { rev }]) => rev),
        },
      };
    });
  }

  async #consumption(ranges: readonly HistoryRange[]): Promise<MeterPeriods[]> {
    this.audited.push(...ranges);
    await new Promise((resolve) => setImmediate(resolve));
    const told = emptyPeriods(ranges);
    for (const [i, { meter, from, to }] of ranges.entries()) {
      for (const row of this.tamper(this.#storeOf(meter).tables.rows()).consumption) {
        if (row.ts < from || row.ts > to) continue;
        const [value, min, max] = [row.value, row.min, row.max].map((cell) => cell ?? Number.NaN);
        const cells = [row.ts, PERIODS.indexOf(row.period), value!, min!, max!, row.coverage, row.readings, row.flags];
        addRow(told[i]!, "consumption", cells);
      }
    }
    return told;
  }

  /** Some turns of everything that goes on by itself. */
  async turns(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Until nothing waits any more. */
  async settle(): Promise<void> {
    for (let i = 0; this.applier.late.size > 0; i++) {
      if (this.failure !== null) throw this.failure;
      if (i > 5_000) throw new Error(`${this.applier.late.size} late inputs are never worked in: ${this.mender.trouble}`);
      this.store();
      await this.turns(1);
    }
    this.store();
  }

  snapshot(): void {
    const sections = new Map<string, Uint8Array>();
    for (const { name, parts } of snapshotSections(this.applier, this.#stored, this.#appended))
      sections.set(name, new Uint8Array(Buffer.concat(parts)));
    this.#snapshot = { unit: this.#units.length, sections };
  }

  /** The process dies and starts again from its snapshot and journal, with other settings where they are given. */
  async restart(settings?: ReadonlyMap<string, MeterSettings | MeterTimeline>): Promise<void> {
    await this.auditor?.stop();
    await this.mender.stop();
    await this.turns(4);
    const before = this.#plan;
    if (settings !== undefined) this.#plan = planOf(settings);
    try {
      this.#open();
    } catch (error) {
      this.#plan = before;
      this.#open();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.auditor?.stop();
    await this.mender.stop();
    await this.turns(2);
  }

  rowsOf(meter: string): ReturnType<Tables["rows"]> {
    return this.#stores.get(meter)?.tables.rows() ?? { readings: [], consumption: [] };
  }

  exchangesOf(meter: string): [number, { final: number; start: number; rev: number }][] {
    return [...(this.#stores.get(meter)?.exchanges ?? [])].sort(([a], [b]) => a - b);
  }
}
