import { setImmediate } from "node:timers/promises";
import type { Clock, Timer } from "../../engine/base/clock.js";
import { PERIODS, type PeriodName } from "../../engine/base/entries.js";
import { invariant, MeterstormError, messageOf } from "../../engine/base/errors.js";
import { addRow, groupedByTime, HISTORY_COLUMNS, type HistoryTable, spanOf, type Told } from "../../engine/store/history.js";
import type { HistoryRange, Names } from "../../engine/store/interface.js";
import {
  maxSqlBytes,
  type QuestDbAddress,
  QuestDbConnection,
  type QuestDbTimeouts,
  type SqlValue,
} from "../../engine/store/questdb-http.js";
import { faultOf, lossBetween, type TableState, tableStates } from "../../engine/store/questdb-tables.js";
import { sqlName, sqlText, sqlTime } from "../../engine/store/sql.js";

/** An answer is parsed in one go, which holds up the thread for about 5 ms, seldom 15, with so many rows or characters. */
const maxAnswerRows = 8_000;
const maxAnswerChars = 600_000;
/** Characters of a row beside the meter's name and its columns, and of a column. */
const rowChars = 24;
const columnChars = 16;

/** Whoever repairs late readings asks again, so a server that hangs is given up sooner than for a write. */
const lookMs = 5_000;

export interface QuestDbHistoryOptions {
  readonly address: QuestDbAddress;
  readonly names: Names;
  readonly clock: Clock;
  readonly timeouts: QuestDbTimeouts;
  /** How long the server may apply nothing at all of what it accepted before it counts as stuck; milliseconds. */
  readonly stuckMs: number;
}

/** Some meters of one tenant in one stretch of time: one statement for each table, or several where it brings many rows. */
interface Question {
  readonly tenant: string;
  /** Positions of the ranges, by the meter's name. */
  readonly meters: Map<string, number[]>;
  readonly from: number;
  readonly to: number;
}

/** Reads what stands in ranges over a connection of its own, statement after statement. */
export class QuestDbHistory {
  readonly #connection: QuestDbConnection;
  readonly #options: QuestDbHistoryOptions;
  readonly #lookMs: number;
  #pause: { timer: Timer; end(): void } | null = null;
  #isClosed = false;

  constructor(options: QuestDbHistoryOptions) {
    this.#options = options;
    this.#connection = new QuestDbConnection(options.address, options.timeouts);
    this.#lookMs = Math.min(lookMs, options.timeouts.answerMs);
  }

  /**
   * Adds what stands in some tables to `told`, one for each range. Everything that was accepted before the call is in it. `before`: how the tables stood when writing began, null where that is not known.
   * Throws MeterstormError `store_unavailable` when it cannot be read now, or when the store shows signs that it lost rows: what is
   * missing would be taken for what never was.
   */
  async read(
    tables: readonly HistoryTable[],
    ranges: readonly HistoryRange[],
    before: readonly TableState[] | null,
    told: readonly Told[],
  ): Promise<void> {
    try {
      const states = await this.#visible(tables, before);
      for (const question of questions(ranges, this.#options.names)) {
        for (const table of tables) await this.#ask(table, question, ranges, told);
      }
      assertSame(states, await this.#look(tables));
    } catch (error) {
      if (!(error instanceof MeterstormError) || error.code === "store_unavailable") throw error;
      throw new MeterstormError("store_unavailable", messageOf(error), { cause: error });
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#pause?.timer.cancel();
    this.#pause?.end();
    await this.#connection.close();
  }

  /** The states of the tables once all that they had accepted at the first look can be read. */
  async #visible(tables: readonly HistoryTable[], before: readonly TableState[] | null): Promise<TableState[]> {
    const { clock, stuckMs } = this.#options;
    const first = await this.#look(tables);
    if (before !== null) assertSame(ofTables(before, tables), first);
    let states = first;
    let movedMs = clock.monotonicMs();
    for (let pauseMs = 2; !isApplied(first, states); pauseMs = Math.min(pauseMs * 2, 200)) {
      await this.#sleep(pauseMs);
      const now = await this.#look(tables);
      if (now.some((state, i) => state.writerTxn !== states[i]?.writerTxn)) movedMs = clock.monotonicMs();
      if (clock.monotonicMs() - movedMs >= stuckMs)
        throw unavailable(`QuestDB has applied nothing for ${stuckMs} ms: ${behind(first, now)}`);
      states = now;
    }
    return states;
  }

  async #look(tables: readonly HistoryTable[]): Promise<TableState[]> {
    this.#assertOpen();
    const states = ofTables(await tableStates(this.#connection, this.#lookMs), tables);
    const fault = faultOf(states, tables);
    if (fault !== null) throw unavailable(fault);
    return states;
  }

  async #ask(table: HistoryTable, question: Question, ranges: readonly HistoryRange[], told: readonly Told[]): Promise<void> {
    const limit = rowsPerAnswer(table, question.meters.keys());
    // A moment holds one row of a meter at most, or one of each period, so that a full answer spans several and goes on from its last.
    invariant(
      limit > question.meters.size * PERIODS.length,
      `${question.meters.size} meters do not fit an answer of ${limit} rows`,
    );
    const [select, until] = statement(table, question, limit);
    for (let from: string | null = sqlTime(question.from); from !== null; ) {
      this.#assertOpen();
      const rows: SqlValue[][] = await this.#connection.query(`${select} AND "ts" >= ${from} ${until}`);
      await setImmediate();
      const end: number = rows.length < limit ? Number.POSITIVE_INFINITY : Number(rows[rows.length - 1]![1]);
      for (const [name, micros, ...values] of rows) {
        if (Number(micros) >= end) break;
        const ts = Number(micros) / 1000;
        const cells = [ts, ...values.map(number)];
        const positions = question.meters.get(String(name));
        invariant(positions !== undefined, `QuestDB answers for a meter ${String(name)} that was not asked for`);
        for (const position of positions) {
          const range = ranges[position]!;
          if (ts >= range.from && ts <= range.to) addRow(told[position]!, table, cells);
        }
      }
      from = rows.length < limit ? null : String(end);
    }
  }

  #assertOpen(): void {
    if (this.#isClosed) throw unavailable("the store's connection was closed");
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        this.#pause = null;
        resolve();
      };
      this.#pause = { timer: this.#options.clock.after(ms, end), end };
    });
  }
}

function ofTables(states: readonly TableState[], tables: readonly HistoryTable[]): TableState[] {
  return states.filter(({ name }) => (tables as readonly string[]).includes(name));
}

/** Whether all that was accepted at the first look can be read by now; both hold the same tables in the same order. */
function isApplied(first: readonly TableState[], now: readonly TableState[]): boolean {
  return first.every(({ sequencerTxn }, i) => now[i]!.writerTxn >= sequencerTxn);
}

function behind(first: readonly TableState[], now: readonly TableState[]): string {
  return first.map(({ name, sequencerTxn }, i) => `${now[i]!.writerTxn} of ${sequencerTxn} transactions of ${name}`).join(", ");
}

/** Throws unless the tables are the ones they were, with all that they held. */
function assertSame(before: readonly TableState[], now: readonly TableState[]): void {
  const loss = lossBetween(before, now);
  if (loss !== null) throw unavailable(`the store may have lost rows: ${loss}; histories wait until they were sent again`);
}

function unavailable(message: string): MeterstormError {
  return new MeterstormError("store_unavailable", message);
}

/** A cell; a text can only be a period's name. */
function number(value: SqlValue): number {
  if (typeof value === "string") return PERIODS.indexOf(value as PeriodName);
  return typeof value === "number" ? value : Number.NaN;
}

/** Ranges by tenant, those near in time together, and as many meters as a statement has room for. */
function* questions(ranges: readonly HistoryRange[], names: Names): Generator<Question> {
  const byTenant = new Map<string, number[]>();
  ranges.forEach(({ meter }, position) => {
    const tenant = names.tenantOfMeter(meter);
    const positions = byTenant.get(tenant);
    if (positions === undefined) byTenant.set(tenant, [position]);
    else positions.push(position);
  });
  for (const [tenant, positions] of byTenant) {
    for (const group of groupedByTime(positions.map((position) => ranges[position]!))) {
      const members = group.map((index) => positions[index]!);
      yield* statementsOf(tenant, members, ranges, names);
    }
  }
}

function* statementsOf(
  tenant: string,
  positions: readonly number[],
  ranges: readonly HistoryRange[],
  names: Names,
): Generator<Question> {
  const span = spanOf(positions.map((position) => ranges[position]!));
  let meters = new Map<string, number[]>();
  const room = maxSqlBytes - 512 - encodedBytes(sqlText(tenant));
  let bytes = 0;
  for (const position of positions) {
    const name = names.meter(ranges[position]!.meter);
    const same = meters.get(name);
    if (same !== undefined) {
      same.push(position);
      continue;
    }
    const nameBytes = encodedBytes(sqlText(name)) + 3;
    if (meters.size > 0 && bytes + nameBytes > room) {
      yield { tenant, meters, ...span };
      meters = new Map();
      bytes = 0;
    }
    meters.set(name, [position]);
    bytes += nameBytes;
  }
  yield { tenant, meters, ...span };
}

/** The statement before and after the condition that moves from answer to answer. */
function statement(table: HistoryTable, { tenant, meters, to }: Question, limit: number): [select: string, until: string] {
  const columns = HISTORY_COLUMNS[table].map(sqlName).join(", ");
  const list = [...meters.keys()].map(sqlText).join(",");
  return [
    `SELECT "meter", cast("ts" AS LONG), ${columns} FROM ${sqlName(table)} WHERE "tenant" = ${sqlText(tenant)} AND "meter" IN (${list})`,
    `AND "ts" <= ${sqlTime(to)} ORDER BY "ts" LIMIT ${limit}`,
  ];
}

function rowsPerAnswer(table: HistoryTable, names: Iterable<string>): number {
  let longest = 0;
  for (const name of names) longest = Math.max(longest, name.length);
  return Math.min(maxAnswerRows, Math.floor(maxAnswerChars / (rowChars + columnChars * HISTORY_COLUMNS[table].length + longest)));
}

function encodedBytes(text: string): number {
  return encodeURIComponent(text).length;
}
