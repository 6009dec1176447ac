import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Datalogger } from "../../engine/client/datalogger.js";
import { createTenant, type RunningEngine, startEngineProcess, type TestTenant } from "../support/engine.js";
import { questDbSkip, startQuestDb } from "../support/questdb.js";
import { Random } from "../support/random.js";
import { until } from "../support/servers.js";
import { type Answer, allPages, ask, type ShownPeriod, type ShownReading } from "./api.js";
import { HOUR_MS, type Recorded, recordedEnergy, recordedLevel } from "./recorded.js";

const PAGE_ROWS = 5000;
/** A store that is partitioned by day takes its time to make thousands of partitions. */
const STORED_WITHIN_MS = 180_000;
/** Readings given to a datalogger at once, at most: from single ones to several full frames. */
const MOST_AT_ONCE = 4000;

interface Site {
  readonly datalogger: string;
  readonly series: readonly Recorded[];
}

/** The recorded houses. */
function sites(): Site[] {
  const uk = "Europe/London";
  const chicago = "America/Chicago";
  return [
    {
      datalogger: "house-in-london",
      series: [recordedEnergy("uk-electricity-hourly.csv", uk, 3), recordedLevel("uk-temperature-hourly.csv", uk, 2)],
    },
    {
      datalogger: "house-in-chicago",
      series: [
        recordedEnergy("chicago-electricity-hourly.csv", chicago, 2),
        recordedEnergy("chicago-gas-hourly.csv", chicago, 2),
      ],
    },
  ];
}

const HOUSES = sites();

/** Days that are not 24 hours long. */
function oddDays(site: Site): Record<string, number>[] {
  return site.series.map(({ hoursOfDay }) => Object.fromEntries([...hoursOfDay].filter(([, hours]) => hours !== 24)));
}

test("the recorded series hold the nights on which the clock changes, and no other odd days", () => {
  const uk = { "2020-10-25": 25, "2021-03-28": 23, "2021-10-31": 25, "2022-03-27": 23, "2022-10-30": 25 };
  const chicago = { "2016-03-13": 23, "2016-11-06": 25, "2017-03-12": 23, "2017-11-05": 25 };
  assert.deepEqual(HOUSES.map(oddDays), [
    [uk, uk],
    [chicago, chicago],
  ]);
});

/** Sends a site's readings in order of time, in runs of every size, text and binary mixed. */
async function stream(engine: RunningEngine, tenant: TestTenant, site: Site, seed: number): Promise<void> {
  const random = new Random(seed);
  const rejected: object[] = [];
  const datalogger = new Datalogger({
    ...{ url: engine.wsUrl, token: tenant.tokens.ingest, datalogger: site.datalogger, format: "binary" as const },
    onReject: (entry) => rejected.push(entry),
  });
  const readings = site.series.flatMap((series) => series.readings).sort((a, b) => a.ts - b.ts);
  for (let from = 0; from < readings.length; ) {
    const to = from + 1 + random.int(random.chance(0.3) ? 5 : MOST_AT_ONCE);
    await datalogger.send(readings.slice(from, to), random.chance(0.5) ? "text" : "binary");
    from = to;
  }
  await datalogger.drained();
  await datalogger.close();
  assert.deepEqual(rejected, []);
  assert.equal(datalogger.counters.acked, readings.length);
}

/** The periods that are in the store, once there are as many as there should be. */
async function periods(
  engine: RunningEngine,
  token: string,
  meter: string,
  period: string,
  count: number,
): Promise<ShownPeriod[]> {
  const path = `/v1/meters/${meter}/consumption?period=${period}&limit=${PAGE_ROWS}`;
  let rows: ShownPeriod[] = [];
  let first: Answer | null = null;
  await until(`${count} ${period} rows of ${meter}`, STORED_WITHIN_MS, async () => {
    first = await ask(engine.url, path, token);
    if (first.status !== 200) return false;
    rows = await allPages<ShownPeriod>(engine.url, path, token);
    return rows.length >= count;
  }).catch((error: unknown) => {
    throw new Error(`${rows.length} were there, the last answer was ${JSON.stringify(first).slice(0, 300)}`, { cause: error });
  });
  return rows;
}

function same(found: readonly ShownPeriod[], expected: readonly ShownPeriod[], what: string): void {
  // The first difference says more than a diff of twenty thousand rows.
  for (let i = 0; i < Math.max(found.length, expected.length); i++) assert.deepEqual(found[i], expected[i], `${what}, row ${i}`);
}

/** What is stored adds up by itself, in whole units: the hours of a day, and all days, to what the readings within counted. */
async function addsUp(engine: RunningEngine, token: string, { meter, settings }: Recorded): Promise<void> {
  const scale = 10 ** Number(settings["decimals"]);
  const units = (value: number | null) => Math.round((value ?? 0) * scale);
  const rows = (period: string) => allPages<ShownPeriod>(engine.url, `/v1/meters/${meter}/consumption?period=${period}`, token);
  const [hours, days] = [await rows("hour"), await rows("day")];
  const sums = new Map<string, number>();
  for (const { localDate, value } of hours) sums.set(localDate, (sums.get(localDate) ?? 0) + units(value));
  for (const { localDate, value } of days) assert.equal(units(value), sums.get(localDate), `${meter} on ${localDate}`);
  const lastDate = days.at(-1)!.localDate;
  const closedTo = Date.parse(hours.findLast(({ localDate }) => localDate === lastDate)!.ts) + HOUR_MS;
  const readings = await allPages<ShownReading>(engine.url, `/v1/meters/${meter}/readings`, token);
  const counted = (to: number) => readings.reduce((sum, { ts, delta }) => sum + (Date.parse(ts) <= to ? units(delta) : 0), 0);
  const total = (some: readonly ShownPeriod[]) => some.reduce((sum, { value }) => sum + units(value), 0);
  assert.ok(counted(closedTo) > 0);
  assert.equal(total(days), counted(closedTo), `${meter}: days and deltas`);
  assert.equal(total(hours), counted(Number.POSITIVE_INFINITY), `${meter}: hours and deltas`);
}

async function measured(t: TestContext, houses: readonly Site[], store: Record<string, unknown>): Promise<void> {
  const meters = houses.flatMap(({ series }) => series.map(({ settings }) => settings));
  const tenant = createTenant("houses", { meters });
  const engine = await startEngineProcess({ config: { shards: 1, store, tenants: [tenant.config] } });
  t.after(() => engine.kill9());
  await engine.ready();
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  t.diagnostic(`SEED=${seed}`);
  // One after the other: a store that is partitioned by day has less to open at once.
  for (const [i, site] of houses.entries()) await stream(engine, tenant, site, seed + i);
  for (const series of houses.flatMap((house) => house.series)) {
    const { meter, hours, days } = series;
    await t.test(`${meter}: ${hours.length} hours and ${days.length} days to the last digit`, async () => {
      same(await periods(engine, tenant.tokens.read, meter, "hour", hours.length), hours, `${meter}, hours`);
      same(await periods(engine, tenant.tokens.read, meter, "day", days.length), days, `${meter}, days`);
      if (series.settings["kind"] === "counter") await addsUp(engine, tenant.tokens.read, series);
    });
  }
  const headers = { authorization: `Bearer ${tenant.tokens.admin}` };
  const metrics = await (await fetch(`${engine.url}/metrics`, { headers })).text();
  assert.match(metrics, /^meterstorm_audit_days_total\{shard="0"\} [1-9]/m, "the audit has looked at some days");
  assert.match(metrics, /^meterstorm_audit_mismatches\{shard="0"\} 0$/m);
  assert.equal(await engine.stop(), 0);
}

test("recorded meters end in their true hours and days: duckdb", (t) => measured(t, HOUSES, { type: "duckdb" }));

test("recorded meters end in their true hours and days: questdb", { skip: questDbSkip() }, async (t) => {
  const questDb = await startQuestDb();
  t.after(() => questDb.kill());
  await measured(t, HOUSES, { type: "questdb", http: questDb.httpUrl });
});
