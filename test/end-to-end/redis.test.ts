import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { Redis } from "ioredis";
import { createTenant, type RunningEngine, startEngineProcess, type TestTenant } from "../support/engine.js";
import { redisSkip, startRedis } from "../support/redis.js";
import { until } from "../support/servers.js";
import { ask } from "./api.js";
import { Wire } from "./wire.js";

const TS = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;
const WITHIN_MS = 20_000;

const RULE = { id: "load", meters: "main-*", on: "value", op: ">", threshold: 40, clear: 30, severity: "critical" };

async function stage(t: TestContext, url: string): Promise<{ engine: RunningEngine; tenant: TestTenant; wire: Wire }> {
  const tenant = createTenant("acme", {
    meters: [
      { match: "main-*", kind: "gauge", decimals: 1 },
      { match: "*", kind: "counter", decimals: 3 },
    ],
    rules: [RULE],
  });
  const engine = await startEngineProcess({ config: { shards: 1, redis: { url }, tenants: [tenant.config] } });
  t.after(() => engine.kill9());
  await engine.ready();
  const wire = await Wire.open(engine.wsUrl, tenant.tokens.ingest, "dl");
  return { engine, tenant, wire };
}

/** What another program reads, once it is what it should be. */
async function becomes(what: string, expected: unknown, read: () => Promise<unknown>): Promise<void> {
  let found: unknown;
  await until(what, WITHIN_MS, async () => {
    found = await read();
    return isDeepStrictEqual(found, expected);
  }).catch(() => assert.deepEqual(found, expected, what));
}

async function connected<T>(url: string, read: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { retryStrategy: () => null });
  redis.on("error", () => undefined);
  try {
    return await read(redis);
  } finally {
    redis.disconnect();
  }
}

function lastValues(url: string): Promise<unknown> {
  return connected(url, async (redis) => {
    const hash = await redis.hgetall("meterstorm:{acme}:last");
    return Object.fromEntries(Object.entries(hash).map(([meter, json]) => [meter, JSON.parse(json) as unknown]));
  });
}

function alerts(url: string): Promise<unknown> {
  return connected(url, async (redis) => {
    const entries = await redis.xrange("meterstorm:{acme}:alerts", "-", "+");
    return entries.map(([, fields]) => {
      const row: Record<string, string> = {};
      for (let i = 0; i < fields.length; i += 2) row[fields[i]!] = fields[i + 1]!;
      const { incident, key, ...rest } = row;
      assert.match(incident ?? "", /^[0-9a-f]{16}$/);
      assert.equal(key, `${incident}-${rest["state"]}-${rest["severity"]}-${Date.parse(rest["ts"] ?? "")}`);
      return rest;
    });
  });
}

function transition(ts: number, state: string, value: number): Record<string, string> {
  return {
    ...{ ts: new Date(ts).toISOString(), tenant: "acme", meter: "main-1", rule: "load", state, severity: "critical" },
    ...{ value: String(value), threshold: "40" },
  };
}

async function redisErrors(url: string): Promise<number> {
  const { body } = await ask(url, "/metrics", null);
  const line = /^meterstorm_redis_errors_total (\d+)/m.exec(String(body));
  return Number(line?.[1]);
}

test("last values and alerts appear in Redis; without it the engine goes on and says so; with it again it catches up", {
  skip: redisSkip(),
}, async (t) => {
  let redis = await startRedis();
  t.after(() => redis.kill());
  const { url, port } = redis;
  const { engine, wire } = await stage(t, url);

  wire.send({
    seq: 1,
    readings: [
      ["kwh", TS, 100],
      ["kwh", TS + HOUR_MS / 2, 101.5],
      ["kwh", TS + HOUR_MS + 60_000, 103.25],
      ["main-1", TS, 20],
      ["main-1", TS + 60_000, 41],
      ["silent", TS, 7],
      ["never-taken", TS, null],
    ],
  });
  await wire.acked(1);
  await t.test("as the contract says, within moments", async () => {
    const found = await until("the meters are in the hash", WITHIN_MS, async () => {
      const last = (await lastValues(url)) as Record<string, Record<string, unknown>>;
      return Object.keys(last).length === 3 && last;
    });
    assert.deepEqual(Object.keys(found["kwh"]!).sort(), ["day", "delta", "flags", "hour", "ts", "value"]);
    const { ts, value, delta, flags, day } = found["kwh"]!;
    assert.deepEqual(
      { ts, value, delta, flags, day },
      { ts: TS + HOUR_MS + 60_000, value: 103.25, delta: 1.75, flags: 0, day: 3.25 },
    );
    assert.deepEqual([found["main-1"]!["ts"], found["main-1"]!["value"]], [TS + 60_000, 41]);
    await becomes("the alert is in the stream", [transition(TS + 60_000, "firing", 41)], () => alerts(url));
    const ready = await ask(engine.url, "/readyz", null);
    assert.deepEqual([ready.status, ready.body], [200, { ready: true, reasons: [], degraded: [] }]);
    assert.equal(await redisErrors(engine.url), 0);
  });

  await t.test("Redis killed: frames are acked as before, readyz is degraded and still 200", async () => {
    await redis.kill();
    const ready = await until("readyz says that Redis is away", WITHIN_MS, async () => {
      const answer = await ask(engine.url, "/readyz", null);
      return (answer.body as { degraded: string[] }).degraded.length > 0 && answer;
    });
    assert.equal(ready.status, 200);
    assert.match((ready.body as { degraded: string[] }).degraded.join(), /^redis: ./);
    wire.send({
      seq: 2,
      readings: [
        ["kwh", TS + HOUR_MS + 120_000, 103.5],
        ["main-1", TS + 120_000, 29],
        ["main-1", TS + 180_000, 50],
      ],
    });
    await wire.acked(2);
    await until("the failed attempts are counted", WITHIN_MS, async () => (await redisErrors(engine.url)) > 0);
  });

  await t.test("back and empty: what changed, and the alerts that waited, are written, in order and once", async () => {
    redis = await startRedis({ port });
    wire.send({ seq: 3, readings: [["kwh", TS + HOUR_MS + 180_000, 104]] });
    await wire.acked(3);
    await becomes(
      "the alerts that waited",
      [transition(TS + 120_000, "resolved", 29), transition(TS + 180_000, "firing", 50)],
      () => alerts(url),
    );
    await becomes("the newest values", { kwh: 104, "main-1": 50, silent: 7 }, async () => {
      const last = (await lastValues(url)) as Record<string, { value: number }>;
      return Object.fromEntries(Object.entries(last).map(([meter, { value }]) => [meter, value]));
    });
    await becomes(
      "readyz is well again",
      { ready: true, reasons: [], degraded: [] },
      async () => (await ask(engine.url, "/readyz", null)).body,
    );
  });
  wire.close();
  assert.equal(await engine.stop(), 0);
});

test("a Redis that was never there keeps nobody from starting", { skip: redisSkip() }, async (t) => {
  const { engine, wire } = await stage(t, "redis://127.0.0.1:1");
  wire.send({ seq: 1, readings: [["kwh", TS, 100]] });
  await wire.acked(1);
  const { status, body } = await ask(engine.url, "/readyz", null);
  assert.equal(status, 200);
  assert.match((body as { degraded: string[] }).degraded.join(), /^redis: ./);
  assert.equal(await engine.stop(), 0);
});
