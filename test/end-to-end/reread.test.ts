import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { WebSocket } from "ws";
import { type ConfigFile, createTenant, type RunningEngine, startEngineProcess, type TestTenant } from "../support/engine.js";
import { until } from "../support/servers.js";
import { AlertListener } from "./alert-listener.js";
import { ask, readingsOf } from "./api.js";
import { Neighbour } from "./neighbour.js";
import { Wire } from "./wire.js";

const TS = Date.UTC(2026, 0, 1);
const SECOND_MS = 1000;
const WITHIN_MS = 20_000;
const APPLIED = /"msg":"the configuration was read again and is in force"/;

async function started(t: TestContext, config: ConfigFile): Promise<RunningEngine> {
  const engine = await startEngineProcess({ config: { shards: 2, ...config } });
  t.after(() => engine.kill9());
  await engine.ready();
  return engine;
}

function withSettings({ config }: TestTenant, settings: ConfigFile): ConfigFile {
  return { ...config, ...settings };
}

/** Its keys without one. */
function without({ config }: TestTenant, key: string): ConfigFile {
  return { ...config, keys: (config["keys"] as { id: string }[]).filter(({ id }) => id !== key) };
}

/** The status with which a datalogger is refused. */
function refusal(engine: RunningEngine, token: string, datalogger = "dl"): Promise<number | undefined> {
  const headers = { authorization: `Bearer ${token}` };
  const socket = new WebSocket(`${engine.wsUrl}/v1/stream?datalogger=${datalogger}`, "meterstorm.v1", { headers });
  return new Promise((resolve, reject) => {
    socket.once("open", () => reject(new Error("it was let in")));
    socket.once("error", reject);
    socket.once("unexpected-response", (_request, response) => {
      response.destroy();
      resolve(response.statusCode);
    });
  });
}

test("clients come, change and go while others send on as if nothing were", async (t) => {
  const [acme, other, added] = [createTenant("acme"), createTenant("other"), createTenant("added")];
  const engine = await started(t, { shards: 2, tenants: [acme.config, other.config] });
  const neighbour = new Neighbour(await Wire.open(engine.wsUrl, other.tokens.ingest, "n"), engine.url, other.tokens.read, "n");
  const wire = await Wire.open(engine.wsUrl, acme.tokens.ingest, "dl");
  const admin = await Wire.open(engine.wsUrl, acme.tokens.admin, "by-admin");
  const stream = await AlertListener.open(engine.wsUrl, { token: acme.tokens.read });
  wire.send({ seq: 1, readings: [["m1", TS, 5]] });
  await wire.acked(1);
  assert.equal(await refusal(engine, added.tokens.ingest), 401);
  neighbour.send();

  await t.test("a client is added, a key goes and takes what it opened with it, a limit holds", async () => {
    const limited = { ...without(acme, "ingest"), limits: { connections: 2 } };
    const said = await engine.reread({ shards: 2, tenants: [limited, other.config, added.config] });
    assert.match(said, APPLIED);
    assert.match(said, /"added":\["added"\],"removed":\[\]/);
    neighbour.send();
    assert.deepEqual(await wire.ended(), { code: 1008, reason: "key_removed", error: null, message: "" });
    assert.equal(await refusal(engine, acme.tokens.ingest), 401);
    assert.equal(admin.closed, null, "of another key");
    assert.equal(stream.closed, null);
    const again = await Wire.open(engine.wsUrl, acme.tokens.admin, "dl");
    assert.equal(again.welcome.lastSeq, 1);
    assert.equal(await refusal(engine, acme.tokens.admin, "third"), 429);
    const first = await Wire.open(engine.wsUrl, added.tokens.ingest, "dl");
    first.send({ seq: 1, readings: [["m1", TS, 7]] });
    await first.acked(1);
    for (const open of [again, first]) open.close();
  });

  await t.test("a client is taken out: what it has open is closed, and what it sent stays", async () => {
    assert.match(await engine.reread({ shards: 2, tenants: [other.config, added.config] }), /"removed":\["acme"\]/);
    neighbour.send();
    assert.deepEqual(await admin.ended(), { code: 1008, reason: "tenant_removed", error: null, message: "" });
    assert.deepEqual(await stream.ended(), { code: 1008, reason: "tenant_removed" });
    assert.equal((await ask(engine.url, "/v1/meters", acme.tokens.admin)).status, 401);
    assert.equal(await refusal(engine, acme.tokens.admin), 401);
    assert.match(await engine.reread({ shards: 2, tenants: [acme.config, other.config, added.config] }), /"added":\["acme"\]/);
    const back = await Wire.open(engine.wsUrl, acme.tokens.ingest, "dl");
    assert.equal(back.welcome.lastSeq, 1);
    back.send({ seq: 2, readings: [["m1", TS + SECOND_MS, 6]] });
    await back.acked(2);
    await until("both readings are there", WITHIN_MS, async () => {
      const rows = await readingsOf(engine.url, acme.tokens.read, "m1");
      return rows.length === 2 && rows[1]!.delta === 1;
    });
    back.close();
  });

  neighbour.send();
  await neighbour.undisturbed();
  await neighbour.stored();
  neighbour.close();
  assert.equal(await engine.stop(), 0);
});

test("a file with faults, one that cannot be read and one that old rows do not follow from change nothing and say why", async (t) => {
  const meters = [{ match: "*", kind: "gauge", decimals: 1 }];
  const [acme, added] = [createTenant("acme", { meters }), createTenant("added")];
  const engine = await started(t, { tenants: [acme.config] });
  const wire = await Wire.open(engine.wsUrl, acme.tokens.ingest, "dl");
  wire.send({ seq: 1, readings: [["m1", TS, 5]] });
  await wire.acked(1);
  const nothingChanged = async (): Promise<void> => {
    assert.equal((await ask(engine.url, "/v1/meters", added.tokens.read)).status, 401);
    const { settings } = (await ask(engine.url, "/v1/meters/m1", acme.tokens.read)).body as { settings: { kind: string } };
    assert.equal(settings.kind, "gauge");
    assert.equal(wire.closed, null);
  };

  const faulty = await engine.reread({ shards: 2, ack: "never", tenants: [added.config, { id: "a.b" }] });
  assert.match(faulty, /"path":"ack".*found \\"never\\"/);
  assert.match(faulty, /"path":"tenants\[1\]\.id".*found \\"a\.b\\"/);
  assert.match(faulty, /"code":"config_invalid".*has faults \(2\): nothing is changed/);
  await nothingChanged();
  assert.match(await engine.reread('{"tenants":['), /"code":"config_invalid"/);
  await nothingChanged();

  const counters = withSettings(acme, { meters: [{ match: "*", decimals: 1, maxRate: 9 }] });
  const refused = await engine.reread({ shards: 2, tenants: [counters, added.config] });
  assert.match(refused, /"code":"settings_changed".*nothing is changed: .*kind was \\"gauge\\" and is \\"counter\\".*\\"from\\"/);
  await nothingChanged();

  const from = new Date(TS + 60 * SECOND_MS).toISOString();
  const dated = withSettings(acme, { meters: [...meters, { match: "*", decimals: 1, maxRate: 9, from }] });
  assert.match(await engine.reread({ shards: 2, tenants: [dated, added.config] }), APPLIED);
  wire.send({ seq: 2, readings: [60, 120].map((s) => ["m1", TS + s * SECOND_MS, s / 60]) });
  await wire.acked(2);
  const rows = await until("three readings are there", WITHIN_MS, async () => {
    const found = await readingsOf(engine.url, acme.tokens.read, "m1");
    return found.length === 3 && found;
  });
  assert.deepEqual(
    rows.map(({ delta, flags }) => [delta, ...flags]),
    [[null], [null, "FIRST"], [1]],
    "a counter from its date on",
  );
  const { body } = await ask(engine.url, "/metrics", null);
  assert.match(String(body), /^meterstorm_configuration_reloads_total\{result="applied"\} 1$/m);
  assert.match(String(body), /^meterstorm_configuration_reloads_total\{result="refused"\} 1$/m);
  wire.close();

  await engine.kill9();
  const again = await startEngineProcess({ config: { shards: 2, dataDir: engine.dataDir, tenants: [dated, added.config] } });
  t.after(() => again.kill9());
  await again.ready();
  assert.equal((await readingsOf(again.url, acme.tokens.read, "m1")).length, 3);
});

test("what only a restart changes is named, and the rest is in force", async (t) => {
  const [acme, added, spread] = [createTenant("acme"), createTenant("added"), createTenant("spread", { shards: 2 })];
  const engine = await started(t, { tenants: [acme.config] });
  const said = await engine.reread({
    ...{ shards: 1, ack: "stored", listen: { host: "127.0.0.1", port: 1 } },
    tenants: [withSettings(acme, { shards: 2 }), added.config, spread.config],
  });
  const line = said.split("\n").find((each) => each.includes("only a restart")) ?? "";
  assert.deepEqual((JSON.parse(line) as { restart: string[] }).restart, [
    "listen",
    "shards",
    "ack",
    "tenants[0].shards (acme)",
    "tenants[2].shards (spread)",
  ]);
  for (const [tenant, status] of [
    [acme, 200],
    [added, 200],
    [spread, 401],
  ] as const)
    assert.equal((await ask(engine.url, "/v1/meters", tenant.tokens.read)).status, status);
  const wire = await Wire.open(engine.wsUrl, added.tokens.ingest, "dl");
  wire.send({ seq: 1, readings: [["m", TS, 1]] });
  await wire.acked(1);
  assert.equal(await engine.stop(), 0);
  // What was added while the engine ran is known to the next start, which moves it like what was always there.
  const moved = { shards: 2, dataDir: engine.dataDir, tenants: [acme.config, withSettings(added, { shards: 2 })] };
  const again = await startEngineProcess({ config: moved });
  t.after(() => again.kill9());
  await again.ready();
  assert.match(again.logs(), /: done in /, "its shards are moved");
  const after = await Wire.open(again.wsUrl, added.tokens.ingest, "dl");
  assert.equal(after.welcome.lastSeq, 1);
  after.send({ seq: 2, readings: [["m", TS + 60_000, 3]] });
  await after.acked(2);
  const deltas = await until("both are stored", WITHIN_MS, async () => {
    const rows = await readingsOf(again.url, added.tokens.read, "m");
    return rows.length === 2 && rows.map(({ delta }) => delta);
  });
  assert.deepEqual(deltas, [null, 2]);
});
