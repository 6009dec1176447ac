import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { DuckDbFile } from "../../engine/store/duckdb.js";
import { type ConfigFile, createTenant, type RunningEngine, startEngineProcess, type TestTenant } from "../support/engine.js";
import { Random } from "../support/random.js";
import { freePorts, temporaryDirectory, until } from "../support/servers.js";
import { ToldClock } from "../support/told-clock.js";
import { ask } from "./api.js";
import { recordedEnergy, recordedLevel } from "./recorded.js";

const main = fileURLToPath(new URL("../../engine/main.js", import.meta.url));
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MINUTE_MS = 60_000;

/** Some weeks around a change of the clock, and what is cut out of them: a week for both meters, some hours for one. */
const FROM = Date.UTC(2020, 9, 14);
const TO = Date.UTC(2020, 10, 8);
const WEEK = { from: Date.UTC(2020, 9, 21, 7), to: Date.UTC(2020, 9, 28, 7) };
const HOURS = { from: Date.UTC(2020, 10, 2, 11), to: Date.UTC(2020, 10, 2, 16) };
const [TEMPERATURE, ELECTRICITY] = ["uk-temperature", "uk-electricity"];

const RULES = [
  { id: "silent-day", meters: "uk-*", on: "nodata", for: "1d", severity: "critical" },
  { id: "twice-due", meters: TEMPERATURE, on: "nodata", severity: "info" },
  {
    ...{ id: "cold", meters: TEMPERATURE, on: "value", op: "<" },
    levels: [
      { severity: "info", threshold: 9 },
      { severity: "warning", threshold: 6 },
      { severity: "critical", threshold: 3 },
    ],
  },
];

/** The engine was gone from one instant to another. */
interface Absence {
  readonly from: number;
  readonly to: number;
}

/**
 * From the stored readings of a meter alone: a silence of more than `mostMs` fires that long after it began, and ends with the next
 * reading. It begins with the last reading, or with a start of the engine within it; while the engine is gone nothing fires.
 */
function silences(meter: string, mostMs: number, absences: readonly Absence[]): string {
  const others = absences.map(
    ({ from, to }) => ` UNION ALL SELECT ${from}::DOUBLE AS t, 0 AS kind UNION ALL SELECT ${to}::DOUBLE AS t, 1 AS kind`,
  );
  return `
    WITH moments AS (SELECT epoch_ms(ts)::DOUBLE AS t, 2 AS kind FROM readings WHERE meter = '${meter}'${others.join("")}),
    silences AS (
      SELECT t, kind, lead(t) OVER (ORDER BY t, kind) AS next,
        min(CASE WHEN kind = 2 THEN t END) OVER (ORDER BY t, kind ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS answered
      FROM moments
    ),
    fired AS (SELECT answered, min(t + ${mostMs}) AS t FROM silences WHERE kind > 0 AND next - t > ${mostMs} GROUP BY answered)
    SELECT t, 'firing' AS state FROM fired UNION ALL SELECT answered AS t, 'resolved' AS state FROM fired WHERE answered IS NOT NULL ORDER BY 1`;
}

/** Every change of the level, as the numbers of levels that a reading lies below. */
const LEVELS = `
  WITH counted AS (
    SELECT epoch_ms(ts)::DOUBLE AS t, value, (value < 9)::INT + (value < 6)::INT + (value < 3)::INT AS level
    FROM readings WHERE meter = '${TEMPERATURE}'
  ),
  steps AS (SELECT t, value, level, coalesce(lag(level) OVER (ORDER BY t), 0) AS was FROM counted)
  SELECT t, CASE WHEN level = 0 THEN 'resolved' ELSE 'firing' END,
    CASE greatest(CASE WHEN level = 0 THEN was ELSE level END, 1) WHEN 1 THEN 'info' WHEN 2 THEN 'warning' ELSE 'critical' END,
    value, CASE CASE WHEN level = 0 THEN was ELSE level END WHEN 1 THEN 9 WHEN 2 THEN 6 ELSE 3 END
  FROM steps WHERE level <> was ORDER BY t`;

interface Reading {
  meter: string;
  ts: number;
  value: number;
}

function readings(): Reading[] {
  const cut = ({ meter, ts }: Reading) =>
    (ts > WEEK.from && ts < WEEK.to) || (meter === TEMPERATURE && ts > HOURS.from && ts < HOURS.to);
  return [
    recordedLevel("uk-temperature-hourly.csv", "Europe/London", 2),
    recordedEnergy("uk-electricity-hourly.csv", "Europe/London", 3),
  ]
    .flatMap((series) => series.readings)
    .filter((reading) => reading.ts >= FROM && reading.ts < TO && !cut(reading))
    .sort((a, b) => a.ts - b.ts);
}

/** An engine that goes by a told clock, and whoever sends to it what was recorded, each reading at its own instant. */
class Told {
  engine!: RunningEngine;
  readonly clock: ToldClock;
  readonly tenant: TestTenant;
  #config: ConfigFile;
  readonly absences: Absence[] = [];

  private constructor(port: number) {
    const meters = [
      { match: TEMPERATURE, kind: "gauge", decimals: 2, timezone: "Europe/London", expect: "1h" },
      { match: "*", kind: "counter", maxRate: 40 },
    ];
    this.tenant = createTenant("houses", { meters, rules: RULES });
    this.#config = { shards: 1, listen: { host: "127.0.0.1", port }, tenants: [this.tenant.config] };
    this.clock = new ToldClock(join(temporaryDirectory("clock"), "clock"), FROM);
  }

  static async start(): Promise<Told> {
    const [port] = await freePorts(1);
    const told = new Told(port!);
    await told.#start();
    return told;
  }

  async #start(): Promise<void> {
    this.engine = await startEngineProcess({ config: this.#config, env: this.clock.env });
    this.#config = { ...this.#config, dataDir: this.engine.dataDir };
    await this.engine.ready();
  }

  /** Dies, and is there again at an instant; at once unless it is given. */
  async crash(to = this.clock.now): Promise<void> {
    await this.engine.kill9();
    this.absences.push({ from: this.clock.now, to });
    this.clock.tell(to);
    await this.#start();
  }

  async send(some: readonly Reading[]): Promise<void> {
    const answer = await ask(this.engine.url, "/v1/readings?datalogger=house", this.tenant.tokens.ingest, {
      method: "POST",
      body: JSON.stringify(some),
    });
    assert.deepEqual([answer.status, answer.body], [200, { accepted: some.length, rejected: [] }]);
  }

  /** Time goes by, and the engine has looked at its clock since: an alert of the rule fires. */
  async untilFiring(rule: string, meter: string, now: number): Promise<void> {
    this.clock.tell(now);
    const path = `/v1/alerts?rule=${rule}&meter=${meter}&state=firing`;
    await until(`${rule} fires for ${meter}`, 20_000, async () => {
      const { body } = await ask(this.engine.url, path, this.tenant.tokens.read);
      return (body as unknown[]).length > 0;
    });
  }

  rulesTest(): { transitions: { rule: string; meter: string; ts: number; state: string; incident: string }[] } {
    const file = join(temporaryDirectory("rules"), "meterstorm.json");
    writeFileSync(file, JSON.stringify(this.#config));
    const range = ["--from", String(FROM), "--to", String(TO)];
    const command = ["--enable-source-maps", main, "rules", "test", "--config", file, "--json", ...range];
    const run = spawnSync(process.execPath, command, { encoding: "utf8", timeout: 60_000 });
    assert.equal(run.status, 0, run.stderr);
    const [report] = JSON.parse(run.stdout) as [
      { incidents: { rule: string; meter: string; incident: string; transitions: { ts: string; state: string }[] }[] },
    ];
    const transitions = report.incidents.flatMap(({ rule, meter, incident, transitions: each }) =>
      each.map(({ ts, state }) => ({ rule, meter, ts: Date.parse(ts), state, incident })),
    );
    return { transitions };
  }
}

type Cell = string | number | null;

async function storedIn(dataDir: string): Promise<{ query(sql: string): Promise<Cell[][]>; close(): Promise<void> }> {
  const file = await DuckDbFile.open(join(dataDir, "meterstorm.duckdb"));
  return { query: (sql) => file.query(sql, []) as unknown as Promise<Cell[][]>, close: () => file.close() };
}

function alerts(rule: string, meter: string): string {
  return `SELECT epoch_ms(ts)::DOUBLE, state, severity, value, threshold FROM alerts WHERE rule = '${rule}' AND meter = '${meter}' ORDER BY ts`;
}

/** Sends everything, hour by hour; `amid` is called before each hour, and in the silence. */
async function live(told: Told, amid: { hour(ts: number): Promise<void>; silence(): Promise<void> }): Promise<void> {
  const hours = new Map<number, Reading[]>();
  for (const reading of readings()) hours.set(reading.ts, [...(hours.get(reading.ts) ?? []), reading]);
  for (const [ts, some] of hours) {
    if (ts === WEEK.to) await amid.silence();
    // Hours in which one meter is silent only go by; the clock then says whether it is missed.
    if (ts === HOURS.to) await told.untilFiring("twice-due", TEMPERATURE, ts - MINUTE_MS);
    told.clock.tell(ts);
    await told.send(some);
    await amid.hour(ts);
  }
}

async function endsAs(t: TestContext, told: Told, absences: readonly Absence[]): Promise<void> {
  assert.equal(await told.engine.stop(), 0);
  const stored = await storedIn(told.engine.dataDir);
  try {
    for (const [rule, meter, mostMs] of [
      ["silent-day", TEMPERATURE, DAY_MS],
      ["silent-day", ELECTRICITY, DAY_MS],
      ["twice-due", TEMPERATURE, 2 * HOUR_MS],
    ] as const) {
      const expected = await stored.query(silences(meter, mostMs, absences));
      const severity = RULES.find(({ id }) => id === rule)!.severity!;
      assert.ok(expected.length >= 2, `${rule} has something to find`);
      t.diagnostic(
        `${rule} of ${meter}: ${expected.map(([ts, state]) => `${new Date(Number(ts)).toISOString()} ${state}`).join(", ")}`,
      );
      assert.deepEqual(
        await stored.query(alerts(rule, meter)),
        expected.map(([ts, state]) => [ts, state, severity, null, null]),
        `${rule} of ${meter}`,
      );
    }
    const levels = await stored.query(LEVELS);
    assert.ok(levels.length > 40);
    assert.deepEqual(await stored.query(alerts("cold", TEMPERATURE)), levels);
  } finally {
    await stored.close();
  }
}

test("a week cut out of what was recorded is missed exactly once, live and from history, through kill -9 between readings", async (t) => {
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  t.diagnostic(`SEED=${seed}`);
  const random = new Random(seed);
  const told = await Told.start();
  t.after(() => told.engine.kill9());
  // Any hours but those in which one meter is silent and the other is not: its clock would begin again with the engine.
  const hours = Array.from({ length: (TO - FROM) / HOUR_MS }, (_, i) => FROM + i * HOUR_MS).filter(
    (ts) => ts <= HOURS.from || ts >= HOURS.to,
  );
  const deaths = new Set([random.pick(hours), random.pick(hours), WEEK.from]);
  await live(told, {
    hour: async (ts) => {
      if (deaths.has(ts)) await told.crash();
    },
    silence: async () => {
      await told.untilFiring("twice-due", TEMPERATURE, WEEK.from + 3 * HOUR_MS);
      // History is no sign of life.
      told.clock.tell(WEEK.from + DAY_MS / 2);
      await told.send(
        readings()
          .slice(0, 2)
          .map((reading) => ({ ...reading, ts: FROM + MINUTE_MS })),
      );
      await told.untilFiring("silent-day", TEMPERATURE, WEEK.from + DAY_MS + MINUTE_MS);
      await told.untilFiring("silent-day", ELECTRICITY, WEEK.from + 2 * DAY_MS);
      // What fires goes on, however often the engine starts.
      told.clock.tell(WEEK.from + (2 + random.int(4)) * DAY_MS);
      await told.crash();
    },
  });
  await endsAs(t, told, []);
  const stored = await storedIn(told.engine.dataDir);
  const rows = await stored.query(
    "SELECT rule, meter, epoch_ms(ts)::DOUBLE, state, incident FROM alerts ORDER BY rule, meter, ts",
  );
  await stored.close();
  const tried = told.rulesTest().transitions.map(({ rule, meter, ts, state, incident }) => [rule, meter, ts, state, incident]);
  const inOrder = (a: Cell[], b: Cell[]) =>
    `${a[0]} ${a[1]}` < `${b[0]} ${b[1]}` ? -1 : `${a[0]} ${a[1]}` > `${b[0]} ${b[1]}` ? 1 : Number(a[2]) - Number(b[2]);
  assert.deepEqual(tried.sort(inOrder), rows);
});

test("the engine's own absence is no silence of a meter: its clock begins again with the engine", async (t) => {
  const told = await Told.start();
  t.after(() => told.engine.kill9());
  await live(told, {
    hour: () => Promise.resolve(),
    silence: async () => {
      // Away for three days, and back: nobody is missed for what nobody could have heard.
      told.clock.tell(WEEK.from + HOUR_MS);
      await told.crash(WEEK.from + 3 * DAY_MS);
      await told.untilFiring("twice-due", TEMPERATURE, WEEK.from + 3 * DAY_MS + 3 * HOUR_MS);
      await told.untilFiring("silent-day", ELECTRICITY, WEEK.from + 5 * DAY_MS);
      await told.untilFiring("silent-day", TEMPERATURE, WEEK.from + 5 * DAY_MS);
    },
  });
  await endsAs(t, told, told.absences);
});
