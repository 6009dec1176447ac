import { type Clock, systemClock } from "../../engine/base/clock.js";
import { type EntryViews, entryBytes, Kind, viewsOf } from "../../engine/base/entries.js";
import { invariant, MeterstormError, messageOf } from "../../engine/base/errors.js";
import {
  emptyHistories,
  emptyPeriods,
  type HistoryTable,
  PERIOD_TABLES,
  RECORD_TABLES,
  type Told,
} from "../../engine/store/history.js";
import type { HistoryRange, MeterHistory, MeterPeriods, Names, Sink, StoreOutcome } from "../../engine/store/interface.js";
import { officialBuffer, type RowBuffer } from "../../engine/store/questdb-client.js";
import {
  defaultTimeouts,
  type QuestDbAddress,
  QuestDbConnection,
  type QuestDbTimeouts,
} from "../../engine/store/questdb-http.js";
import { ensureTables, faultOf, lossBetween, type TableState, tableStates } from "../../engine/store/questdb-tables.js";
import { encodePeriod, encodeReading, IlpBuffer, SeriesNames } from "./ilp.js";
import { QuestDbHistory } from "./questdb-history.js";
import { alertRow, exchangeRow, rejectedRow } from "./questdb-rows.js";

export interface QuestDbSinkOptions {
  readonly address: QuestDbAddress;
  readonly names: Names;
  readonly clock?: Clock;
  readonly timeouts?: QuestDbTimeouts;
  /** How often the tables' health is looked at while writes succeed; milliseconds. */
  readonly healthEveryMs?: number;
  /** How long the server may apply nothing of what it accepted while a history waits for it; milliseconds. */
  readonly stuckMs?: number;
}

/**
 * Entries to QuestDB:
 *
 *     entries ──▶ even meters: readings, then consumption ──▶ connection 0 ─┐
 *                 odd meters:  readings, then consumption ──▶ connection 1 ─┼─▶ all answered ─▶ tables healthy? ─▶ outcome
 *                 alerts, exchanges, rejected (official client's buffer) ▶ 2 ┘
 *
 * A meter always takes the same connection and a request holds rows of one table in journal order,
 * so that the last row of an identity is the last to arrive. Nothing is retried in here.
 */
export class QuestDbSink implements Sink {
  /**
   * Rows of one meter's hours overlap in time with those of thousands of others, and the server merges each transaction
   * into what it has: with 50,000 rows a batch it took 2.7 µs of CPU a row, with 500,000 it takes 1.5. Shared out over
   * two connections they stay below the rows that it commits at once (`cairo.max.uncommitted.rows`, 500,000).
   */
  readonly batchRows = 500_000;
  readonly #names: Names;
  readonly #clock: Clock;
  readonly #address: QuestDbAddress;
  readonly #healthEveryMs: number;
  readonly #connections: readonly [QuestDbConnection, QuestDbConnection, QuestDbConnection];
  readonly #sql: QuestDbConnection;
  readonly #history: QuestDbHistory;
  readonly #series: SeriesNames;
  readonly #readings = [new IlpBuffer(1 << 20), new IlpBuffer(1 << 20)] as const;
  readonly #consumption = [new IlpBuffer(), new IlpBuffer()] as const;
  #few: FewRows | null = null;
  #states: TableState[] | null = null;
  #lastHealthMs = Number.NEGATIVE_INFINITY;
  #busy = false;
  #isReading = false;

  constructor(options: QuestDbSinkOptions) {
    this.#names = options.names;
    this.#clock = options.clock ?? systemClock;
    this.#address = options.address;
    this.#healthEveryMs = options.healthEveryMs ?? 500;
    const timeouts = options.timeouts ?? defaultTimeouts;
    const open = () => new QuestDbConnection(options.address, timeouts);
    this.#connections = [open(), open(), open()];
    this.#sql = open();
    const { address, names } = options;
    this.#history = new QuestDbHistory({ address, names, clock: this.#clock, timeouts, stuckMs: options.stuckMs ?? 30_000 });
    this.#series = new SeriesNames(options.names);
  }

  /** Throws InvariantError when called before the last call resolved, MeterstormError `store_config` on an address no client takes. */
  async write(entries: readonly Uint8Array[]): Promise<StoreOutcome> {
    invariant(!this.#busy, "a sink was given a batch while the last one was under way");
    this.#busy = true;
    try {
      return await this.#write(entries.map(viewsOf));
    } finally {
      this.#busy = false;
    }
  }

  /** Throws InvariantError when called before the last call, of this or of `consumption`, resolved. */
  history(ranges: readonly HistoryRange[]): Promise<MeterHistory[]> {
    return this.#ask(RECORD_TABLES, ranges, emptyHistories(ranges));
  }

  consumption(ranges: readonly HistoryRange[]): Promise<MeterPeriods[]> {
    return this.#ask(PERIOD_TABLES, ranges, emptyPeriods(ranges));
  }

  async #ask<T extends Told>(tables: readonly HistoryTable[], ranges: readonly HistoryRange[], told: T[]): Promise<T[]> {
    invariant(!this.#isReading, "a sink was asked for a history while the last one was under way");
    this.#isReading = true;
    try {
      await this.#history.read(tables, ranges, this.#states, told);
      return told;
    } finally {
      this.#isReading = false;
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#connections, this.#sql, this.#history].map((connection) => connection.close()));
  }

  async #write(chunks: readonly EntryViews[]): Promise<StoreOutcome> {
    const few = this.#few ?? (await FewRows.create(this.#address));
    this.#few = few;
    this.#reset();
    try {
      // Before the first rows, since a loss is only seen by comparing: what is remembered must be older than they are.
      if (this.#states === null) {
        const outcome = await this.#health();
        if (!outcome.ok) return outcome;
      }
    } catch (error) {
      return unavailable(error);
    }
    for (const views of chunks) this.#encode(views, few);
    const outcomes = await Promise.all([
      this.#send(this.#connections[0], [this.#readings[0].written(), this.#consumption[0].written()], "ms"),
      this.#send(this.#connections[1], [this.#readings[1].written(), this.#consumption[1].written()], "ms"),
      this.#send(this.#connections[2], few.taken(), "ns"),
    ]);
    const worst = worstOf(outcomes);
    if (!worst.ok) return worst;
    if (this.#clock.monotonicMs() - this.#lastHealthMs < this.#healthEveryMs) return worst;
    return this.#health();
  }

  #reset(): void {
    for (const buffer of [...this.#readings, ...this.#consumption]) buffer.reset();
    this.#few?.reset();
  }

  #encode(views: EntryViews, few: FewRows): void {
    const { u8, u32, f64 } = views;
    const series = this.#series;
    for (let at = 0; at < u8.length; at += entryBytes(views, at)) {
      const u = at >> 2;
      const f = at >> 3;
      const head = u32[u]!;
      const meter = u32[u + 1]!;
      switch (head & 0xff) {
        case Kind.READING:
        case Kind.REWRITE:
          encodeReading(
            this.#readings[(meter & 1) as 0 | 1],
            series,
            meter,
            f64[f + 1]!,
            f64[f + 2]!,
            f64[f + 3]!,
            u32[u + 8]!,
            head >>> 8,
          );
          break;
        case Kind.PERIOD:
          encodePeriod(
            this.#consumption[(meter & 1) as 0 | 1],
            series,
            meter,
            u32[u + 13]!,
            f64[f + 1]!,
            f64[f + 2]!,
            f64[f + 3]!,
            f64[f + 4]!,
            f64[f + 5]!,
            u32[u + 12]!,
            head >>> 8,
          );
          break;
        case Kind.ALERT:
          alertRow(few.alerts, this.#names, views, at);
          break;
        case Kind.EXCHANGE:
          exchangeRow(few.exchanges, this.#names, views, at);
          break;
        case Kind.REJECT:
          rejectedRow(few.rejected, this.#names, views, at);
          break;
        default:
      }
    }
  }

  /** Sends request after request on one connection, up to the first that fails. */
  async #send(connection: QuestDbConnection, bodies: readonly Uint8Array[], precision: "ms" | "ns"): Promise<StoreOutcome> {
    for (const body of bodies) {
      if (body.length === 0) continue;
      const outcome = await connection.write(body, precision);
      if (!outcome.ok) return outcome;
    }
    return { ok: true };
  }

  /** A 204 is only worth something while the tables are the same as before, keep their keys and are not suspended. */
  async #health(): Promise<StoreOutcome> {
    try {
      let states = await tableStates(this.#sql);
      const loss = this.#states === null ? null : lossBetween(this.#states, states);
      if (loss !== null) {
        await ensureTables(this.#sql);
        states = await tableStates(this.#sql);
      }
      const fault = faultOf(states);
      // What is remembered stays while a fault lasts, so that the loss is still told once it is over.
      if (fault !== null) return { ok: false, kind: "unavailable", message: fault };
      this.#states = states;
      this.#lastHealthMs = this.#clock.monotonicMs();
      if (loss !== null) return { ok: false, kind: "doubtful", message: `the store may have lost rows: ${loss}`, lost: true };
      return { ok: true };
    } catch (error) {
      return unavailable(error);
    }
  }
}

/** The buffers of the tables that get few rows; the bytes are kept by the caller of `taken` until they are answered. */
class FewRows {
  readonly alerts: RowBuffer;
  readonly exchanges: RowBuffer;
  readonly rejected: RowBuffer;

  private constructor(alerts: RowBuffer, exchanges: RowBuffer, rejected: RowBuffer) {
    this.alerts = alerts;
    this.exchanges = exchanges;
    this.rejected = rejected;
  }

  static async create(address: QuestDbAddress): Promise<FewRows> {
    return new FewRows(await officialBuffer(address), await officialBuffer(address), await officialBuffer(address));
  }

  reset(): void {
    this.alerts.reset();
    this.exchanges.reset();
    this.rejected.reset();
  }

  taken(): Uint8Array[] {
    return [this.alerts, this.exchanges, this.rejected].map((buffer) => buffer.toBufferNew() ?? new Uint8Array(0));
  }
}

/** Of several outcomes the one that obliges to most care. */
function worstOf(outcomes: readonly StoreOutcome[]): StoreOutcome {
  for (const kind of ["doubtful", "refused", "unavailable"] as const) {
    const found = outcomes.find((outcome) => !outcome.ok && outcome.kind === kind);
    if (found !== undefined) return found;
  }
  return { ok: true };
}

function unavailable(error: unknown): StoreOutcome {
  if (!(error instanceof MeterstormError)) throw error;
  return { ok: false, kind: "unavailable", message: messageOf(error) };
}
