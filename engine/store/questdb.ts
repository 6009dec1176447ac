import { randomUUID } from "node:crypto";
import type { PeriodName, Severity } from "../base/entries.js";
import { MeterstormError } from "../base/errors.js";
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
import { type QuestDbAddress, QuestDbConnection, type QuestDbTimeouts, type SqlValue } from "./questdb-http.js";
import { ensureTables, faultOf, identityOf, tableStates } from "./questdb-tables.js";
import { type TableName, tableNamed } from "./schema.js";
import { sqlCount, sqlName, sqlText, sqlTime } from "./sql.js";

/** `first` and `last` are by the table's designated timestamp, however the rows are read. */
const dialect: IncidentDialect = {
  micros: (expression) => `cast(${expression} AS LONG)`,
  first: (column) => `first(${column})`,
  last: (column) => `last(${column})`,
  text: (name) => name,
  number: (expression) => expression,
};

/** QuestDB as the engine reads it: SQL over HTTP. Rows that were just written are seen once the server has applied them. */
export class QuestDbStore implements Store {
  readonly #connection: QuestDbConnection;
  readonly #random: () => string;

  constructor(address: QuestDbAddress, timeouts?: QuestDbTimeouts, random: () => string = randomUUID) {
    this.#connection = new QuestDbConnection(address, timeouts);
    this.#random = random;
  }

  prepare(): Promise<void> {
    return ensureTables(this.#connection);
  }

  identity(): Promise<string> {
    return identityOf(this.#connection, this.#random);
  }

  async check(): Promise<void> {
    const fault = faultOf(await tableStates(this.#connection));
    if (fault !== null) throw new MeterstormError("store_unhealthy", fault);
  }

  async readings(tenant: string, meter: string, range: Range, limit: number): Promise<ReadingRow[]> {
    const where = [`"meter" = ${sqlText(meter)}`];
    const rows = await this.#select("readings", ["value", "rev", "delta", "flags"], tenant, where, range, limit);
    return rows.map(([ts, value, rev, delta, flags]) => ({
      ...{ ts: ms(ts), value: Number(value), rev: Number(rev), delta: maybe(delta), flags: Number(flags) },
    }));
  }

  async consumption(tenant: string, meter: string, period: PeriodName, range: Range, limit: number): Promise<ConsumptionRow[]> {
    const where = [`"meter" = ${sqlText(meter)}`, `"period" = ${sqlText(period)}`];
    const columns = ["value", "min", "max", "coverage", "readings", "flags"];
    const rows = await this.#select("consumption", columns, tenant, where, range, limit);
    return rows.map(([ts, value, min, max, coverage, readings, flags]) => ({
      ...{ ts: ms(ts), period, value: maybe(value), min: maybe(min), max: maybe(max) },
      ...{ coverage: Number(coverage), readings: Number(readings), flags: Number(flags) },
    }));
  }

  async alerts(tenant: string, filter: AlertFilter): Promise<AlertRow[]> {
    const where: string[] = [];
    if (filter.state !== undefined) where.push(`"state" = ${sqlText(filter.state)}`);
    if (filter.meter !== undefined) where.push(`"meter" = ${sqlText(filter.meter)}`);
    if (filter.rule !== undefined) where.push(`"rule" = ${sqlText(filter.rule)}`);
    const columns = ["meter", "rule", "incident", "state", "severity", "value", "threshold"];
    const rows = await this.#select("alerts", columns, tenant, where, filter, filter.limit);
    return rows.map(([ts, meter, rule, incident, state, severity, value, threshold]) => ({
      ...{ ts: ms(ts), meter: String(meter), rule: String(rule), incident: String(incident) },
      ...{ state: state as "firing" | "resolved", severity: severity as Severity },
      ...{ value: maybe(value), threshold: maybe(threshold) },
    }));
  }

  async incidents(tenant: string, filter: IncidentFilter): Promise<IncidentRow[]> {
    const rows = await this.#connection.query(incidentsSql(dialect, tenant, filter));
    return rows.map((row) => incidentRow(row, String, maybe)).reverse();
  }

  async rejected(tenant: string, range: Range, limit: number): Promise<RejectedRow[]> {
    const columns = ["datalogger", "seq", "index", "meter", "code", "raw"];
    const rows = await this.#select("rejected", columns, tenant, [], range, limit);
    return rows.map(([ts, datalogger, seq, index, meter, code, raw]) => ({
      ...{ ts: ms(ts), datalogger: String(datalogger), seq: Number(seq), index: Number(index) },
      ...{ meter: String(meter ?? ""), code: String(code), raw: String(raw ?? "") },
    }));
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  #select(
    table: TableName,
    columns: readonly string[],
    tenant: string,
    where: readonly string[],
    range: Range,
    limit: number,
  ): Promise<SqlValue[][]> {
    const list = columns.map(sqlName).join(", ");
    const rest = tableNamed(table).identity.filter((column) => column !== "ts" && column !== "tenant");
    const conditions = [
      `"tenant" = ${sqlText(tenant)}`,
      ...where,
      `"ts" >= ${sqlTime(range.from)}`,
      `"ts" < ${sqlTime(range.to)}`,
    ];
    return this.#connection.query(
      `SELECT cast("ts" AS LONG), ${list} FROM ${sqlName(table)} WHERE ${conditions.join(" AND ")} ` +
        `ORDER BY ${["ts", ...rest].map(sqlName).join(", ")} LIMIT ${sqlCount(limit)}`,
    );
  }
}

/** Microseconds of the store to epoch milliseconds. */
function ms(micros: SqlValue | undefined): number {
  return Number(micros) / 1000;
}

function maybe(value: SqlValue | undefined): number | null {
  return typeof value === "number" ? value : null;
}
