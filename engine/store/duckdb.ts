import {
  DOUBLE,
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBInstance,
  type DuckDBType,
  type DuckDBValue,
  VARCHAR,
} from "@duckdb/node-api";
import { PERIODS } from "../base/entries.js";
import { MeterstormError, messageOf } from "../base/errors.js";
import { failureOf, type MergeOutcome } from "./duckdb-failure.js";
import { type HistoryPiece, pieceWidth } from "./duckdb-messages.js";
import { groupedByTime, HISTORY_COLUMNS, type HistoryTable, spanOf } from "./history.js";
import { assertFits, type ColumnType, TABLES, type Table, type TableName, tableNamed } from "./schema.js";
import { sqlName, sqlTime } from "./sql.js";

/** Rows on their way in, column by column in the order of the schema; NaN and null both stand for NULL. */
export interface StagedRows {
  readonly table: TableName;
  readonly columns: readonly (readonly (string | number | null)[])[];
  readonly rows: number;
}

export interface DuckDbOptions {
  /** What DuckDB may take for itself, as it writes it: `1GB`. */
  readonly memoryLimit?: string;
  readonly threads?: number;
  /** Nothing is written, not even what a killed engine left in the log beside the file is folded into it. */
  readonly readOnly?: boolean;
}

const typeNames: Record<ColumnType, string> = {
  time: "TIMESTAMP",
  name: "VARCHAR",
  text: "VARCHAR",
  double: "DOUBLE",
  int: "INTEGER",
  long: "BIGINT",
};

/** A meter by its names between two instants, both included; epoch milliseconds. */
export interface NamedRange {
  readonly tenant: string;
  readonly meter: string;
  readonly from: number;
  readonly to: number;
}

/** Rows per chunk that the appender takes. */
const chunkRows = 2048;

const remedy = "Rename the table (ALTER TABLE … RENAME TO …) and let the engine create its own; nothing was changed.";

/**
 * One DuckDB file, open for one writer and for reading beside it. The only code that knows DuckDB.
 * One file must not be opened twice in a process.
 */
export class DuckDbFile {
  readonly #instance: DuckDBInstance;
  readonly #writer: DuckDBConnection;
  readonly #reader: DuckDBConnection;
  /** Its results are streamed, and a connection streams one at a time. */
  readonly #historian: DuckDBConnection;
  readonly path: string;
  readonly #readOnly: boolean;

  private constructor(
    path: string,
    readOnly: boolean,
    instance: DuckDBInstance,
    connections: readonly [DuckDBConnection, DuckDBConnection, DuckDBConnection],
  ) {
    this.path = path;
    this.#readOnly = readOnly;
    this.#instance = instance;
    [this.#writer, this.#reader, this.#historian] = connections;
  }

  /** Opens the file, or creates it unless only read. Throws MeterstormError `store_unavailable`: locked by another process, not a database, no space. */
  static async open(path: string, options: DuckDbOptions = {}): Promise<DuckDbFile> {
    try {
      const instance = await DuckDBInstance.create(path, {
        memory_limit: options.memoryLimit ?? "1GB",
        threads: String(options.threads ?? 2),
        ...(options.readOnly === true ? { access_mode: "READ_ONLY" } : {}),
      });
      const connect = () => instance.connect();
      return new DuckDbFile(path, options.readOnly ?? false, instance, [await connect(), await connect(), await connect()]);
    } catch (error) {
      const message = `DuckDB could not open ${path}: ${messageOf(error)}. Is another engine using it?`;
      throw new MeterstormError("store_unavailable", message, { cause: error });
    }
  }

  /** Creates missing tables and checks all. Throws MeterstormError `store_schema`. */
  async ensureTables(): Promise<void> {
    for (const table of TABLES) {
      const columns = table.columns.map((column) => `${sqlName(column.name)} ${typeNames[column.type]}`);
      const key = `PRIMARY KEY (${table.identity.map(sqlName).join(", ")})`;
      await this.#writer.run(`CREATE TABLE IF NOT EXISTS ${sqlName(table.name)} (${[...columns, key].join(", ")})`);
      await this.#assertFits(table);
      await this.#createStaging(table);
    }
    await this.#writer.run("CREATE TABLE IF NOT EXISTS meterstorm_store (id VARCHAR)");
  }

  async #assertFits(table: Table): Promise<void> {
    const where = "database_name = current_database() AND schema_name = 'main' AND table_name = $1";
    const found = await this.query(`SELECT column_name, data_type FROM duckdb_columns() WHERE ${where}`, [table.name]);
    const keys = await this.query(
      `SELECT unnest(constraint_column_names) FROM duckdb_constraints() WHERE ${where} AND constraint_type = 'PRIMARY KEY'`,
      [table.name],
    );
    const inKey = new Set(keys.map(([name]) => name));
    const columns = found.map(([name, type]) => ({
      name: String(name),
      type: String(type),
      inIdentity: inKey.has(name ?? null),
    }));
    assertFits(table, columns, (type) => typeNames[type], remedy);
  }

  /** Staging holds numbers as doubles and a position, so that rows are appended without a value object for each. */
  async #createStaging(table: Table): Promise<void> {
    const columns = table.columns.map((column) => `${sqlName(column.name)} ${isText(column.type) ? "VARCHAR" : "DOUBLE"}`);
    await this.#writer.run(
      `CREATE TEMP TABLE IF NOT EXISTS ${stagingName(table.name)} (${columns.join(", ")}, "position" DOUBLE)`,
    );
  }

  /** A random id that the file keeps from its first use on. */
  async identity(random: () => string): Promise<string> {
    await this.#writer.run("INSERT INTO meterstorm_store SELECT $1 WHERE NOT EXISTS (FROM meterstorm_store)", [random()]);
    const [row] = await this.query("SELECT id FROM meterstorm_store ORDER BY id LIMIT 1", []);
    return `duckdb:${String(row?.[0])}`;
  }

  /**
   * Writes rows in one transaction, the last of an identity standing. What is `ok` is on the disk:
   * a commit syncs DuckDB's log. Otherwise nothing of it was taken.
   */
  merge(batch: readonly StagedRows[]): Promise<MergeOutcome> {
    return this.#merge(batch, "COMMIT");
  }

  /** What `merge` would answer to these rows; nothing is written. */
  wouldTake(rows: StagedRows): Promise<MergeOutcome> {
    return this.#merge([rows], "ROLLBACK");
  }

  async #merge(batch: readonly StagedRows[], end: "COMMIT" | "ROLLBACK"): Promise<MergeOutcome> {
    try {
      await this.#writer.run("BEGIN");
      for (const staged of batch) await this.#mergeTable(staged);
      await this.#writer.run(end);
      return { ok: true };
    } catch (error) {
      await this.#writer.run("ROLLBACK").catch(() => undefined);
      return failureOf(error);
    }
  }

  async #mergeTable(staged: StagedRows): Promise<void> {
    if (staged.rows === 0) return;
    const table = tableNamed(staged.table);
    const staging = stagingName(table.name);
    const types = table.columns.map((column): DuckDBType => (isText(column.type) ? VARCHAR : DOUBLE));
    await this.#append(this.#writer, staging, [...types, DOUBLE], staged.columns, staged.rows);
    const names = table.columns.map((column) => sqlName(column.name)).join(", ");
    const values = table.columns.map((column) => cast(column.name, column.type)).join(", ");
    const identity = table.identity.map(sqlName).join(", ");
    // With one key twice in its source the upsert keeps whichever it likes, without an error.
    await this.#writer.run(
      `INSERT OR REPLACE INTO ${sqlName(table.name)} (${names}) SELECT ${values} FROM ${staging} ` +
        `QUALIFY row_number() OVER (PARTITION BY ${identity} ORDER BY "position" DESC) = 1`,
    );
    await this.#writer.run(`DELETE FROM ${staging}`);
  }

  /** Appends columns and, as the last one, each row's position. */
  async #append(
    connection: DuckDBConnection,
    table: string,
    types: readonly DuckDBType[],
    columns: readonly (readonly (string | number | null)[])[],
    rows: number,
  ): Promise<void> {
    const appender = await connection.createAppender(table, null, "temp");
    for (let from = 0; from < rows; from += chunkRows) {
      const count = Math.min(chunkRows, rows - from);
      const chunk = DuckDBDataChunk.create(types, count);
      columns.forEach((column, index) => {
        const vector = chunk.getColumnVector(index);
        for (let i = 0; i < count; i++) {
          const value = column[from + i] ?? null;
          vector.setItem(i, value === value ? value : null);
        }
        vector.flush();
      });
      const position = chunk.getColumnVector(columns.length);
      for (let i = 0; i < count; i++) position.setItem(i, from + i);
      position.flush();
      appender.appendDataChunk(chunk);
    }
    appender.flushSync();
    appender.closeSync();
  }

  /**
   * Reads what stands in ranges of some tables, beside the writer, and gives it to `take` in pieces of up to 2,048 rows; it stops early once `take`
   * answers false. One call at a time. Throws MeterstormError `store_query`.
   */
  async history(
    tables: readonly HistoryTable[],
    ranges: readonly NamedRange[],
    take: (piece: HistoryPiece) => boolean,
  ): Promise<void> {
    try {
      await this.#historian.run(
        'CREATE TEMP TABLE IF NOT EXISTS staged_ranges (tenant VARCHAR, meter VARCHAR, "from" DOUBLE, "to" DOUBLE, "position" DOUBLE)',
      );
      for (const group of groupedByTime(ranges)) {
        const wanted = group.map((position) => ranges[position]!);
        const columns = [wanted.map((range) => range.tenant), wanted.map((range) => range.meter)];
        const times = [wanted.map((range) => range.from), wanted.map((range) => range.to)];
        await this.#historian.run("DELETE FROM staged_ranges");
        const types = [VARCHAR, VARCHAR, DOUBLE, DOUBLE, DOUBLE];
        await this.#append(this.#historian, "staged_ranges", types, [...columns, ...times], wanted.length);
        for (const table of tables) {
          if (!(await this.#historyOf(table, group, historySql(table, wanted), take))) return;
        }
      }
    } catch (error) {
      throw new MeterstormError("store_query", `DuckDB refused a statement: ${messageOf(error)}`, { cause: error });
    }
  }

  async #historyOf(
    table: HistoryTable,
    group: readonly number[],
    sql: string,
    take: (piece: HistoryPiece) => boolean,
  ): Promise<boolean> {
    const result = await this.#historian.stream(sql);
    const width = pieceWidth(table);
    for (;;) {
      const chunk = await result.fetchChunk();
      if (chunk === null || chunk.rowCount === 0) return true;
      const rows = new Float64Array(chunk.rowCount * width);
      for (let column = 0; column < width; column++) {
        const vector = chunk.getColumnVector(column);
        for (let row = 0; row < chunk.rowCount; row++) {
          const value = vector.getItem(row);
          rows[row * width + column] = typeof value === "number" ? value : Number.NaN;
        }
      }
      for (let at = 0; at < rows.length; at += width) rows[at] = group[rows[at]!]!;
      if (!take({ table, rows })) return false;
    }
  }

  /** Runs a reading statement beside the writer; values are bound, never part of the text. */
  query(sql: string, values: DuckDBValue[]): Promise<DuckDBValue[][]> {
    return this.#read(this.#reader, sql, values);
  }

  async #read(connection: DuckDBConnection, sql: string, values: DuckDBValue[]): Promise<DuckDBValue[][]> {
    try {
      const reader = await connection.runAndReadAll(sql, values);
      return reader.getRows();
    } catch (error) {
      throw new MeterstormError("store_query", `DuckDB refused a statement: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Folds the log into the file, unless it is only read, and closes both. */
  async close(): Promise<void> {
    if (!this.#readOnly) await this.#writer.run("CHECKPOINT").catch(() => undefined);
    this.#writer.closeSync();
    this.#reader.closeSync();
    this.#historian.closeSync();
    this.#instance.closeSync();
  }
}

function isText(type: ColumnType): boolean {
  return type === "name" || type === "text";
}

function stagingName(name: TableName): string {
  return `staged_${name}`;
}

/** Its index, −1 where it is none of ours. */
const periodNumber = `coalesce(list_position([${PERIODS.map((name) => `'${name}'`).join(", ")}], r."period"), 0) - 1`;

/** All rows of the ranges that are staged. The bounds of time that they share keep DuckDB from reading blocks that hold none. */
function historySql(table: HistoryTable, ranges: readonly NamedRange[]): string {
  const { from, to } = spanOf(ranges);
  const columns = HISTORY_COLUMNS[table].map((name) => `(${name === "period" ? periodNumber : `r.${sqlName(name)}`})::DOUBLE`);
  return (
    `SELECT s."position", epoch_ms(r.ts)::DOUBLE, ${columns.join(", ")} FROM staged_ranges s JOIN ${sqlName(table)} r ` +
    'ON r.tenant = s.tenant AND r.meter = s.meter AND epoch_ms(r.ts)::DOUBLE BETWEEN s."from" AND s."to" ' +
    `WHERE r.ts >= make_timestamp(${sqlTime(from)}) AND r.ts <= make_timestamp(${sqlTime(to)}) ORDER BY 1, 2`
  );
}

function cast(name: string, type: ColumnType): string {
  if (type === "time") return `make_timestamp((${sqlName(name)} * 1000)::BIGINT)`;
  if (type === "int" || type === "long") return `${sqlName(name)}::${typeNames[type]}`;
  return sqlName(name);
}
