import assert from "node:assert/strict";
import { test } from "node:test";
import { Datalogger } from "../../engine/client/datalogger.js";
import { createTenant, startEngineProcess } from "../support/engine.js";
import { until } from "../support/servers.js";
import { ask, readingsOf } from "./api.js";

const HOUR_MS = 3_600_000;
const HOURS = 365 * 24;
const METERS = ["main-1", "main-2", "temp-1"];
const WITHIN_MS = 120_000;

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  let sum = 0;
  for (const [, value] of text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"))) sum += Number(value);
  return sum;
}

/** Rules that nearly every reading of the history would fire, had it come live. */
const RULES = [
  { id: "level", meters: "temp-*", on: "value", op: ">", threshold: 5 },
  {
    id: "climbing",
    meters: "temp-*",
    on: "value",
    op: ">",
    levels: [6, 7].map((threshold, i) => ({ threshold, severity: ["info", "critical"][i] })),
  },
  { id: "delta", meters: "main-*", on: "delta", op: ">", threshold: 0.5 },
  { id: "rate", meters: "main-*", on: "rate", op: ">", threshold: 0.5, for: "1h" },
  { id: "hour", meters: "main-*", on: "hour", op: ">", threshold: 0.5 },
  { id: "day", meters: "main-*", on: "day", op: ">", threshold: 2 },
  { id: "little", meters: "main-*", on: "day", op: "<", threshold: 1000 },
  { id: "glitch", meters: "main-*", on: "flag", flag: "RESET" },
  { id: "silent", on: "nodata", for: "1h" },
  { id: "due", meters: "main-*", on: "nodata" },
];

test("a year of history, newest first, raises no alert and none on missing data, and is counted", async (t) => {
  const meters = [
    { match: "temp-*", kind: "gauge" },
    { match: "*", kind: "counter", maxRate: 40, expect: "1h" },
  ];
  const tenant = createTenant("acme", { meters, rules: RULES });
  const engine = await startEngineProcess({ config: { shards: 1, tenants: [tenant.config] } });
  t.after(() => engine.kill9());
  await engine.ready();
  const now = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
  // A restart of the register once a month; and levels that are too high but for the newest.
  const value = (meter: string, age: number) =>
    meter.startsWith("temp") ? (age === 0 ? 1 : 8) : Math.floor((HOURS - age) % 720) + (age === 0 ? 0 : 1);
  const reading = (meter: string, age: number) => ({ meter, ts: now - age * HOUR_MS, value: value(meter, age) });
  const datalogger = new Datalogger({ url: engine.wsUrl, token: tenant.tokens.ingest, datalogger: "history", format: "binary" });
  await datalogger.send(METERS.map((meter) => reading(meter, 0)));
  for (let day = 0; day < HOURS / 24; day++) {
    const ages = Array.from({ length: 24 }, (_, hour) => day * 24 + hour + 1);
    await datalogger.send(METERS.flatMap((meter) => ages.map((age) => reading(meter, age))));
  }
  await datalogger.drained();
  await datalogger.close();
  const late = METERS.length * HOURS;
  assert.equal(datalogger.counters.acked, late + METERS.length);
  await until(
    "all history is worked in",
    WITHIN_MS,
    async () => (await metric(engine.url, "meterstorm_late_inputs_waiting")) === 0,
  );
  const last = await until("the store has it", WITHIN_MS, async () => {
    const rows = await readingsOf(engine.url, tenant.tokens.read, "main-1", 10_000);
    return rows.length === HOURS + 1 ? rows : null;
  });
  assert.ok(last.filter(({ flags }) => flags.includes("RESET")).length >= 11, "there was something to alarm about");
  assert.deepEqual((await ask(engine.url, "/v1/alerts", tenant.tokens.read)).body, []);
  // The first of the history comes between the two newest and is worked in at once; it is late all the same.
  assert.equal(await metric(engine.url, "meterstorm_readings_late_total"), late);
  assert.equal(await metric(engine.url, "meterstorm_alert_transitions_total"), 0);
  assert.equal(await engine.stop(), 0);
});
