import { type Clock, systemClock } from "../../engine/base/clock.js";
import { type EntryViews, viewsOf } from "../../engine/base/entry-views.js";
import { invariant } from "../../engine/base/errors.js";
import {
  emptyHistories,
  emptyPeriods,
  type HistoryTable,
  PERIOD_TABLES,
  RECORD_TABLES,
  type Told,
} from "../../engine/store/history.js";
import type { HistoryRange, MeterHistory, MeterPeriods, Names, Sink, StoreOutcome } from "../../engine/store/interface.js";
import {
  defaultTimeouts,
  type QuestDbAddress,
  QuestDbConnection,
  type QuestDbTimeouts,
} from "../../engine/store/questdb-http.js";
import { FEW_ROWS, isolate, ofTable, Refusals } from "./isolate.js";
import { QuestDbHistory } from "./questdb-history.js";
import { QuestDbRequests, REJECTED, REQUESTS, requestOf } from "./questdb-requests.js";
import { keptRow } from "./questdb-rows.js";
import { TableWatch } from "./questdb-watch.js";
import { eachRow, type HasRow, type KeptRow, keptRows, toldOf } from "./refused.js";
import type { StoreMemory } from "./store-memory.js";

export interface QuestDbSinkOptions {
  readonly address: QuestDbAddress;
  readonly names: Names;
  readonly clock?: Clock;
  readonly timeouts?: QuestDbTimeouts;
  /** How often the tables' health is looked at while writes succeed; milliseconds. */
  readonly healthEveryMs?: number;
  /** How long the server may apply nothing of what it accepted before that is told; milliseconds. */
  readonly stuckMs?: number;
  /** See Sink. */
  readonly settleMs?: number;
  /** See WatchOptions. */
  readonly memory?: StoreMemory | null;
}

/** Longer than a request on its way, or one that a server which was stopped still has before it, takes to be committed. */
const SETTLE_MS = 5_000;

/**
 * Entries to QuestDB:
 *
 *     entries ──▶ even meters: readings, then consumption ──▶ connection 0 ─┐
 *                 odd meters:  readings, then consumption ──▶ connection 1 ─┼─▶ all answered ─▶ tables healthy? ─▶ outcome
 *                 alerts, exchanges, rejected (official client's buffer) ▶ 2 ┘
 *
 * A meter always takes the same connection and a request holds rows of one table in journal order,
 * so that the last row of an identity is the last to arrive. Nothing is retried in here, but for what was refused: the
 * rows to blame are found and kept in `rejected`, unless they are so many that the table is to blame.
 */
export class QuestDbSink implements Sink {
  /**
   * Rows of one meter's hours overlap in time with those of thousands of others, and the server merges each transaction
   * into what it has: with 50,000 rows a batch it took 2.7 µs of CPU a row, with 500,000 it takes 1.5. Shared out over
   * two connections they stay below the rows that it commits at once (`cairo.max.uncommitted.rows`, 500,000).
   */
  readonly batchRows = 500_000;
  readonly settleMs: number;
  readonly #names: Names;
  readonly #clock: Clock;
  readonly #address: QuestDbAddress;
  readonly #healthEveryMs: number;
  readonly #connections: readonly [QuestDbConnection, QuestDbConnection, QuestDbConnection];
  readonly #sql: QuestDbConnection;
  readonly #watch: TableWatch;
  readonly #history: QuestDbHistory;
  #requests: QuestDbRequests | null = null;
  /** The tables are looked at before anything is sent. */
  #mustLook = true;
  /** The server has not answered since a request whose fate is unknown: it may still have that before it. */
  #isUnsettled = false;
  readonly #refusals = new Refusals();
  #busy = false;
  #isReading = false;

  constructor(options: QuestDbSinkOptions) {
    this.#names = options.names;
    this.#clock = options.clock ?? systemClock;
    this.#address = options.address;
    this.#healthEveryMs = options.healthEveryMs ?? 200;
    this.settleMs = options.settleMs ?? SETTLE_MS;
    const timeouts = options.timeouts ?? defaultTimeouts;
    const open = () => new QuestDbConnection(options.address, timeouts);
    this.#connections = [open(), open(), open()];
    this.#sql = open();
    const { address, names, stuckMs = 30_000, memory = null } = options;
    this.#watch = new TableWatch({ clock: this.#clock, connection: this.#sql, memory, stuckMs });
    this.#history = new QuestDbHistory({ address, names, clock: this.#clock, timeouts, stuckMs });
  }

  /** Throws InvariantError when called before the last call resolved, MeterstormError `store_config` on an address no client takes. */
  async write(entries: readonly Uint8Array[]): Promise<StoreOutcome> {
    invariant(!this.#busy, "a sink was given a batch while the last one was under way");
    this.#busy = true;
    try {
      this.#requests ??= await QuestDbRequests.open(this.#address, this.#names);
      const outcome = await this.#write(entries.map(viewsOf), this.#requests);
      if (!outcome.ok) this.#afterFailure(outcome);
      return outcome;
    } finally {
      this.#busy = false;
    }
  }

  remember(): void {
    this.#watch.remember();
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
      await this.#history.read(tables, ranges, this.#watch.states, told);
      return told;
    } finally {
      this.#isReading = false;
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#connections, this.#sql, this.#history].map((connection) => connection.close()));
  }

  async #write(chunks: readonly EntryViews[], requests: QuestDbRequests): Promise<StoreOutcome> {
    if (chunks.length === 0) return await this.#look(0);
    // Before the first rows too, since a loss is only seen by comparing: what is remembered must be older than they are.
    if (this.#mustLook) {
      const outcome = await this.#look(0);
      if (!outcome.ok) return outcome;
    }
    requests.encode(chunks);
    const outcomes = await Promise.all([this.#send(0, requests), this.#send(1, requests), this.#send(2, requests)]);
    let worst = worstOf(outcomes);
    let kept: KeptRow[] = [];
    if (!worst.ok && worst.kind === "refused") {
      const isolated = await this.#isolate(chunks, requests);
      worst = isolated.outcome;
      kept = isolated.kept;
    }
    if (!worst.ok) return worst;
    const isDue = this.#clock.monotonicMs() - this.#watch.lastMs >= this.#healthEveryMs;
    const outcome = isDue ? await this.#watch.look(1) : this.#watch.taken();
    if (!outcome.ok || kept.length === 0) return outcome;
    return { ...outcome, refused: toldOf(kept) };
  }

  /** Looks at the tables; a server that answers for the first time after it hung may only now turn to what it was sent before. */
  async #look(batches: number): Promise<StoreOutcome> {
    const outcome = await this.#watch.look(batches);
    if (!outcome.ok) return outcome;
    this.#mustLook = false;
    if (!this.#isUnsettled) return outcome;
    this.#isUnsettled = false;
    const message = `QuestDB answers again; nothing is sent for ${this.settleMs} ms, in which a request that it still has from before is committed or gone`;
    return { ok: false, kind: "doubtful", message };
  }

  #afterFailure(outcome: StoreOutcome & { ok: false }): void {
    this.#mustLook = true;
    if (outcome.again === undefined) return;
    // A socket on which rows of a table were sent goes on writing to that table, also when it was dropped: into nothing, answered by 204.
    for (const connection of this.#connections) connection.renew();
  }

  /** Sends the requests of one connection one after the other, up to the first that fails. */
  async #send(connection: 0 | 1 | 2, requests: QuestDbRequests): Promise<StoreOutcome> {
    for (let request = 0; request < REQUESTS.length; request++) {
      if (REQUESTS[request]!.connection !== connection) continue;
      const outcome = await this.#post(request, requests.body(request));
      if (!outcome.ok) return outcome;
    }
    return { ok: true };
  }

  async #post(request: number, body: Uint8Array): Promise<StoreOutcome> {
    if (body.length === 0) return { ok: true };
    const { table, connection } = REQUESTS[request]!;
    const outcome = await this.#connections[connection].write(body, connection === 2 ? "ns" : "ms");
    if (outcome.ok) this.#refusals.took(table);
    // Until the server is heard again its silence may mean that it has not yet read what it was sent.
    if (!outcome.ok && outcome.kind === "doubtful") this.#isUnsettled = !(await this.#watch.answers());
    return outcome;
  }

  /** All requests once more, without the rows that are refused by themselves; those are kept in `rejected`. */
  async #isolate(chunks: readonly EntryViews[], requests: QuestDbRequests): Promise<{ outcome: StoreOutcome; kept: KeptRow[] }> {
    const kept: KeptRow[] = [];
    // A table of another form refuses row after row, which is no fault of theirs.
    const look = await this.#look(0);
    if (!look.ok) return { outcome: look, kept };
    for (let request = 0; request < REQUESTS.length; request++) {
      const { table } = REQUESTS[request]!;
      const hasRow: HasRow = (views, at) => requestOf(views, at) === request;
      const rows = eachRow(chunks, hasRow, () => {});
      const found = await isolate(rows, FEW_ROWS - kept.length, (from, to, without) => {
        requests.reset(request);
        eachRow(chunks, hasRow, (row, views, at) => {
          if (row >= from && row < to && !without.has(row)) requests.row(views, at);
        });
        return this.#post(request, requests.body(request));
      });
      if (found.failure !== null) return { outcome: ofTable(table, found.failure), kept };
      const failure = this.#refusals.judge(table, rows, found.rows);
      if (failure !== null) return { outcome: failure, kept };
      kept.push(...keptRows(chunks, table, hasRow, found.rows, this.#names));
    }
    return { outcome: await this.#keep(kept, requests), kept };
  }

  async #keep(kept: readonly KeptRow[], requests: QuestDbRequests): Promise<StoreOutcome> {
    let outcome: StoreOutcome = { ok: true };
    for (const plainly of [false, true]) {
      requests.reset(REJECTED);
      for (const row of kept) keptRow(requests.rejected, row, plainly);
      outcome = await this.#post(REJECTED, requests.body(REJECTED));
      if (outcome.ok || outcome.kind !== "refused") return outcome;
    }
    return outcome.ok ? outcome : ofTable("rejected", outcome);
  }
}

/** Of several outcomes the one that obliges to most care. */
function worstOf(outcomes: readonly StoreOutcome[]): StoreOutcome {
  for (const kind of ["doubtful", "unavailable", "refused"] as const) {
    const found = outcomes.find((outcome) => !outcome.ok && outcome.kind === kind);
    if (found !== undefined) return found;
  }
  return { ok: true };
}
