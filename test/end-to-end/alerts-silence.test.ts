import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type ConfigFile, createTenant, type RunningEngine, startEngineProcess, type TestTenant } from "../support/engine.js";
import { Random } from "../support/random.js";
import { temporaryDirectory, until } from "../support/servers.js";
import { ToldClock } from "../support/told-clock.js";
import { type Absence, type Asked, alerts, coldLevels, silences } from "./alerts-silence-sql.js";
import { ask } from "./api.js";
import { recordedEnergy, recordedLevel } from "./recorded.js";
import { type Cell, openSqlStore, SQL_STORES, type SqlStore } from "./sql-store.js";

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
  readonly store: SqlStore;
  #config: ConfigFile;
  readonly absences: Absence[] = [];

  private constructor(store: SqlStore, client: string) {
    const meters = [
      { match: TEMPERATURE, kind: "gauge", decimals: 2, timezone: "Europe/London", expect: "1h" },
      { match: "*", kind: "counter", maxRate: 40 },
    ];
    this.tenant = createTenant(client, { meters, rules: RULES });
    this.store = store;
    this.#config = { shards: 1, store: store.config, tenants: [this.tenant.config] };
    this.clock = new ToldClock(join(temporaryDirectory("clock"), "clock"), FROM);
  }

  static async start(store: SqlStore, client: string): Promise<Told> {
    const told = new Told(store, client);
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

  /** Time goes by, and the engine has looked at its clock since: an alert of the rule fires that began in the silence, not before it. */
  async untilFiring(rule: string, meter: string, silence: { from: number }, now: number): Promise<void> {
    this.clock.tell(now);
    const path = `/v1/alerts?rule=${rule}&meter=${meter}&state=firing`;
    await until(`${rule} fires for ${meter}`, 20_000, async () => {
      const { body } = await ask(this.engine.url, path, this.tenant.tokens.read);
      return (body as { ts: string }[]).some(({ ts }) => Date.parse(ts) > silence.from);
    });
  }

  /** A meter of it, to ask the store after. */
  asked(meter: string): Asked {
    return { dialect: this.store.dialect, tenant: String(this.tenant.config["id"]), meter };
  }

  /** The store shows the newest reading and lacks none: what waited for it since a crash would outlive a stop. */
  async stored(): Promise<void> {
    const newest = readings().findLast(({ meter }) => meter === TEMPERATURE)!.ts;
    await until("the store has everything", 60_000, async () => {
      const path = `/v1/meters/${TEMPERATURE}/readings?from=${newest}`;
      const { body } = await ask(this.engine.url, path, this.tenant.tokens.read);
      const metrics = String((await ask(this.engine.url, "/metrics", null)).body);
      return (body as object[]).length === 1 && /^meterstorm_store_lag_readings\{shard="0"\} 0$/m.test(metrics);
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

/** Sends everything, hour by hour; `amid` is called before each hour, and in the silence. */
async function live(told: Told, amid: { hour(ts: number): Promise<void>; silence(): Promise<void> }): Promise<void> {
  const hours = new Map<number, Reading[]>();
  for (const reading of readings()) hours.set(reading.ts, [...(hours.get(reading.ts) ?? []), reading]);
  for (const [ts, some] of hours) {
    if (ts === WEEK.to) await amid.silence();
    // Hours in which one meter is silent only go by; the clock then says whether it is missed.
    if (ts === HOURS.to) await told.untilFiring("twice-due", TEMPERATURE, HOURS, ts - MINUTE_MS);
    told.clock.tell(ts);
    await told.send(some);
    await amid.hour(ts);
  }
}

async function endsAs(t: TestContext, told: Told, absences: readonly Absence[]): Promise<void> {
  await told.stored();
  assert.equal(await told.engine.stop(), 0);
  await told.store.asked(told.engine.dataDir, async (query) => {
    for (const [rule, meter, mostMs] of [
      ["silent-day", TEMPERATURE, DAY_MS],
      ["silent-day", ELECTRICITY, DAY_MS],
      ["twice-due", TEMPERATURE, 2 * HOUR_MS],
    ] as const) {
      const expected = await query(silences(told.asked(meter), mostMs, absences));
      const severity = RULES.find(({ id }) => id === rule)!.severity!;
      assert.ok(expected.length >= 2, `${rule} has something to find`);
      t.diagnostic(
        `${rule} of ${meter}: ${expected.map(([ts, state]) => `${new Date(Number(ts)).toISOString()} ${state}`).join(", ")}`,
      );
      assert.deepEqual(
        await query(alerts(told.asked(meter), rule)),
        expected.map(([ts, state]) => [ts, state, severity, null, null]),
        `${rule} of ${meter}`,
      );
    }
    const levels = await query(coldLevels(told.asked(TEMPERATURE)));
    assert.ok(levels.length > 40);
    assert.deepEqual(await query(alerts(told.asked(TEMPERATURE), "cold")), levels);
  });
}

/** Every row of `alerts` of a stopped engine's client, as `rulesTest` has them. */
async function storedTransitions(told: Told): Promise<Cell[][]> {
  const { store, tenant, engine } = told;
  const columns = `"rule", "meter", ${store.dialect.ms}, "state", "incident"`;
  return await store.asked(engine.dataDir, (query) =>
    query(`SELECT ${columns} FROM "alerts" WHERE "tenant" = '${String(tenant.config["id"])}'`),
  );
}

function inOrder(a: Cell[], b: Cell[]): number {
  return `${a[0]} ${a[1]}` < `${b[0]} ${b[1]}` ? -1 : `${a[0]} ${a[1]}` > `${b[0]} ${b[1]}` ? 1 : Number(a[2]) - Number(b[2]);
}

/** Engines that die between readings, and in the silence. */
async function missedOnce(t: TestContext, store: SqlStore): Promise<void> {
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  t.diagnostic(`SEED=${seed}`);
  const random = new Random(seed);
  const told = await Told.start(store, "houses");
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
      await told.untilFiring("twice-due", TEMPERATURE, WEEK, WEEK.from + 3 * HOUR_MS);
      // History is no sign of life.
      told.clock.tell(WEEK.from + DAY_MS / 2);
      await told.send(
        readings()
          .slice(0, 2)
          .map((reading) => ({ ...reading, ts: FROM + MINUTE_MS })),
      );
      await told.untilFiring("silent-day", TEMPERATURE, WEEK, WEEK.from + DAY_MS + MINUTE_MS);
      await told.untilFiring("silent-day", ELECTRICITY, WEEK, WEEK.from + 2 * DAY_MS);
      // What fires goes on, however often the engine starts.
      told.clock.tell(WEEK.from + (2 + random.int(4)) * DAY_MS);
      await told.crash();
    },
  });
  await endsAs(t, told, []);
  const tried = told.rulesTest().transitions.map(({ rule, meter, ts, state, incident }) => [rule, meter, ts, state, incident]);
  assert.deepEqual(tried.sort(inOrder), (await storedTransitions(told)).sort(inOrder));
}

/** The engine is away for three days of the silence: nobody is missed for what nobody could have heard. */
async function absent(t: TestContext, store: SqlStore): Promise<void> {
  const told = await Told.start(store, "others");
  t.after(() => told.engine.kill9());
  await live(told, {
    hour: () => Promise.resolve(),
    silence: async () => {
      told.clock.tell(WEEK.from + HOUR_MS);
      await told.crash(WEEK.from + 3 * DAY_MS);
      await told.untilFiring("twice-due", TEMPERATURE, WEEK, WEEK.from + 3 * DAY_MS + 3 * HOUR_MS);
      await told.untilFiring("silent-day", ELECTRICITY, WEEK, WEEK.from + 5 * DAY_MS);
      await told.untilFiring("silent-day", TEMPERATURE, WEEK, WEEK.from + 5 * DAY_MS);
    },
  });
  await endsAs(t, told, told.absences);
}

for (const { type, skip } of SQL_STORES) {
  // Both at once: much of it is waiting for engines that start.
  test(`what is missed of recorded meters, found by SQL over the stored readings: ${type}`, {
    skip,
    concurrency: 2,
  }, async (t) => {
    const store = await openSqlStore(t, type);
    await Promise.all([
      t.test("a week that was cut out is missed once, live and from history, through kill -9 between readings", (t) =>
        missedOnce(t, store),
      ),
      t.test("the engine's own absence is no silence of a meter: its clock begins again with the engine", (t) =>
        absent(t, store),
      ),
    ]);
  });
}
