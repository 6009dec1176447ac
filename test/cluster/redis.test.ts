import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { Redis } from "ioredis";
import { type Clock, systemClock } from "../../engine/base/clock.js";
import { RedisCache } from "../../engine/cluster/redis.js";
import { type RunningRedis, redisSkip, startRedis } from "../support/redis.js";
import { freePorts, until } from "../support/servers.js";

const skip = redisSkip();
const COMMAND_TIMEOUT_MS = 300;

class Log {
  readonly lines: string[] = [];
  info(message: string): void {
    this.lines.push(`info ${message}`);
  }
  warn(message: string): void {
    this.lines.push(`warn ${message}`);
  }
}

/** A cache that reconnects quickly, closed at the end of the test. */
function cacheAt(
  t: TestContext,
  url: string,
  more: { clock?: Clock; maxWaitingAlerts?: number } = {},
): { cache: RedisCache; log: Log } {
  const log = new Log();
  const cache = new RedisCache({
    url,
    clock: systemClock,
    log,
    commandTimeoutMs: COMMAND_TIMEOUT_MS,
    reconnectMaxMs: 100,
    ...more,
  });
  t.after(() => cache.close());
  return { cache, log };
}

async function serverFor(t: TestContext, port?: number): Promise<RunningRedis> {
  const server = await startRedis(port === undefined ? {} : { port });
  t.after(() => server.kill());
  return server;
}

/** What another program would see: its own connection, once what it waits for is there. */
async function reading<T>(url: string, read: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url);
  try {
    return await read(redis);
  } finally {
    redis.disconnect();
  }
}

const isUp = (cache: RedisCache): Promise<true> => until("the cache is up", 10_000, () => cache.state().up);
const isDown = (cache: RedisCache): Promise<true> => until("the cache is down", 10_000, () => !cache.state().up);
const isWritten = (cache: RedisCache): Promise<true> => until("no alert waits", 10_000, () => cache.waitingAlerts === 0);

/** The field `n` of every alert of a tenant's stream, in the stream's order. */
async function alertNumbers(url: string, tenant: string): Promise<number[]> {
  const entries = await reading(url, (redis) => redis.xrange(`meterstorm:{${tenant}}:alerts`, "-", "+"));
  return entries.map(([, fields]) => Number(fields[1]));
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

test("last values stand in the tenant's hash, also more than one command carries", { skip }, async (t) => {
  const server = await serverFor(t);
  const { cache } = cacheAt(t, server.url);
  await isUp(cache);
  const entries = upTo(12_345).map((i) => ({ meter: `m-${i}`, json: JSON.stringify({ ts: i, value: i / 10 }) }));
  assert.equal(await cache.publishLast("acme", entries), true);
  assert.equal(await cache.publishLast("acme", [{ meter: "m-7", json: '{"ts":8,"value":0.8}' }]), true);
  assert.equal(await cache.publishLast("other", []), true);
  const hash = await reading(server.url, (redis) => redis.hgetall("meterstorm:{acme}:last"));
  const expected = Object.fromEntries(entries.map(({ meter, json }) => [meter, json]));
  assert.deepEqual({ ...hash }, { ...expected, "m-7": '{"ts":8,"value":0.8}' });
  assert.equal(cache.errors, 0);
});

test("an alert is one entry of the tenant's stream, its columns as fields, and a stream is trimmed", { skip }, async (t) => {
  const server = await serverFor(t);
  const { cache } = cacheAt(t, server.url, { maxWaitingAlerts: 20_000 });
  await isUp(cache);
  const fields = { ts: "1767225600000", meter: "m1", rule: "night-load", state: "firing", severity: "critical", value: "41" };
  cache.publishAlert("acme", fields);
  await isWritten(cache);
  const entries = await reading(server.url, (redis) => redis.xrange("meterstorm:{acme}:alerts", "-", "+"));
  assert.deepEqual(
    entries.map(([, flat]) => flat),
    [Object.entries(fields).flat()],
  );
  for (const n of upTo(11_000)) cache.publishAlert("busy", { n: String(n) });
  await isWritten(cache);
  const kept = await alertNumbers(server.url, "busy");
  assert.ok(kept.length >= 10_000 && kept.length < 11_000, `${kept.length} entries are kept`);
  assert.deepEqual(kept, upTo(11_000).slice(-kept.length));
});

test("without a Redis nothing is thrown or awaited, and what waits is written in order once there is one", {
  skip,
}, async (t) => {
  const [port] = await freePorts(1);
  assert.ok(port !== undefined);
  const { cache, log } = cacheAt(t, `redis://127.0.0.1:${port}`);
  await until("a failed attempt", 10_000, () => cache.errors > 0);
  assert.match(cache.state().error ?? "", /ECONNREFUSED/);
  for (const n of upTo(1000)) cache.publishAlert("acme", { n: String(n) });
  assert.equal(await cache.publishLast("acme", [{ meter: "m1", json: "{}" }]), false);
  assert.equal(cache.waitingAlerts, 1000);
  assert.deepEqual(log.lines, []);

  const server = await serverFor(t, port);
  await isWritten(cache);
  assert.deepEqual(await alertNumbers(server.url, "acme"), upTo(1000));
  assert.deepEqual(cache.state(), { up: true });
  assert.deepEqual(log.lines, ["info redis answers: last values and alerts are published"]);
});

test("a Redis that is killed and restarted gets what it missed", { skip }, async (t) => {
  const first = await serverFor(t);
  const { cache, log } = cacheAt(t, first.url);
  await isUp(cache);
  cache.publishAlert("acme", { n: "0" });
  await isWritten(cache);
  await first.kill();
  await isDown(cache);
  const errors = cache.errors;
  for (const n of [1, 2, 3]) cache.publishAlert("acme", { n: String(n) });
  assert.equal(await cache.publishLast("acme", [{ meter: "m1", json: '{"ts":1}' }]), false);
  await until("attempts are counted", 10_000, () => cache.errors > errors);

  await serverFor(t, first.port);
  await isWritten(cache);
  // It came back empty, without the first.
  assert.deepEqual(await alertNumbers(first.url, "acme"), [1, 2, 3]);
  assert.equal(await cache.publishLast("acme", [{ meter: "m1", json: '{"ts":2}' }]), true);
  assert.equal(await reading(first.url, (redis) => redis.hget("meterstorm:{acme}:last", "m1")), '{"ts":2}');
  assert.equal(log.lines.filter((line) => line.startsWith("warn")).length, 1);
});

test("a Redis that hangs costs a bounded wait, and no alert is there twice when it goes on", { skip }, async (t) => {
  const server = await serverFor(t);
  const { cache } = cacheAt(t, server.url);
  await isUp(cache);
  process.kill(server.pid, "SIGSTOP");
  for (const n of upTo(600)) cache.publishAlert("acme", { n: String(n) });
  const began = performance.now();
  assert.equal(await cache.publishLast("acme", [{ meter: "m1", json: "{}" }]), false);
  const waitedMs = performance.now() - began;
  assert.ok(waitedMs < COMMAND_TIMEOUT_MS * 5, `the caller waited ${waitedMs} ms`);
  await isDown(cache);
  assert.equal(cache.waitingAlerts, 600);
  const errors = cache.errors;
  await until("it tries again while Redis hangs", 10_000, () => cache.errors > errors);
  assert.equal(cache.state().up, false);

  process.kill(server.pid, "SIGCONT");
  await isWritten(cache);
  // The commands sent before the hang are carried out now, those sent again after it are refused.
  assert.deepEqual(await alertNumbers(server.url, "acme"), upTo(600));
  assert.equal(cache.droppedAlerts, 0);
});

test("what waits is bounded: the oldest alerts are dropped and counted", { skip }, async (t) => {
  const [port] = await freePorts(1);
  assert.ok(port !== undefined);
  const { cache } = cacheAt(t, `redis://127.0.0.1:${port}`, { maxWaitingAlerts: 10 });
  for (const n of upTo(25)) cache.publishAlert("acme", { n: String(n) });
  assert.equal(cache.waitingAlerts, 10);
  assert.equal(cache.droppedAlerts, 15);
  const server = await serverFor(t, port);
  await isWritten(cache);
  assert.deepEqual(await alertNumbers(server.url, "acme"), upTo(25).slice(15));
});

test("an alert reaches the stream even where the clock is behind what stands there", { skip }, async (t) => {
  const server = await serverFor(t);
  await reading(server.url, (redis) => redis.xadd("meterstorm:{acme}:alerts", "9999999999999-5", "n", "-1"));
  const { cache } = cacheAt(t, server.url, { clock: { ...systemClock, nowMs: () => 1000 } });
  await isUp(cache);
  for (const n of [0, 1, 2]) cache.publishAlert("acme", { n: String(n) });
  await isWritten(cache);
  assert.deepEqual(await alertNumbers(server.url, "acme"), [-1, 0, 1, 2]);
});

test("a key of another type loses its alerts and holds up no other", { skip }, async (t) => {
  const server = await serverFor(t);
  await reading(server.url, (redis) => redis.set("meterstorm:{odd}:alerts", "text"));
  await reading(server.url, (redis) => redis.set("meterstorm:{odd}:last", "text"));
  const { cache, log } = cacheAt(t, server.url);
  await isUp(cache);
  cache.publishAlert("odd", { n: "0" });
  cache.publishAlert("acme", { n: "0" });
  await isWritten(cache);
  assert.equal(cache.droppedAlerts, 1);
  assert.equal(await cache.publishLast("odd", [{ meter: "m1", json: "{}" }]), false);
  assert.deepEqual(await alertNumbers(server.url, "acme"), [0]);
  assert.equal(cache.errors, 2);
  assert.match(log.lines.at(-1) ?? "", /refused an alert for meterstorm:\{odd\}:alerts.*WRONGTYPE/);
});

test("closing writes what still waits", { skip }, async (t) => {
  const server = await serverFor(t);
  const { cache } = cacheAt(t, server.url);
  await isUp(cache);
  for (const n of upTo(2000)) cache.publishAlert("acme", { n: String(n) });
  await cache.close();
  assert.deepEqual(await alertNumbers(server.url, "acme"), upTo(2000));
  assert.deepEqual(cache.state(), { up: false, error: "closed" });
});
