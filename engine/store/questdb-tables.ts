import { MeterstormError, messageOf } from "../base/errors.js";
import type { QuestDbConnection, SqlValue } from "./questdb-http.js";
import {
  assertFits,
  type ColumnType,
  type FoundColumn,
  misfit,
  TABLE_NAMES,
  TABLES,
  type Table,
  type TableName,
  tableNamed,
} from "./schema.js";
import { sqlName, sqlText } from "./sql.js";

const remedy =
  "Rename the table (RENAME TABLE … TO …) and let the engine create its own, or change it by ALTER TABLE; nothing was changed.";

const typeNames: Record<ColumnType, string> = {
  time: "TIMESTAMP",
  name: "SYMBOL",
  text: "VARCHAR",
  double: "DOUBLE",
  int: "INT",
  long: "LONG",
};

/** Where the store keeps its own identity: one row, written when the tables are first created. */
const identityTable = "meterstorm_store";

/**
 * Creates the tables that are missing and checks all of them. Throws MeterstormError `store_schema`
 * where one does not fit, `store_unavailable` when QuestDB is not reached.
 */
export async function ensureTables(connection: QuestDbConnection): Promise<void> {
  const versions = await connection.lineProtocolVersions();
  if (!versions.includes(2)) {
    const found = versions.length === 0 ? "none" : versions.join(", ");
    throw new MeterstormError(
      "store_schema",
      `the store must speak line protocol version 2 (QuestDB 9.0 or newer); it lists ${found}`,
    );
  }
  await setAside(connection);
  for (const table of TABLES) await connection.query(createStatement(table));
  const rows = await connection.query("SELECT table_name, designatedTimestamp, walEnabled, dedup, partitionBy FROM tables()");
  for (const table of TABLES) {
    const row = rows.find((candidate) => candidate[0] === table.name);
    if (row === undefined) throw misfit(table.name, ["it is missing though it was just created"], remedy);
    assertShape(table, row);
    assertFits(table, await columnsOf(connection, table), (type) => typeNames[type], remedy);
  }
}

/**
 * A write that meets a table dropped a moment ago makes QuestDB create one of its own, without keys, its time in a column
 * `timestamp`. Such a table is in the way of ours and is renamed; its rows are in the journal, and are sent again.
 */
async function setAside(connection: QuestDbConnection): Promise<void> {
  const found = await connection.query(
    "SELECT table_name, directoryName FROM tables() WHERE NOT dedup AND designatedTimestamp = 'timestamp'",
  );
  for (const [name, id] of found) {
    if (!TABLE_NAMES.some((ours) => ours === name)) continue;
    const aside = `${String(name)}_unkeyed_${String(id).replace(/\D+/g, "")}`;
    await connection.query(`RENAME TABLE ${sqlText(String(name))} TO ${sqlText(aside)}`);
  }
}

function createStatement(table: Table): string {
  const columns = table.columns.map((column) => `${sqlName(column.name)} ${columnType(table, column.name, column.type)}`);
  const keys = table.identity.map(sqlName).join(", ");
  return (
    `CREATE TABLE IF NOT EXISTS ${sqlName(table.name)} (${columns.join(", ")}) ` +
    `TIMESTAMP("ts") PARTITION BY ${table.partition} WAL DEDUP UPSERT KEYS(${keys})`
  );
}

/** Meters are many: their symbols begin with room, so that a first fleet does not grow them step by step. */
function columnType(table: Table, name: string, type: ColumnType): string {
  const many = name === "meter" && (table.name === "readings" || table.name === "consumption");
  return many ? `${typeNames[type]} CAPACITY 65536 CACHE` : typeNames[type];
}

function assertShape(table: Table, row: readonly SqlValue[]): void {
  const [, designated, wal, dedup, partitionBy] = row;
  const faults: string[] = [];
  if (designated !== "ts") faults.push(`its designated timestamp is ${designated ?? "none"}, needed is ts`);
  if (wal !== true) faults.push("it is not a WAL table, needed is one");
  if (wal === true && dedup !== true) faults.push(`it has no DEDUP, needed is DEDUP UPSERT KEYS(${table.identity.join(", ")})`);
  if (partitionBy === "NONE" || partitionBy === null)
    faults.push(`it is not partitioned, needed is PARTITION BY ${table.partition}`);
  if (faults.length > 0) throw misfit(table.name, faults, remedy);
}

async function columnsOf(connection: QuestDbConnection, table: Table): Promise<FoundColumn[]> {
  const rows = await connection.query(
    `SELECT ${sqlText(table.name)}, "column", "type", "upsertKey" FROM table_columns(${sqlText(table.name)})`,
  );
  return rows.map(foundColumn);
}

/** Of a row with a table's name in front. */
function foundColumn([, name, type, key]: SqlValue[]): FoundColumn {
  return { name: String(name), type: String(type), inIdentity: key === true };
}

/**
 * What tells this store from another: a random id that it keeps. It outlives restarts, and tables that are dropped and made again: whoever
 * sends rows watches their ids, and sends again what such a table has lost.
 */
export async function identityOf(connection: QuestDbConnection, random: () => string): Promise<string> {
  const name = sqlName(identityTable);
  await connection.query(
    `CREATE TABLE IF NOT EXISTS ${name} ("ts" TIMESTAMP, "id" VARCHAR) TIMESTAMP("ts") PARTITION BY YEAR BYPASS WAL`,
  );
  // Of engines that start at once each may write a row. All are of one instant, and such rows stay in the order in which they came:
  // the first is the identity, also for an engine that read it before the others came.
  const read = `SELECT "id" FROM ${name} LIMIT 1`;
  let [first] = await connection.query(read);
  if (first === undefined) {
    await connection.query(`INSERT INTO ${name} VALUES (0, ${sqlText(random())})`);
    [first] = await connection.query(read);
  }
  if (first === undefined)
    throw new MeterstormError("store_unavailable", `${identityTable} holds no row although one was just written`);
  return `questdb:${String(first[0])}`;
}

/** How one of our tables stands. */
export interface TableState {
  readonly name: string;
  /** Its directory, which another table of the same name would not have. */
  readonly id: string;
  readonly dedup: boolean;
  readonly suspended: boolean;
  /** Transactions that are readable, and that were accepted. */
  readonly writerTxn: number;
  readonly sequencerTxn: number;
  readonly errorMessage: string;
  /** When the server was started, in its own microseconds. */
  readonly boot: string;
}

/** The states of our tables that exist, in the order of the schema; `answerMs` where the connection's own is too long to wait. */
export async function tableStates(connection: QuestDbConnection, answerMs?: number): Promise<TableState[]> {
  const rows = await connection.query(
    "SELECT t.table_name, t.directoryName, t.dedup, w.suspended, w.writerTxn, w.sequencerTxn, w.errorMessage, " +
      "cast(pg_postmaster_start_time() AS STRING) " +
      "FROM tables() t JOIN wal_tables() w ON t.table_name = w.name",
    answerMs,
  );
  const states: TableState[] = [];
  for (const name of TABLE_NAMES) {
    const row = rows.find((candidate) => candidate[0] === name);
    if (row === undefined) continue;
    states.push({
      ...{ name, id: String(row[1]), dedup: row[2] === true, suspended: row[3] === true },
      ...{ writerTxn: Number(row[4]), sequencerTxn: Number(row[5]), errorMessage: String(row[6] ?? "") },
      boot: String(row[7]),
    });
  }
  return states;
}

/** Gives a table the keys by which rows are told apart. */
function keysStatement(name: TableName): string {
  return `ALTER TABLE ${name} DEDUP ENABLE UPSERT KEYS(${tableNamed(name).identity.join(", ")})`;
}

/** What does not fit in the columns of our tables, all of which exist, in words that say what to do; null when all do. */
export async function misfitOf(connection: QuestDbConnection): Promise<string | null> {
  const selects = TABLE_NAMES.map(
    (name) => `SELECT ${sqlText(name)}, "column", "type", "upsertKey" FROM table_columns(${sqlText(name)})`,
  );
  const rows = await connection.query(selects.join(" UNION ALL "));
  for (const table of TABLES) {
    const columns = rows.filter(([name]) => name === table.name).map(foundColumn);
    try {
      assertFits(table, columns, (type) => typeNames[type], remedy);
    } catch (error) {
      return messageOf(error);
    }
  }
  return null;
}

/** What is wrong with some tables, in words that say what to do; null when nothing is. */
export function faultOf(states: readonly TableState[], names: readonly TableName[] = TABLE_NAMES): string | null {
  for (const name of names) {
    const state = states.find((candidate) => candidate.name === name);
    if (state === undefined) return `table ${name} is missing: restart the engine, which creates it`;
    if (!state.dedup) return `table ${name} has lost its DEDUP keys, nothing is sent to it: run ${keysStatement(name)}`;
    if (state.suspended) {
      const why = state.errorMessage === "" ? "" : ` (${state.errorMessage})`;
      return `table ${name} is suspended${why}: remove the cause, then run ALTER TABLE ${name} RESUME WAL`;
    }
  }
  return null;
}

/**
 * A sign that the store has lost what it acknowledged between two looks at it, in words; null when there is none.
 * A table that is not the same one, or whose count of transactions went back, has lost rows; a server that was
 * started again may have, unless it syncs each commit.
 */
export function lossBetween(before: readonly TableState[], now: readonly TableState[]): string | null {
  for (const old of before) {
    const state = now.find((candidate) => candidate.name === old.name);
    if (state === undefined) return `table ${old.name} was dropped`;
    if (state.id !== old.id) return `table ${old.name} was replaced (${old.id} is now ${state.id})`;
    if (state.sequencerTxn < old.sequencerTxn)
      return `table ${old.name} went back from transaction ${old.sequencerTxn} to ${state.sequencerTxn}`;
    if (state.boot !== old.boot) return `QuestDB was started again (${state.boot})`;
  }
  return null;
}
