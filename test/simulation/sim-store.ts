import { ExchangeInfo, Kind, PERIODS, type PeriodName, UnitType } from "../../engine/base/entries.js";
import { type EntryViews, entryBytes, viewsOf } from "../../engine/base/entry-views.js";
import { MeterstormError } from "../../engine/base/errors.js";
import { addRow, emptyHistories, emptyPeriods, type HistoryTable, type Told } from "../../engine/store/history.js";
import type { HistoryRange, MeterHistory, MeterPeriods, Names, Sink, StoreOutcome } from "../../engine/store/interface.js";
import { incidentText, rejectTexts, severityOf } from "../../workers/sinks/fields.js";
import type { Random } from "../support/random.js";
import type { SimClock } from "../support/sim-clock.js";

export const TABLES = ["readings", "consumption", "exchanges", "alerts", "rejected"] as const;
export type Table = (typeof TABLES)[number];

interface Row {
  table: Table;
  /** The identity. */
  key: string;
  cells: string;
}

interface Request {
  rows: Row[];
  /** Tables that are written when it commits. */
  tables: readonly Table[];
  committed: boolean;
}

/** How the store treats requests; each a probability. */
export interface StoreMood {
  unavailable: number;
  refused: number;
  doubtful: number;
  /** Takes seconds to answer. */
  stalled: number;
}

export const GOOD_MOOD: StoreMood = { unavailable: 0, refused: 0, doubtful: 0, stalled: 0 };

/**
 * A store outside the engine's process: one row per identity, the last write stands. It writes a request table by table, so
 * that a failure leaves a part; a request whose answer was lost, or whose sender has died, commits at once, late or never.
 */
export class SimStore {
  readonly tables = new Map<Table, Map<string, string>>(TABLES.map((table) => [table, new Map()]));
  readonly #random: Random;
  readonly #clock: SimClock;
  readonly #settleMs: number;
  readonly #inFlight = new Set<Request>();
  /** Arrival of the frame's unit, by tenant, datalogger and seq: there is only ever one. */
  readonly #units = new Map<string, number>();
  mood: StoreMood = GOOD_MOOD;
  /** Set when rows came that never may. */
  fault = "";
  requests = 0;
  /** Meters with an input that only a repair works in. */
  readonly lateMeters = new Set<string>();
  lateCommits = 0;

  /** `settleMs`: what was cut off may still commit for so long. */
  constructor(random: Random, clock: SimClock, settleMs: number) {
    this.#random = random;
    this.#clock = clock;
    this.#settleMs = settleMs;
  }

  /** The engine's end of a connection; it answers nothing once `isAlive` says no. */
  sink(names: Names, isAlive: () => boolean): Sink {
    return {
      settleMs: this.#settleMs,
      write: (entries) => {
        if (!isAlive()) return new Promise(() => {});
        this.#checkUnits(names, entries);
        return this.#take({ rows: rowsOf(names, entries, this.lateMeters), tables: TABLES, committed: false }, isAlive);
      },
      history: (ranges) => this.#history(names, ranges, isAlive),
      consumption: (ranges) => this.#consumption(names, ranges, isAlive),
      close: () => Promise.resolve(),
    };
  }

  /** A request is under way. */
  get isBusy(): boolean {
    return this.#inFlight.size > 0;
  }

  row(table: Table, key: string): string | undefined {
    return this.tables.get(table)?.get(key);
  }

  /** The sender has died: what it had under way commits soon, or never. */
  cut(): void {
    for (const request of [...this.#inFlight]) this.#commitLate(request);
  }

  #take(request: Request, isAlive: () => boolean): Promise<StoreOutcome> {
    this.requests++;
    const random = this.#random;
    const { outcome, tables, isLate } = this.#outcome();
    this.#inFlight.add(request);
    const delayMs = random.chance(this.mood.stalled) ? random.int(20_000) : random.int(200);
    return new Promise((resolve) => {
      this.#clock.after(delayMs, () => {
        if (!this.#inFlight.has(request)) return;
        if (isLate) this.#commitLate(request);
        else {
          request.tables = tables;
          this.#commit(request);
        }
        if (isAlive()) resolve(outcome);
      });
    });
  }

  /**
   * Reads one table after the other at moments of its own, then takes its time to tell: what is committed in between is in one of them, or
   * in none.
   */
  #history(names: Names, ranges: readonly HistoryRange[], isAlive: () => boolean): Promise<MeterHistory[]> {
    const random = this.#random;
    const isAway = random.chance(this.mood.unavailable);
    const [readingsMs, exchangesMs, answerMs] = [random.int(100), random.int(50), random.int(50)];
    const stalledMs = random.chance(this.mood.stalled) ? random.int(20_000) : 0;
    const histories = emptyHistories(ranges);
    return new Promise((resolve, reject) => {
      const answer = () => {
        if (!isAlive()) return;
        if (isAway) reject(new MeterstormError("store_unavailable", "injected"));
        else resolve(histories);
      };
      this.#clock.after(readingsMs + stalledMs, () => {
        this.#read("readings", names, ranges, histories);
        this.#clock.after(exchangesMs, () => {
          this.#read("exchanges", names, ranges, histories);
          this.#clock.after(answerMs, answer);
        });
      });
    });
  }

  #consumption(names: Names, ranges: readonly HistoryRange[], isAlive: () => boolean): Promise<MeterPeriods[]> {
    const random = this.#random;
    const isAway = random.chance(this.mood.unavailable);
    const periods = emptyPeriods(ranges);
    return new Promise((resolve, reject) => {
      this.#clock.after(random.int(100), () => {
        this.#read("consumption", names, ranges, periods);
        if (!isAlive()) return;
        if (isAway) reject(new MeterstormError("store_unavailable", "injected"));
        else resolve(periods);
      });
    });
  }

  #read(table: HistoryTable, names: Names, ranges: readonly HistoryRange[], told: readonly Told[]): void {
    const rows = new Map<string, [ts: number, cells: string, period: number[]][]>();
    for (const [key, cells] of this.tables.get(table)!) {
      const cut = key.lastIndexOf("/");
      // A period's name stands between the meter and the time.
      const end = table === "consumption" ? key.lastIndexOf("/", cut - 1) : cut;
      const meter = key.slice(0, end);
      const period = end === cut ? [] : [PERIODS.indexOf(key.slice(end + 1, cut) as PeriodName)];
      const row: [number, string, number[]] = [Number(key.slice(cut + 1)), cells, period];
      const before = rows.get(meter);
      if (before === undefined) rows.set(meter, [row]);
      else before.push(row);
    }
    ranges.forEach(({ meter, from, to }, position) => {
      const found = rows.get(`${names.tenantOfMeter(meter)}/${names.meter(meter)}`) ?? [];
      for (const [ts, text, period] of found.sort(([a], [b]) => a - b)) {
        if (ts < from || ts > to) continue;
        const cells = (JSON.parse(text) as (number | null)[]).map((cell) => cell ?? Number.NaN);
        addRow(told[position]!, table, [ts, ...period, ...cells]);
      }
    });
  }

  #outcome(): { outcome: StoreOutcome; tables: readonly Table[]; isLate: boolean } {
    const random = this.#random;
    const { unavailable, refused, doubtful } = this.mood;
    const some = TABLES.slice(0, random.int(TABLES.length + 1));
    const message = "injected";
    if (random.chance(unavailable)) return { outcome: { ok: false, kind: "unavailable", message }, tables: some, isLate: false };
    if (random.chance(refused)) return { outcome: { ok: false, kind: "refused", message }, tables: some.slice(1), isLate: false };
    if (random.chance(doubtful)) {
      const tables = random.pick([[], some, TABLES]);
      return { outcome: { ok: false, kind: "doubtful", message }, tables, isLate: random.chance(0.7) };
    }
    return { outcome: { ok: true }, tables: TABLES, isLate: false };
  }

  #commitLate(request: Request): void {
    this.#inFlight.delete(request);
    if (request.committed || this.#random.chance(0.2)) return;
    this.lateCommits++;
    this.#clock.after(this.#random.int(this.#settleMs), () => this.#commit(request));
  }

  #commit(request: Request): void {
    this.#inFlight.delete(request);
    if (request.committed) return;
    request.committed = true;
    for (const { table, key, cells } of request.rows) {
      if (request.tables.includes(table)) this.tables.get(table)!.set(key, cells);
    }
  }

  /** A frame's unit is in the journal once: the same one may come again, another one never. */
  #checkUnits(names: Names, entries: readonly Uint8Array[]): void {
    for (const piece of entries) {
      const { u32, f64, u8 } = viewsOf(piece);
      for (let at = 0; at < u8.length; at += u32[(at >> 2) + 1]!) {
        const word = at >> 2;
        if (u32[word]! >>> 8 !== UnitType.FRAME) continue;
        const { tenant, id } = names.datalogger(u32[word + 4]!);
        const key = `${tenant}/${id}/${f64[(at >> 3) + 3]}`;
        const arrivalMs = f64[(at >> 3) + 1]!;
        if ((this.#units.get(key) ?? arrivalMs) !== arrivalMs) this.fault = `frame ${key} was taken twice`;
        this.#units.set(key, arrivalMs);
      }
    }
  }
}

/** The rows of a batch in order. */
function rowsOf(names: Names, entries: readonly Uint8Array[], lateMeters: Set<string>): Row[] {
  const rows: Row[] = [];
  each(entries.map(viewsOf), (kind, view, at) => {
    const word = view.u32[at >> 2]!;
    if (kind === Kind.LATE || (kind === Kind.EXCHANGE && ((word >>> 8) & ExchangeInfo.LATE) !== 0)) {
      const meter = view.u32[(at >> 2) + 1]!;
      lateMeters.add(`${names.tenantOfMeter(meter)}/${names.meter(meter)}`);
    }
    const row = rowOf(names, kind, view, at);
    if (row !== null) rows.push(row);
  });
  return rows;
}

function each(pieces: readonly EntryViews[], visit: (kind: number, views: EntryViews, at: number) => void): void {
  for (const views of pieces) {
    for (let at = 0; at < views.u8.length; at += entryBytes(views, at)) visit(views.u32[at >> 2]! & 0xff, views, at);
  }
}

function rowOf(names: Names, kind: number, views: EntryViews, at: number): Row | null {
  const word = at >> 2;
  const double = at >> 3;
  const { u32, f64 } = views;
  const subject = u32[word + 1]!;
  const info = u32[word]! >>> 8;
  const meter = () => `${names.tenantOfMeter(subject)}/${names.meter(subject)}`;
  const ts = f64[double + 1]!;
  switch (kind) {
    case Kind.READING:
    case Kind.REWRITE: {
      const cells = [f64[double + 2], u32[word + 8], f64[double + 3], info];
      return { table: "readings", key: `${meter()}/${ts}`, cells: JSON.stringify(cells) };
    }
    case Kind.PERIOD: {
      const cells = [...f64.subarray(double + 2, double + 6), u32[word + 12], info];
      return { table: "consumption", key: `${meter()}/${PERIODS[u32[word + 13]!]}/${ts}`, cells: JSON.stringify(cells) };
    }
    case Kind.EXCHANGE: {
      if ((info & ExchangeInfo.NO_ROW) !== 0) return null;
      const withdrawn = (info & ExchangeInfo.WITHDRAWN) !== 0;
      const cells = [withdrawn ? null : f64[double + 2], withdrawn ? null : f64[double + 3], u32[word + 8]];
      return { table: "exchanges", key: `${meter()}/${ts}`, cells: JSON.stringify(cells) };
    }
    case Kind.ALERT: {
      const state = (info & 1) === 1 ? "firing" : "resolved";
      const key = [meter(), ts, names.rule(u32[word + 8]!), incidentText(views, at), state, severityOf(info)].join("/");
      return { table: "alerts", key, cells: JSON.stringify([f64[double + 2], f64[double + 3]]) };
    }
    case Kind.REJECT: {
      const { tenant, id } = names.datalogger(subject);
      const texts = rejectTexts(views, at);
      const key = [tenant, id, f64[double + 2], u32[word + 6], texts.code].join("/");
      return { table: "rejected", key, cells: JSON.stringify([texts.meter, texts.raw]) };
    }
    default:
      return null;
  }
}
