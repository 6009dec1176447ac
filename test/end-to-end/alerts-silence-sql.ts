import type { Dialect } from "./alerts-sql.js";

/** The engine was gone from one instant to another. */
export interface Absence {
  readonly from: number;
  readonly to: number;
}

/** A client's meter, asked after in the words of a store. */
export interface Asked {
  readonly dialect: Dialect;
  readonly tenant: string;
  readonly meter: string;
}

function where({ tenant, meter }: Asked): string {
  return `WHERE "tenant" = '${tenant}' AND "meter" = '${meter}'`;
}

/**
 * From the stored readings of a meter alone: a silence of more than `mostMs` fires that long after it began, and ends with the next
 * reading. It begins with the last reading, or with a start of the engine within it; while the engine is gone nothing fires.
 * What answers a silence is looked for from the end backwards, since QuestDB has no window that begins behind a row.
 */
export function silences(asked: Asked, mostMs: number, absences: readonly Absence[]): string {
  const moment = (ts: number, kind: string) => ` UNION ALL SELECT cast(${ts} AS DOUBLE) AS t, ${kind} AS kind`;
  const others = absences.map(({ from, to }) => moment(from, "0.0") + moment(to, "1.0"));
  return `
    WITH moments AS (SELECT ${asked.dialect.ms} AS t, 2.0 AS kind FROM "readings" ${where(asked)}${others.join("")}),
    silences AS (
      SELECT t, kind, lead(t) OVER (ORDER BY t, kind) AS next,
        min(CASE WHEN kind = 2 THEN t ELSE NULL END)
          OVER (ORDER BY t DESC, kind DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS answered
      FROM moments
    ),
    fired AS (SELECT answered, min(t + ${mostMs}) AS t FROM silences WHERE kind > 0 AND next - t > ${mostMs} GROUP BY answered)
    SELECT t, 'firing' AS state FROM fired UNION ALL SELECT answered AS t, 'resolved' AS state FROM fired WHERE answered IS NOT NULL ORDER BY 1`;
}

/** Every change of the level, below 9, 6 and 3, as the numbers of levels that a reading lies below. */
export function coldLevels(asked: Asked): string {
  return `
    WITH counted AS (
      SELECT ${asked.dialect.ms} AS t, "value" AS amount,
        CASE WHEN "value" < 3 THEN 3.0 WHEN "value" < 6 THEN 2.0 WHEN "value" < 9 THEN 1.0 ELSE 0.0 END AS n
      FROM "readings" ${where(asked)}
    ),
    steps AS (SELECT t, amount, n, coalesce(lag(n) OVER (ORDER BY t), 0.0) AS was FROM counted),
    changed AS (SELECT t, amount, n, CASE WHEN n = 0 THEN was ELSE n END AS shown FROM steps WHERE n <> was)
    SELECT t, CASE WHEN n = 0 THEN 'resolved' ELSE 'firing' END AS state,
      CASE WHEN shown = 1 THEN 'info' WHEN shown = 2 THEN 'warning' ELSE 'critical' END AS severity,
      amount, CASE WHEN shown = 1 THEN 9 WHEN shown = 2 THEN 6 ELSE 3 END AS threshold
    FROM changed ORDER BY t`;
}

/** The rows that the engine wrote of a rule. */
export function alerts(asked: Asked, rule: string): string {
  const columns = `${asked.dialect.ms}, "state", "severity", "value", "threshold"`;
  return `SELECT ${columns} FROM "alerts" ${where(asked)} AND "rule" = '${rule}' ORDER BY "ts"`;
}
