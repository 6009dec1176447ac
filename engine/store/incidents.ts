import { SEVERITIES, type Severity } from "../base/entries.js";
import type { IncidentFilter, IncidentRow } from "./interface.js";
import { sqlCount, sqlText, sqlTime } from "./sql.js";

/** In what the two stores differ when they are asked for incidents. */
export interface IncidentDialect {
  /** An instant as whole microseconds since the epoch. */
  micros(expression: string): string;
  /** A column's value in the group's first or last row by `ts`, also where that is NULL. */
  first(column: string): string;
  last(column: string): string;
  /** A text as it is selected. */
  text(name: string): string;
  number(expression: string): string;
}

type Cell = string | number | boolean | null;

/**
 * One statement for the incidents of a client, the newest opening first: incident, meter, rule, opening, end, value, threshold, severity, worst.
 * The store folds the transitions, so that however many an incident or the client has, no more rows leave it than `limit` says.
 * One without a row that opened it (somebody deleted that) is left out. Of two transitions at one instant the resolved one is the later.
 */
export function incidentsSql(dialect: IncidentDialect, tenant: string, filter: IncidentFilter): string {
  const { micros, first, last, text, number } = dialect;
  const own = [`"tenant" = ${sqlText(tenant)}`];
  if (filter.meter !== undefined) own.push(`"meter" = ${sqlText(filter.meter)}`);
  if (filter.rule !== undefined) own.push(`"rule" = ${sqlText(filter.rule)}`);
  const rows = (state: string) => `FROM "alerts" WHERE ${own.join(" AND ")} AND "state" = '${state}' GROUP BY "incident"`;
  const rank = `CASE ${SEVERITIES.map((name, i) => `WHEN "severity" = '${name}' THEN ${i}`).join(" ")} ELSE 0 END`;
  const fired =
    `SELECT "incident", ${first('"meter"')} AS m, ${first('"rule"')} AS r, ${micros('min("ts")')} AS opened, ` +
    `${micros('max("ts")')} AS newest, ${first('"value"')} AS v, ${first('"threshold"')} AS t, ${last('"severity"')} AS s, ` +
    `max(${rank}) AS w ${rows("firing")}`;
  const resolved = `SELECT "incident", ${micros('max("ts")')} AS ended, ${last('"severity"')} AS s, max(${rank}) AS w ${rows("resolved")}`;
  const isOver = "b.ended >= a.newest";
  const folded =
    `SELECT a."incident" AS i, a.m AS m, a.r AS r, a.opened AS opened, CASE WHEN ${isOver} THEN b.ended ELSE NULL END AS ended, ` +
    `a.v AS v, a.t AS t, CASE WHEN ${isOver} THEN b.s ELSE a.s END AS s, CASE WHEN b.w > a.w THEN b.w ELSE a.w END AS w ` +
    `FROM (${fired}) a LEFT JOIN (${resolved}) b ON a."incident" = b."incident"`;
  const list = [...["i", "m", "r"].map(text), ...["opened", "ended", "v", "t"].map(number), text("s"), number("w")];
  return (
    `SELECT ${list.join(", ")} FROM (${folded}) c WHERE ${conditions(filter).join(" AND ")} ` +
    `ORDER BY opened DESC, i DESC LIMIT ${sqlCount(filter.limit)}`
  );
}

/** It is open from its opening until before its end; one that ended as it opened counts for that instant. */
function conditions({ from, to, state, before }: IncidentFilter): string[] {
  const [begin, end] = [sqlTime(from), sqlTime(to)];
  const found = [`opened < ${end}`, `(ended IS NULL OR ended > ${begin} OR opened >= ${begin})`];
  // No instant lies in an empty range, and nothing was open then.
  if (!(from < to)) found.push("1 = 0");
  if (state !== undefined) found.push(`ended IS ${state === "firing" ? "" : "NOT "}NULL`);
  if (before !== undefined) {
    const opened = sqlTime(before.ts);
    found.push(`(opened < ${opened} OR (opened = ${opened} AND i < ${sqlText(before.incident)}))`);
  }
  return found;
}

/** A row of the statement's answer; `text` and `number` read a cell as the dialect selected it. */
export function incidentRow(
  row: readonly (Cell | undefined)[],
  text: (cell: Cell | undefined) => string,
  number: (cell: Cell | undefined) => number | null,
): IncidentRow {
  const resolved = number(row[4]);
  return {
    ...{ incident: text(row[0]), meter: text(row[1]), rule: text(row[2]) },
    state: resolved === null ? "firing" : "resolved",
    ...{ severity: text(row[7]) as Severity, worst: SEVERITIES[number(row[8]) ?? 0]! },
    ...{ ts: Number(row[3]) / 1000, resolved: resolved === null ? null : resolved / 1000 },
    ...{ value: number(row[5]), threshold: number(row[6]) },
  };
}
