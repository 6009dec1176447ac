import assert from "node:assert/strict";
import test from "node:test";
import { warningsOf } from "../../engine/config/cross.js";
import { DEMO_CLIENTS, type DemoMeter } from "../../engine/demo/clients.js";
import { demoFleetConfig } from "../../engine/demo/config.js";
import { MeterSource } from "../../engine/demo/meter-source.js";
import { RECORDED_NAMES, type Recorded, readRecorded } from "../../engine/demo/recorded.js";

const START = Date.UTC(2020, 0, 1);
const HOUR = 3_600_000;
/** A register that ends at 10 (10,000 thousandths) and begins at 9. */
const METER: DemoMeter = {
  ...{ id: "m", series: "uk-electricity", sends: "register", weeksAhead: 0, percent: 100 },
  ...{ begins: 9000, modulus: 10_000, misreadEveryDays: 0 },
};

function recorded(...thousandths: number[]): Recorded {
  return { startMs: START, thousandths: Int32Array.from(thousandths) };
}

function all(source: MeterSource): [hour: number, value: number][] {
  const readings: [number, number][] = [];
  for (let reading = source.next(); reading !== null; reading = source.next()) {
    assert.equal(reading.meter, "m");
    readings.push([(reading.ts - START) / HOUR, reading.value]);
  }
  return readings;
}

test("a register shows the sum at the end of each hour, exactly, and rolls over", () => {
  assert.deepEqual(all(new MeterSource(METER, recorded(100, 200, 300, 401))), [
    [1, 9.1],
    [2, 9.3],
    [3, 9.6],
    [4, 0.001],
  ]);
});

test("an interval is an hour's energy at its end, a level the value at its time", () => {
  assert.deepEqual(all(new MeterSource({ ...METER, sends: "interval", percent: 50 }, recorded(100, 200))), [
    [1, 0.05],
    [2, 0.1],
  ]);
  assert.deepEqual(all(new MeterSource({ ...METER, sends: "level" }, recorded(-1500, 200))), [
    [0, -1.5],
    [1, 0.2],
  ]);
});

test("a misread noon does not change the register", () => {
  const readings = all(new MeterSource({ ...METER, begins: 1000, misreadEveryDays: 1 }, recorded(...Array(14).fill(10))));
  assert.deepEqual(readings.slice(10, 13), [
    [11, 1.11],
    [12, 0],
    [13, 1.13],
  ]);
});

test("a meter that begins weeks into the series goes on from its start", () => {
  const hours = Array.from({ length: 170 }, (_, i) => i);
  const values = all(new MeterSource({ ...METER, sends: "interval", weeksAhead: 1 }, recorded(...hours))).map(
    ([, value]) => value,
  );
  assert.deepEqual(values.slice(0, 4), [0.168, 0.169, 0, 0.001]);
});

test("the recorded series are hourly without gaps and as long as their description says", () => {
  const sizes = Object.fromEntries(RECORDED_NAMES.map((name) => [name, readRecorded(name).thousandths.length]));
  assert.deepEqual(sizes, {
    "uk-electricity": 23_508,
    "uk-temperature": 23_508,
    "chicago-electricity": 19_417,
    "chicago-gas": 19_417,
  });
  assert.equal(readRecorded("uk-electricity").startMs, Date.UTC(2020, 3, 1, 1));
  assert.deepEqual([...readRecorded("uk-electricity").thousandths.slice(0, 3)], [78, 78, 92]);
});

test("the demo's configuration is valid, warns of nothing, and each client's meters have ids of their own", () => {
  const random = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(7);
  const { config, tokens } = demoFleetConfig({ dataDir: "./data", port: 8080, clients: DEMO_CLIENTS, random });
  assert.deepEqual(warningsOf(config), []);
  assert.deepEqual([...tokens.keys()], ["thames-homes", "lakeside-property", "sky-watch"]);
  for (const { tenant, sites } of DEMO_CLIENTS) {
    const ids = sites.flatMap(({ meters }) => meters.map(({ id }) => id));
    assert.equal(new Set(ids).size, ids.length, tenant);
    assert.match(tokens.get(tenant)?.read ?? "", new RegExp(`^${tenant}\\.console\\.[\\w-]{43}$`));
  }
});
