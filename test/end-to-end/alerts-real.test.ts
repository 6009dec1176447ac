import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Datalogger } from "../../engine/client/datalogger.js";
import { DuckDbFile } from "../../engine/store/duckdb.js";
import { type ConfigFile, createTenant, type RunningEngine, startEngineProcess, type TestTenant } from "../support/engine.js";
import { questDbSkip, type RunningQuestDb, startQuestDb } from "../support/questdb.js";
import { Random } from "../support/random.js";
import { freePorts, temporaryDirectory, until } from "../support/servers.js";
import { ASKED, type AskedRule, type Dialect, DUCKDB, QUESTDB } from "./alerts-sql.js";
import { ask } from "./api.js";
import { type Recorded, recordedEnergy, recordedLevel } from "./recorded.js";
import { questDbRows } from "./stored-rows.js";

const main = fileURLToPath(new URL("../../engine/main.js", import.meta.url));
const CRASHES = 3;
const MOST_AT_ONCE = 2000;
/** A store that is partitioned by day takes its time to make hundreds of partitions. */
const STORED_WITHIN_MS = 180_000;

interface Site {
  readonly datalogger: string;
  readonly series: readonly Pick<Recorded, "meter" | "settings" | "readings">[];
  /** Which part of what was recorded is sent: long enough for three changes of the clock. */
  readonly from: number;
  readonly to: number;
}

/** Readings after which the register begins anew, and such as are a unit behind the one before for once. */
const RESET_EVERY = 97;
const BEHIND_EVERY = 61;

/** A recorded register of hundredths that loses what it had counted now and then, and now and then shows a little less than before. */
function faulty(meter: string, { settings, readings }: Recorded): Site["series"][number] {
  const units = readings.map(({ value }) => Math.round(value * 100));
  let lost = 0;
  const shown = units.map((is, i) => {
    if (i % RESET_EVERY === RESET_EVERY - 1) lost = is;
    const isBehind = i % BEHIND_EVERY === BEHIND_EVERY - 1 && i % RESET_EVERY > 0 && i % RESET_EVERY < RESET_EVERY - 2;
    return isBehind && units[i - 1]! > lost ? units[i - 1]! - lost - 1 : is - lost;
  });
  return {
    settings: { ...settings, match: meter },
    meter,
    readings: readings.map(({ ts }, i) => ({ meter, ts, value: shown[i]! / 100 })),
  };
}

const SITES: readonly Site[] = [
  {
    datalogger: "house-in-london",
    series: [
      recordedEnergy("uk-electricity-hourly.csv", "Europe/London", 3),
      recordedLevel("uk-temperature-hourly.csv", "Europe/London", 2),
    ],
    from: Date.UTC(2020, 9, 10),
    to: Date.UTC(2021, 10, 10),
  },
  {
    datalogger: "house-in-chicago",
    series: [
      recordedEnergy("chicago-electricity-hourly.csv", "America/Chicago", 2),
      recordedEnergy("chicago-gas-hourly.csv", "America/Chicago", 2),
      faulty("faulty-gas", recordedEnergy("chicago-gas-hourly.csv", "America/Chicago", 2)),
    ],
    from: Date.UTC(2016, 2, 1),
    to: Date.UTC(2017, 2, 20),
  },
];

/** With a `maxRate` a reading counts as soon as it is there; without one the next has to settle it, and time may pass before that does. */
const BOUNDED: ReadonlySet<string> = new Set(["uk-electricity", "chicago-gas", "faulty-gas"]);

/** A transition as it is compared; the rest of its row are ids. */
type Transition = [ts: number, state: "firing" | "resolved", value: number | null, severity: string, threshold: number];

interface StoredTransition {
  ts: number;
  rule: string;
  meter: string;
  incident: string;
  state: "firing" | "resolved";
  severity: string;
  value: number | null;
  threshold: number | null;
}

type Cell = string | number | null;
type Query = (sql: string) => Promise<Cell[][]>;

function readingsOf({ series, from, to }: Site): { meter: string; ts: number; value: number }[] {
  return series
    .flatMap(({ readings }) => readings)
    .filter(({ ts }) => ts >= from && ts < to)
    .sort((a, b) => a.ts - b.ts);
}

/** The site's readings in order of time, in frames of every size; the datalogger finds the engine again when it was killed. */
async function stream(wsUrl: string, tenant: TestTenant, site: Site, random: Random, onSent: (acked: () => number) => void) {
  const datalogger = new Datalogger({ url: wsUrl, token: tenant.tokens.ingest, datalogger: site.datalogger, format: "binary" });
  onSent(() => datalogger.counters.acked);
  const readings = readingsOf(site);
  for (let from = 0; from < readings.length; ) {
    const to = from + 1 + random.int(random.chance(0.4) ? 20 : MOST_AT_ONCE);
    await datalogger.send(readings.slice(from, to), random.chance(0.5) ? "text" : "binary");
    from = to;
  }
  await datalogger.drained();
  await datalogger.close();
  assert.equal(datalogger.counters.acked, readings.length);
}

class House {
  engine: RunningEngine;
  readonly tenant: TestTenant;
  readonly #config: ConfigFile;

  private constructor(engine: RunningEngine, tenant: TestTenant, config: ConfigFile) {
    this.engine = engine;
    this.tenant = tenant;
    this.#config = config;
  }

  static async start(store: ConfigFile): Promise<House> {
    const [port] = await freePorts(1);
    const meters = SITES.flatMap(({ series }) =>
      series.map(({ settings, meter }) => (BOUNDED.has(meter) ? { ...settings, maxRate: 40 } : settings)),
    );
    const tenant = createTenant("houses", { meters, rules: ASKED.map(({ rule }) => rule) });
    const config = { shards: 1, store, listen: { host: "127.0.0.1", port }, tenants: [tenant.config] };
    const engine = await startEngineProcess({ config });
    return new House(engine, tenant, { ...config, dataDir: engine.dataDir });
  }

  async crash(): Promise<void> {
    await this.engine.kill9();
    this.engine = await startEngineProcess({ config: this.#config });
  }

  /** Until the store shows all that was acked. */
  async stored(questDb: RunningQuestDb | null): Promise<void> {
    await until("the store has everything", STORED_WITHIN_MS, async () => {
      // The counts of an engine that has just started are still those of nothing.
      const meter = SITES.at(-1)!.series[0]!.meter;
      const wanted = readingsOf(SITES.at(-1)!).findLast((reading) => reading.meter === meter)!.ts;
      const path = `/v1/meters/${meter}/readings?from=${wanted}`;
      const { body } = await ask(this.engine.url, path, this.tenant.tokens.read);
      const metrics = await (await fetch(`${this.engine.url}/metrics`)).text();
      return (body as object[]).length === 1 && /^meterstorm_store_lag_readings\{shard="0"\} 0$/m.test(metrics);
    });
    if (questDb === null) return;
    await until("QuestDB has applied everything", STORED_WITHIN_MS, async () => {
      const [row] = await questDbRows(questDb.httpUrl, "SELECT count() FROM wal_tables() WHERE writerTxn < sequencerTxn");
      return Number(row?.[0]) === 0;
    });
  }

  /** `meterstorm rules test` on this house's store, or on the running engine. */
  rulesTest(...args: string[]): { status: number | null; out: string; err: string } {
    const file = join(temporaryDirectory("rules"), "meterstorm.json");
    writeFileSync(file, JSON.stringify(this.#config));
    // Behind the newest reading only time goes by, which it has not done for the engine: it would end the last night.
    const newest = Math.max(...SITES.flatMap(readingsOf).map(({ ts }) => ts));
    const command = ["--enable-source-maps", main, "rules", "test", "--config", file, "--to", String(newest + 1), ...args];
    const run = spawnSync(process.execPath, command, { encoding: "utf8", timeout: 120_000, maxBuffer: 1 << 28 });
    return { status: run.status, out: run.stdout, err: run.stderr };
  }
}

/** Transitions of a rule as the table has them, or as the command prints them. */
function ofRule(all: readonly StoredTransition[], { rule, meter }: AskedRule): Transition[] {
  const own = all.filter((row) => row.rule === rule["id"]);
  for (const row of own) assert.equal(row.meter, meter);
  return own.map(({ ts, state, value, severity, threshold }) => [ts, state, value, severity, threshold ?? Number.NaN]);
}

function same(found: readonly Transition[], expected: readonly Transition[], what: string): void {
  for (let i = 0; i < Math.max(found.length, expected.length); i++)
    assert.deepEqual(found[i], expected[i], `${what}, transition ${i} of ${found.length} where ${expected.length} are right`);
}

async function expectedOf(asked: AskedRule, dialect: Dialect, query: Query): Promise<Transition[]> {
  const { severity = "warning", threshold } = asked.rule;
  return (await query(asked.sql(dialect))).map(([ts, h, amount, level, reached]) => [
    Number(ts),
    Number(h) === 1 ? "firing" : "resolved",
    amount === null || amount === undefined ? null : Number(amount),
    String(level ?? severity),
    Number(reached ?? threshold),
  ]);
}

async function storedTransitions(dialect: Dialect, query: Query): Promise<StoredTransition[]> {
  const rows = await query(
    `SELECT ${dialect.ms}, "rule", "meter", "incident", "state", "severity", "value", "threshold" FROM "alerts" WHERE "tenant" = 'houses' ORDER BY "ts", "rule", "state"`,
  );
  return rows.map(([ts, rule, meter, incident, state, severity, value, threshold]) => ({
    ...{ ts: Number(ts), rule: String(rule), meter: String(meter), incident: String(incident) },
    ...{ state: state as "firing" | "resolved", severity: String(severity) },
    ...{ value: value as number | null, threshold: threshold as number | null },
  }));
}

interface PrintedIncident {
  rule: string;
  meter: string;
  incident: string;
  transitions: { ts: string; state: "firing" | "resolved"; severity: string; value: number | null; threshold: number | null }[];
}

/** The transitions that the command's JSON holds, in the order of `storedTransitions`. */
function printedTransitions(json: string): StoredTransition[] {
  const [report] = JSON.parse(json) as { incidents: PrintedIncident[] }[];
  return report!.incidents
    .flatMap(({ rule, meter, incident, transitions }) =>
      transitions.map((each) => ({ ...each, rule, meter, incident, ts: Date.parse(each.ts) })),
    )
    .sort((a, b) => a.ts - b.ts || (a.rule + a.state < b.rule + b.state ? -1 : 1));
}

async function trusted(t: TestContext, questDb: RunningQuestDb | null): Promise<void> {
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  t.diagnostic(`SEED=${seed}`);
  const random = new Random(seed);
  const house = await House.start(questDb === null ? { type: "duckdb" } : { type: "questdb", http: questDb.httpUrl });
  t.after(() => house.engine.kill9());
  await house.engine.ready();
  for (const site of SITES) {
    let acked = () => 0;
    const streamed = stream(house.engine.wsUrl, house.tenant, site, random, (counter) => {
      acked = counter;
    });
    const whole = readingsOf(site).length;
    for (let crash = 1; crash <= CRASHES; crash++) {
      const wanted = Math.min(whole, acked() + random.int(whole / CRASHES));
      await Promise.race([streamed, until(`${wanted} readings are acked`, 60_000, () => acked() >= wanted)]);
      await house.crash();
    }
    await streamed;
  }
  await house.engine.ready();
  await house.stored(questDb);
  const asked = house.rulesTest("--url", house.engine.url, "--token", house.tenant.tokens.read, "--json");
  assert.equal(await house.engine.stop(), 0);
  const dialect = questDb === null ? DUCKDB : QUESTDB;
  const file = questDb === null ? await DuckDbFile.open(join(house.engine.dataDir, "meterstorm.duckdb")) : null;
  const query: Query = (sql) =>
    file === null ? questDbRows(questDb!.httpUrl, sql) : (file.query(sql, []) as unknown as Promise<Cell[][]>);
  const found = await storedTransitions(dialect, query);
  const expected = new Map<AskedRule, Transition[]>();
  for (const each of ASKED) expected.set(each, await expectedOf(each, dialect, query));
  await file?.close();
  for (const [each, transitions] of expected) {
    await t.test(`${String(each.rule["id"])}: ${transitions.length} transitions`, () => {
      assert.ok(transitions.length >= 50, "there is something to get wrong");
      same(ofRule(found, each), transitions, "live");
    });
  }
  await t.test("the same incidents, ids and all, come out of the history in the store", () => {
    const { status, out, err } = house.rulesTest("--json");
    assert.equal(status, 0, err);
    assert.deepEqual(printedTransitions(out), found);
  });
  await t.test("and out of the history that a running engine answers with", () => {
    assert.equal(asked.status, 0, asked.err);
    assert.deepEqual(printedTransitions(asked.out), found);
  });
}

test("recorded houses raise the incidents that SQL finds, through kill -9 and again from history: duckdb", (t) =>
  trusted(t, null));

test("recorded houses raise the incidents that SQL finds, through kill -9 and again from history: questdb", {
  skip: questDbSkip(),
}, async (t) => {
  const questDb = await startQuestDb();
  t.after(() => questDb.kill());
  await trusted(t, questDb);
});
