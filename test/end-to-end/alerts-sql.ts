import type { ConfigFile } from "../support/engine.js";

/**
 * Rules on recorded meters, and beside each the question in SQL whose answer is the list of its transitions: worked out from the
 * stored numbers alone (`ts` and `value` of `readings`), in the words of the rule. Every answer's columns are the instant in
 * epoch milliseconds, 1 firing or 0 resolved, the amount, and where the rule has levels the severity and its threshold.
 */
export interface AskedRule {
  readonly rule: ConfigFile;
  readonly meter: string;
  readonly sql: (dialect: Dialect) => string;
}

/** What DuckDB and QuestDB spell differently. */
export interface Dialect {
  /** Epoch milliseconds of `ts`. */
  readonly ms: string;
  /** A second before `ts` on the wall clock of a zone: what ends exactly on a boundary belongs before it. */
  wall(zone: string): string;
  /** The number of the weekday, 1 Monday. */
  weekday(wall: string): string;
}

export const DUCKDB: Dialect = {
  ms: 'epoch_ms("ts")::DOUBLE',
  wall: (zone) => `timezone('${zone}', timezone('UTC', "ts" - INTERVAL 1 SECOND))`,
  weekday: (wall) => `isodow(${wall})`,
};

export const QUESTDB: Dialect = {
  ms: 'cast(cast("ts" AS LONG) / 1000 AS DOUBLE)',
  wall: (zone) => `to_timezone(dateadd('s', -1, "ts"), '${zone}')`,
  weekday: (wall) => `day_of_week(${wall})`,
};

const HOUR = 3_600_000;
const SO_FAR = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW";

function readings(meter: string, columns: string): string {
  return `SELECT ${columns} FROM "readings" WHERE "tenant" = 'houses' AND "meter" = '${meter}'`;
}

/** Without a `maxRate` the newest reading of a register waits for the one behind it before it counts. */
const UNBOUNDED = "chicago-electricity";

/** What a register moved since the reading before, in hundredths or thousandths, as t, d, ms. */
function moved(dialect: Dialect, meter: string, scale: number, more = ""): string {
  return `
    SELECT * FROM (
      SELECT t, u - lag(u) OVER (ORDER BY t) AS d, t - lag(t) OVER (ORDER BY t) AS ms, t - max(t) OVER () AS age${more === "" ? "" : `, ${more}`}
      FROM (${readings(meter, `${dialect.ms} AS t, round("value" * ${scale}) AS u, "ts" AS "ts"`)})
    ) WHERE d IS NOT NULL AND age ${meter === UNBOUNDED ? "<" : "<="} 0`;
}

/** Amounts between the threshold and `clear` say nothing: whatever was said last goes on. From `said` (t, amount, s). */
const CHANGES = `
  counted AS (SELECT t, amount, s, sum(CASE WHEN s IS NULL THEN 0.0 ELSE 1.0 END) OVER (ORDER BY t ${SO_FAR}) AS nth FROM said),
  held AS (SELECT t, amount, max(s) OVER (PARTITION BY nth) AS h FROM counted),
  steps AS (SELECT t, amount, h, lag(h) OVER (ORDER BY t) AS was, lag(t) OVER (ORDER BY t) AS t_before, lag(amount) OVER (ORDER BY t) AS amount_before FROM held)`;
const CHANGED = "(h = 1 AND (was IS NULL OR was = 0)) OR (h = 0 AND was = 1)";

/** A reading beyond the threshold opens it, one below \`clear\` ends it. */
function threshold(dialect: Dialect): string {
  return `
    WITH said AS (
      SELECT t, amount, CASE WHEN amount > 20 THEN 1.0 WHEN amount > 17 THEN NULL ELSE 0.0 END AS s
      FROM (${readings("uk-temperature", `${dialect.ms} AS t, "value" AS amount`)})
    ), ${CHANGES}
    SELECT t, h, amount FROM steps WHERE ${CHANGED} ORDER BY t, h DESC`;
}

/** Kilowatt-hours per hour. */
function rate(dialect: Dialect): string {
  return `
    WITH said AS (
      SELECT t, amount, CASE WHEN amount > 7 THEN 1.0 WHEN amount > 5 THEN NULL ELSE 0.0 END AS s
      FROM (SELECT t, (d / 100) * ${HOUR} / ms AS amount FROM (${moved(dialect, "chicago-electricity", 100)}))
    ), ${CHANGES}
    SELECT t, h, amount FROM steps WHERE ${CHANGED} ORDER BY t, h DESC`;
}

/** Each change of the level is a transition; the last one says which it had. */
function climbing(dialect: Dialect): string {
  return `
    WITH counted AS (
      SELECT t, amount, CASE WHEN amount > 11 THEN 3.0 WHEN amount > 7 THEN 2.0 WHEN amount > 3 THEN 1.0 ELSE 0.0 END AS n
      FROM (SELECT t, (d / 100) * ${HOUR} / ms AS amount FROM (${moved(dialect, "chicago-electricity", 100)}))
    ),
    steps AS (SELECT t, amount, n, coalesce(lag(n) OVER (ORDER BY t), 0.0) AS was FROM counted),
    changed AS (SELECT t, amount, n, CASE WHEN n = 0 THEN was ELSE n END AS shown FROM steps WHERE n <> was)
    SELECT t, CASE WHEN n = 0 THEN 0 ELSE 1 END AS h, amount,
      CASE WHEN shown = 1 THEN 'info' WHEN shown = 2 THEN 'warning' ELSE 'critical' END AS severity,
      CASE WHEN shown = 1 THEN 3 WHEN shown = 2 THEN 7 ELSE 11 END AS threshold
    FROM changed ORDER BY t`;
}

/** The sum since local midnight; the first reading of the next day ends it. */
function dayBudget(meter: string, zone: string, scale: number, most: number): (dialect: Dialect) => string {
  return (dialect) => `
    WITH sums AS (
      SELECT t, sum(d) OVER (PARTITION BY dy ORDER BY t ${SO_FAR}) / ${scale} AS amount
      FROM (${moved(dialect, meter, scale, `date_trunc('day', ${dialect.wall(zone)}) AS dy`)})
    ),
    said AS (SELECT t, amount, CASE WHEN amount > ${most} THEN 1.0 ELSE 0.0 END AS s FROM sums), ${CHANGES}
    SELECT t, h, amount FROM steps WHERE ${CHANGED} ORDER BY t, h DESC`;
}

/** Between the hours on the wall clock, of nights that begin on these weekdays; what still fires then ends as the night does. */
function nights(
  meter: string,
  zone: string,
  scale: number,
  most: number,
  night: { from: number; to: number; days: readonly number[] },
): (dialect: Dialect) => string {
  const { from, to, days } = night;
  return (dialect) => {
    const wall = dialect.wall(zone);
    const columns = `hour(${wall}) AS hr, ${dialect.weekday(wall)} AS wd`;
    return `
      WITH rates AS (
        SELECT t, (d / ${scale}) * ${HOUR} / ms AS amount,
          CASE WHEN hr >= ${from} AND wd IN (${days.join(", ")}) THEN 1
               WHEN hr < ${to} AND (wd + 5) % 7 + 1 IN (${days.join(", ")}) THEN 1 ELSE 0 END AS inside
        FROM (${moved(dialect, meter, scale, columns)})
      ),
      said AS (SELECT t, CASE WHEN inside = 1 THEN amount ELSE NULL END AS amount, CASE WHEN inside = 1 AND amount > ${most} THEN 1.0 ELSE 0.0 END AS s FROM rates), ${CHANGES}
      SELECT CASE WHEN amount IS NULL THEN t_before ELSE t END AS t, h, coalesce(amount, amount_before) AS amount FROM steps WHERE ${CHANGED} ORDER BY t, h DESC`;
  };
}

/** Below the threshold for three hours; cleared for two, so that what comes back before is the same incident. */
function frost(dialect: Dialect): string {
  return `
    WITH levels AS (${readings("uk-temperature", `${dialect.ms} AS t, "value" AS amount`)}),
    said AS (SELECT t, CASE WHEN amount < 0 THEN 1.0 ELSE 0.0 END AS s, lead(t) OVER (ORDER BY t) AS t_next FROM levels),
    marked AS (SELECT t, s, t_next, CASE WHEN s = 1 AND coalesce(lag(s) OVER (ORDER BY t), 0) = 0 THEN 1.0 ELSE 0.0 END AS begins FROM said),
    numbered AS (SELECT t, s, t_next, sum(begins) OVER (ORDER BY t ${SO_FAR}) AS n FROM marked),
    spells AS (SELECT n, min(t) AS began, max(coalesce(t_next, 1e15)) AS ended FROM numbered WHERE s = 1 GROUP BY n),
    linked AS (SELECT n, began, ended, CASE WHEN began - lag(ended) OVER (ORDER BY n) <= ${2 * HOUR} THEN 0.0 ELSE 1.0 END AS apart FROM spells),
    runs AS (SELECT began, ended, sum(apart) OVER (ORDER BY n ${SO_FAR}) AS run FROM linked),
    incidents AS (
      SELECT run, min(CASE WHEN ended - began > ${3 * HOUR} THEN began + ${3 * HOUR} ELSE NULL END) AS fired, max(ended) + ${2 * HOUR} AS done
      FROM runs GROUP BY run
    ),
    moments AS (
      SELECT fired AS moment, 1.0 AS h FROM incidents WHERE fired IS NOT NULL
      UNION ALL SELECT done AS moment, 0.0 AS h FROM incidents WHERE fired IS NOT NULL
    )
    SELECT t, h, amount FROM moments JOIN levels ON levels.t = moments.moment ORDER BY t, h DESC`;
}

/** What a register shows less than before: more than two steps less is a new count, up to two steps it stood still. The next reading ends it. */
function flagged(meter: string, condition: string): (dialect: Dialect) => string {
  return (dialect) => `
    WITH said AS (
      SELECT t, 0.0 AS amount, CASE WHEN ${condition} THEN 1.0 ELSE 0.0 END AS s FROM (${moved(dialect, meter, 100)})
    ), ${CHANGES}
    SELECT t, h, NULL AS amount FROM steps WHERE ${CHANGED} ORDER BY t, h DESC`;
}

const EVERY_DAY = [1, 2, 3, 4, 5, 6, 7];

export const ASKED: readonly AskedRule[] = [
  {
    rule: { id: "heat", meters: "uk-temp*", on: "value", op: ">", threshold: 20, clear: 17 },
    meter: "uk-temperature",
    sql: threshold,
  },
  {
    rule: { id: "frost", meters: "uk-temp*", on: "value", op: "<", threshold: 0, for: "3h", keepFiring: "2h", severity: "info" },
    meter: "uk-temperature",
    sql: frost,
  },
  {
    rule: { id: "peak", meters: "chicago-electricity", on: "rate", op: ">", threshold: 7, clear: 5, severity: "critical" },
    meter: "chicago-electricity",
    sql: rate,
  },
  {
    rule: {
      ...{ id: "climbing", meters: "chicago-electricity", on: "rate", op: ">" },
      levels: [
        { severity: "info", threshold: 3 },
        { severity: "warning", threshold: 7 },
        { severity: "critical", threshold: 11 },
      ],
    },
    meter: "chicago-electricity",
    sql: climbing,
  },
  {
    rule: { id: "uk-budget", meters: "uk-electricity", on: "day", op: ">", threshold: 5 },
    meter: "uk-electricity",
    sql: dayBudget("uk-electricity", "Europe/London", 1000, 5),
  },
  {
    rule: { id: "chicago-budget", meters: "chicago-e*", on: "day", op: ">", threshold: 45 },
    meter: "chicago-electricity",
    sql: dayBudget("chicago-electricity", "America/Chicago", 100, 45),
  },
  {
    rule: { id: "uk-night", meters: "uk-e*", on: "rate", op: ">", threshold: 0.1, schedule: { from: "22:00", to: "06:00" } },
    meter: "uk-electricity",
    sql: nights("uk-electricity", "Europe/London", 1000, 0.1, { from: 22, to: 6, days: EVERY_DAY }),
  },
  {
    rule: {
      ...{ id: "weekend-gas", meters: "chicago-gas", on: "rate", op: ">", threshold: 0.05 },
      schedule: { days: [5, 6], from: "23:00", to: "05:00" },
    },
    meter: "chicago-gas",
    sql: nights("chicago-gas", "America/Chicago", 100, 0.05, { from: 23, to: 5, days: [5, 6] }),
  },
  {
    rule: { id: "reset", meters: "faulty-*", on: "flag", flag: "RESET", severity: "critical" },
    meter: "faulty-gas",
    sql: flagged("faulty-gas", "d < -2"),
  },
  {
    rule: { id: "behind", meters: "faulty-*", on: "flag", flag: "BACKWARD", severity: "info" },
    meter: "faulty-gas",
    sql: flagged("faulty-gas", "d < 0 AND d >= -2"),
  },
];
