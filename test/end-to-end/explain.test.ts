import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { MonthExplanation, PeriodExplanation, ReadingExplanation } from "../../engine/base/explanation.js";
import { recomputedDelta, recomputedPeriod } from "../explain/recompute.js";
import { until } from "../support/servers.js";
import { type Answer, allPages, ask, readingsOf, type ShownPeriod } from "./api.js";
import { Stage } from "./stage.js";

const main = fileURLToPath(new URL("../../engine/main.js", import.meta.url));

const HOUR_MS = 3_600_000;
/** 2026-03-28, 22:30 in Madrid: the night when the clock goes forward. */
const BEGIN = Date.UTC(2026, 2, 28, 21, 30);

/** Meters of four kinds. */
const SETTINGS = {
  timezone: "Europe/Madrid",
  meters: [
    { match: "temp", kind: "gauge", unit: "°C", decimals: 1 },
    { match: "sun", kind: "power", unit: "kWh", multiplier: 0.5 },
    { match: "month-end", kind: "interval", unit: "kWh", interval: "1d" },
    { match: "*", kind: "counter", unit: "kWh", maxRate: 40, periods: ["quarter", "hour", "day"] },
  ],
};

let stage: Stage;
before(async () => {
  stage = await Stage.set("duckdb", SETTINGS);
});
after(() => stage.clear());

async function post(readings: object[]): Promise<void> {
  const { status, body } = await ask(stage.engine.url, "/v1/readings?datalogger=d", stage.acme.tokens.ingest, {
    method: "POST",
    body: JSON.stringify(readings),
  });
  assert.deepEqual([status, body], [200, { accepted: readings.length, rejected: [] }]);
}

function get(path: string): Promise<Answer> {
  return ask(stage.engine.url, path, stage.acme.tokens.read);
}

function explain(meter: string, period: string, ts: string | number): Promise<Answer> {
  return get(`/v1/meters/${meter}/explain?${new URLSearchParams({ period, ts: String(ts) })}`);
}

function command(...args: string[]): { status: number | null; lines: string[]; err: string } {
  const given = ["explain", ...args, "--url", stage.engine.url, "--token", stage.acme.tokens.read];
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...given], { encoding: "utf8", timeout: 60_000 });
  return { status, lines: stdout.trimEnd().split("\n"), err: stderr };
}

/** Every row of a meter is what its explanation says, and what that adds up to. */
async function allExplained(meter: string, periods: readonly string[]): Promise<void> {
  const token = stage.acme.tokens.read;
  for (const { ts, value, delta, flags, rev } of await readingsOf(stage.engine.url, token, meter)) {
    const answer = await explain(meter, "reading", ts);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    const explained = answer.body as ReadingExplanation;
    assert.deepEqual(explained.figure, { ts, value, delta, flags, rev });
    assert.equal(recomputedDelta(explained), delta);
  }
  for (const period of periods) {
    const rows = await allPages<ShownPeriod>(stage.engine.url, `/v1/meters/${meter}/consumption?period=${period}`, token);
    assert.ok(rows.length > 0);
    for (const { ts, localDate, ...figure } of rows) {
      const answer = await explain(meter, period, ts);
      assert.equal(answer.status, 200, `${period} ${ts}: ${JSON.stringify(answer.body)}`);
      const explained = answer.body as PeriodExplanation;
      assert.deepEqual(explained.figure, figure);
      assert.deepEqual([explained.ts, explained.localDate, explained.running], [ts, localDate, false]);
      assert.deepEqual(recomputedPeriod(explained), figure);
    }
  }
}

async function settled(meter: string, readings: number): Promise<void> {
  await until(`${readings} readings of ${meter}, none waiting`, 20_000, async () => {
    const rows = await readingsOf(stage.engine.url, stage.acme.tokens.read, meter);
    const known = (await get(`/v1/meters/${meter}`)).body as { pending: number };
    return rows.length === readings && known.pending === 0;
  });
}

test("a counter's figures, before a late reading and after it", async () => {
  const at = (hours: number) => BEGIN + hours * HOUR_MS;
  const reading = (hours: number, value: number) => ({ meter: "main", ts: at(hours), value });
  const later = Array.from({ length: 30 }, (_, i) => reading(9 + i, 12 + i / 8));
  await post([
    ...[reading(0, 100), reading(1, 100.5), reading(2, 101.2), reading(3, 250), reading(4, 102.3)],
    { meter: "main", ts: at(5.5), exchange: { final: 104, start: 10 } },
    ...[reading(6, 10.5), reading(8, 11.5), ...later],
  ]);
  await settled("main", 37);
  await allExplained("main", ["day"]);
  const day = await explain("main", "day", "2026-03-29");
  const before = day.body as PeriodExplanation;
  assert.equal(before.lengthMs, 23 * HOUR_MS);

  await post([reading(7, 11.4)]);
  await settled("main", 38);
  const after = (await explain("main", "day", BEGIN + 3 * HOUR_MS)).body as PeriodExplanation;
  assert.equal(after.records.length, before.records.length + 1);
  assert.deepEqual(after.figure, { ...before.figure, readings: before.figure.readings + 1 });
  const hour = (await explain("main", "hour", at(7) - 1)).body as PeriodExplanation;
  assert.deepEqual(hour.figure, {
    value: 0.5,
    min: null,
    max: null,
    coverage: 1,
    readings: 1,
    flags: [],
  });
  await allExplained("main", ["quarter", "hour", "day"]);
});

test("the command says the same in words", () => {
  const day = command("main", "--period", "day", "--ts", "2026-03-29");
  assert.deepEqual([day.status, day.err], [0, ""]);
  assert.deepEqual(day.lines.slice(0, 9), [
    "main, day 2026-03-29: 7.088 kWh",
    "2026-03-29 00:00 +01:00 to 2026-03-30 00:00 +02:00 (Europe/Madrid), 23 h; 100 % covered, 21 readings",
    "",
    "time                     register  counted  in this day            why",
    "2026-03-28 23:30 +01:00     100.5                                  where the first stretch begins",
    "2026-03-29 00:30 +01:00     101.2      0.7  0.35 (30 min of 1 h)   d = 101.2 − 100.5 = 0.7 lies between 0 and the bound 40.001: counted",
    "2026-03-29 01:30 +01:00       250        0                         the next record (102.3) goes on from the baseline 101.2, and 250 lies more than 0.002 (two steps) above the next record: a peak, passed over; the baseline stays [SPIKE]",
    "2026-03-29 03:30 +02:00     102.3      1.1                    1.1  d = 102.3 − 101.2 = 1.1 lies between 0 and the bound 80.001: counted",
    "2026-03-29 05:00 +02:00       104      1.7                    1.7  exchange declared: the old register's last value 104 − 102.3 = 1.7 is counted; the new register begins at 10 [EXCHANGE]",
  ]);
  assert.deepEqual(day.lines.slice(-7), [
    "2026-03-30 00:30 +02:00        14    0.125  0.063 (30 min of 1 h)  d = 14 − 13.875 = 0.125 lies between 0 and the bound 40.001: counted",
    "sum                                                         7.088",
    "",
    "EXCHANGE: 2 times, the first: an exchange of the meter was declared.",
    "SPIKE: a single value far off, passed over.",
    "",
    "Add the parts: 7088 units of 10^-3. × 1 ÷ 1000 = 7.088 kWh.",
  ]);

  const reading = command("main", "--ts", new Date(BEGIN + 6 * HOUR_MS).toISOString());
  assert.equal(reading.status, 0);
  assert.equal(reading.lines[0], "main, delta of the reading at 2026-03-29 05:30 +02:00 (Europe/Madrid): 2.2 kWh");
  assert.equal(
    reading.lines.at(-1),
    "500 counted by the rule + 1700 closed by the exchange = 2200 units of 10^-3. × 1 ÷ 1000 = 2.2 kWh.",
  );

  const month = command("main", "--period", "month", "--ts", "2026-03");
  assert.equal(month.status, 0);
  assert.deepEqual(month.lines.slice(0, 9), [
    "main, month 2026-03: 7.938 kWh so far",
    "from 2026-03-01 00:00 +01:00 (Europe/Madrid); 3.3 % covered, 23 readings",
    "",
    "day                       value   covered  flags",
    "2026-03-01 to 2026-03-27  no row  0 %",
    "2026-03-28                  0.85  6.25 %   FIRST, PARTIAL",
    "2026-03-29                 7.088  100 %    EXCHANGE, SPIKE",
    "2026-03-30 to 2026-03-31  no row  0 %",
    "",
  ]);
  assert.equal(month.lines.at(-1), "Add the units of 10^-3 of the 2 known days and divide by 10^3: 7.938 kWh.");

  const json = command("main", "--period", "day", "--ts", "2026-03-29", "--json");
  assert.equal((JSON.parse(json.lines.join("\n")) as PeriodExplanation).figure.value, 7.088);
});

test("months are what the query of consumption says, the day that runs is told as such", async () => {
  const { body } = await explain("main", "month", "2026-03-29T00:00:00Z");
  const { figure, days } = body as MonthExplanation;
  const [month] = (await get("/v1/meters/main/consumption?period=month")).body as ShownPeriod[];
  const { ts: _, localDate: __, ...row } = month!;
  assert.deepEqual(figure, row);
  assert.equal(days.length, 31);
  const running = (await explain("main", "day", "2026-03-30")).body as PeriodExplanation;
  assert.deepEqual([running.running, running.figure.value], [true, 1.687]);
});

test("what cannot be explained is said with a code, by the command too", async () => {
  const cases: [path: string, status: number, code: string][] = [
    ["/v1/meters/never/explain?ts=2026-03-29", 400, "parameter_invalid"],
    ["/v1/meters/never/explain?period=day&ts=2026-03-29", 404, "meter_unknown"],
    ["/v1/meters/never/explain?period=month&ts=2026-03", 404, "meter_unknown"],
    ["/v1/meters/main/explain?period=day", 400, "parameter_invalid"],
    ["/v1/meters/main/explain?period=week&ts=2026-03-29", 400, "parameter_invalid"],
    ["/v1/meters/main/explain?period=day&ts=yesterday", 400, "parameter_invalid"],
    ["/v1/meters/main/explain?period=day&ts=2026-02-30", 400, "parameter_invalid"],
    ["/v1/meters/main/explain?period=day&ts=2150-01-01", 400, "parameter_invalid"],
    ["/v1/meters/main/explain?ts=2026-03-29T00:00:00Z", 404, "figure_unknown"],
    ["/v1/meters/main/explain?period=day&ts=2026-02-01", 404, "figure_unknown"],
    ["/v1/meters/main/explain?period=day&ts=2000-01-01T00:00:00Z", 404, "figure_unknown"],
    ["/v1/meters/main/explain?period=month&ts=2025-01", 404, "figure_unknown"],
    ["/v1/meters/temp/explain?period=quarter&ts=2026-03-29", 400, "parameter_invalid"],
  ];
  await post([{ meter: "temp", ts: BEGIN, value: 20 }]);
  for (const [path, status, code] of cases) {
    const answer = await get(path);
    assert.deepEqual([answer.status, answer.code], [status, code], `${path}: ${JSON.stringify(answer.body)}`);
  }
  const { status, err } = command("main", "--period", "day", "--ts", "2026-02-01");
  assert.equal(status, 1);
  assert.match(err, /^figure_unknown: meter "main" has no day of 2026-02-01; its records go from 2026-03-28T21:30:00.000Z to /);
  const ingest = await ask(stage.engine.url, "/v1/meters/main/explain?period=day&ts=2026-03-29", stage.acme.tokens.ingest);
  assert.deepEqual([ingest.status, ingest.code], [403, "forbidden"]);
  assert.equal((await ask(stage.engine.url, "/v1/meters/main/explain?ts=1", stage.other.tokens.read)).code, "meter_unknown");
});

test("figures of the other kinds", async () => {
  const at = (minutes: number) => BEGIN + minutes * 60_000;
  await post(
    [0, 20, 50, 90, 260, 300, 330].flatMap((minutes, i) => [
      { meter: "temp", ts: at(minutes), value: 20 + ((i * 7) % 5) / 10 },
      { meter: "sun", ts: at(minutes), value: 1.5 * i },
    ]),
  );
  const days = ["2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z"];
  await post(days.map((ts, i) => ({ meter: "month-end", ts, value: 12.5 + i })));
  await settled("temp", 7);
  await settled("sun", 7);
  await settled("month-end", 3);
  await allExplained("temp", ["hour", "day"]);
  await allExplained("sun", ["hour", "day"]);
  await allExplained("month-end", ["hour", "day"]);
  for (const [meter, heading] of [
    ["temp", "temp, day 2026-03-28: 20.233333333333334 °C"],
    ["sun", "sun, day 2026-03-28: 1.9375 kWh"],
    ["month-end", "month-end, day 2026-03-28: 12.5 kWh"],
  ] as const) {
    assert.equal(command(meter, "--period", "day", "--ts", "2026-03-28").lines[0], heading);
  }
});
