import type { PeriodName, Severity } from "../base/entries.js";
import { MeterstormError } from "../base/errors.js";
import type { DuckDbFile } from "./duckdb.js";
import { type IncidentDialect, incidentRow, incidentsSql } from "./incidents.js";
import type {
  AlertFilter,
  AlertRow,
  ConsumptionRow,
  IncidentFilter,
  IncidentRow,
  Range,
  ReadingRow,
  RejectedRow,
  Store,
} from "./interface.js";
import { type TableName, tableNamed } from "./schema.js";
import { sqlCount, sqlName, sqlTime } from "./sql.js";

type Value = string | number | null;
type Cell = Value | boolean;

const dialect: IncidentDialect = {
  micros: (expression) => `epoch_us(${expression})`,
  first: (column) => `first(${column} ORDER BY "ts")`,
  last: (column) => `last(${column} ORDER BY "ts")`,
  text: (name) => `'.' || ${name}`,
  number: (expression) => `${expression}::DOUBLE`,
};

/** An open DuckDB file as the engine reads it. Closing it closes the file. */
export class DuckDbStore implements Store {
  readonly #file: DuckDbFile;
  readonly #random: () => string;

  constructor(file: DuckDbFile, random: () => string) {
    this.#file = file;
    this.#random = random;
  }

  prepare(): Promise<void> {
    return this.#file.ensureTables();
  }

  identity(): Promise<string> {
    return this.#file.identity(this.#random);
  }

  async check(): Promise<void> {
    const rows = await this.#file.query("SELECT count(*)::DOUBLE FROM readings WHERE false", []);
    if (rows.length !== 1) throw new MeterstormError("store_unhealthy", `${this.#file.path} does not answer as it should`);
  }

  async readings(tenant: string, meter: string, range: Range, limit: number): Promise<ReadingRow[]> {
    const rows = await this.#select("readings", ["value", "rev", "delta", "flags"], { tenant, meter }, range, limit);
    return rows.map(([ts, value, rev, delta, flags]) => ({
      ...{ ts: Number(ts), value: Number(value), rev: Number(rev), delta: maybe(delta), flags: Number(flags) },
    }));
  }

  async consumption(tenant: string, meter: string, period: PeriodName, range: Range, limit: number): Promise<ConsumptionRow[]> {
    const columns = ["value", "min", "max", "coverage", "readings", "flags"];
    const rows = await this.#select("consumption", columns, { tenant, meter, period }, range, limit);
    return rows.map(([ts, value, min, max, coverage, readings, flags]) => ({
      ...{ ts: Number(ts), period, value: maybe(value), min: maybe(min), max: maybe(max) },
      ...{ coverage: Number(coverage), readings: Number(readings), flags: Number(flags) },
    }));
  }

  async alerts(tenant: string, filter: AlertFilter): Promise<AlertRow[]> {
    const { state, meter, rule } = filter;
    const columns = ["meter", "rule", "incident", "state", "severity", "value", "threshold"];
    const rows = await this.#select("alerts", columns, { tenant, state, meter, rule }, filter, filter.limit);
    return rows.map((row) => ({
      ...{ ts: Number(row[0]), meter: text(row[1]), rule: text(row[2]), incident: text(row[3]) },
      ...{ state: text(row[4]) as "firing" | "resolved", severity: text(row[5]) as Severity },
      ...{ value: maybe(row[6]), threshold: maybe(row[7]) },
    }));
  }

  async incidents(tenant: string, filter: IncidentFilter): Promise<IncidentRow[]> {
    const rows = (await this.#file.query(incidentsSql(dialect, tenant, filter), [])) as Value[][];
    return rows.map((row) => incidentRow(row, text, maybe)).reverse();
  }

  async rejected(tenant: string, range: Range, limit: number): Promise<RejectedRow[]> {
    const columns = ["datalogger", "seq", "index", "meter", "code", "raw"];
    const rows = await this.#select("rejected", columns, { tenant }, range, limit);
    return rows.map(([ts, datalogger, seq, index, meter, code, raw]) => ({
      ...{ ts: Number(ts), datalogger: text(datalogger), seq: Number(seq), index: Number(index) },
      ...{ meter: text(meter), code: text(code), raw: text(raw) },
    }));
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #select(
    table: TableName,
    columns: readonly string[],
    equal: Readonly<Record<string, string | undefined>>,
    range: Range,
    limit: number,
  ): Promise<Value[][]> {
    const described = tableNamed(table);
    const list = columns.map((name) => {
      const type = described.columns.find((column) => column.name === name)?.type;
      if (type === "int" || type === "long") return `${sqlName(name)}::DOUBLE`;
      return type === "double" ? sqlName(name) : `'.' || ${sqlName(name)}`;
    });
    const conditions = [`"ts" >= make_timestamp(${sqlTime(range.from)})`, `"ts" < make_timestamp(${sqlTime(range.to)})`];
    const values: string[] = [];
    for (const [name, value] of Object.entries(equal)) {
      if (value !== undefined) conditions.push(`${sqlName(name)} = $${values.push(value)}`);
    }
    const order = ["ts", ...described.identity.filter((column) => column !== "ts" && column !== "tenant")].map(sqlName);
    return (await this.#file.query(
      `SELECT epoch_ms("ts")::DOUBLE, ${list.join(", ")} FROM ${sqlName(table)} WHERE ${conditions.join(" AND ")} ` +
        `ORDER BY ${order.join(", ")} LIMIT ${sqlCount(limit)}`,
      values,
    )) as Value[][];
  }
}

function maybe(value: Cell | undefined): number | null {
  return typeof value === "number" ? value : null;
}

/** Texts are read with a character before them, since the client takes a byte order mark off a text's beginning. */
function text(value: Cell | undefined): string {
  return typeof value === "string" ? value.slice(1) : "";
}
