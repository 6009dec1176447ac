import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { WebSocket } from "ws";
import { createTenant, type RunningEngine, startEngineProcess } from "../support/engine.js";
import { AlertListener } from "./alert-listener.js";
import { ask } from "./api.js";
import { Wire } from "./wire.js";

const TS = Date.UTC(2026, 0, 1);
const SECOND_MS = 1000;
const LEVELS = [
  { severity: "info", threshold: 10 },
  { severity: "critical", threshold: 20 },
];
const RULES = [
  { id: "load", meters: "main-*", on: "value", op: ">", levels: LEVELS },
  { id: "swing", meters: "swings", on: "value", op: ">", threshold: 1 },
];
const settings = { meters: [{ match: "*", kind: "gauge", decimals: 1 }], rules: RULES };

async function stage(t: TestContext): Promise<{ engine: RunningEngine; acme: Tenant; other: Tenant }> {
  const [acme, other] = [createTenant("acme", settings), createTenant("other", settings)];
  const engine = await startEngineProcess({ config: { shards: 1, tenants: [acme.config, other.config] } });
  t.after(() => engine.kill9());
  await engine.ready();
  return { engine, acme, other };
}

type Tenant = ReturnType<typeof createTenant>;

async function ticket(engine: RunningEngine, token: string): Promise<{ ticket: string; protocol: string; expires: string }> {
  const { status, body } = await ask(engine.url, "/v1/tickets", token, { method: "POST" });
  assert.equal(status, 200);
  return body as { ticket: string; protocol: string; expires: string };
}

test("who listens hears each transition of its own client as it happens, levels too, by token or by a ticket that is good once", async (t) => {
  const { engine, acme, other } = await stage(t);
  const byToken = await AlertListener.open(engine.wsUrl, { token: acme.tokens.read });
  const given = await ticket(engine, acme.tokens.admin);
  assert.equal(given.protocol, `ticket.${given.ticket}`);
  const expiresInMs = Date.parse(given.expires) - Date.now();
  assert.ok(expiresInMs > 20_000 && expiresInMs <= 30_000);
  const byTicket = await AlertListener.open(engine.wsUrl, { protocols: [given.protocol] });
  assert.equal(byTicket.socket.protocol, "meterstorm.v1");
  const foreign = await AlertListener.open(engine.wsUrl, { token: other.tokens.read });

  await assert.rejects(AlertListener.open(engine.wsUrl, { protocols: [given.protocol] }), /refused with 401/, "a second time");
  await assert.rejects(AlertListener.open(engine.wsUrl, { protocols: [] }), /refused with 401/);
  await assert.rejects(AlertListener.open(engine.wsUrl, { token: acme.tokens.ingest }), /refused with 403/);
  const ingest = await ticket(engine, acme.tokens.ingest);
  await assert.rejects(AlertListener.open(engine.wsUrl, { protocols: [ingest.protocol] }), /refused with 403/, "its key's role");
  assert.equal((await ask(engine.url, "/v1/tickets", null, { method: "POST" })).status, 401);
  assert.equal((await ask(engine.url, "/v1/tickets", acme.tokens.read)).status, 405);

  const wire = await Wire.open(engine.wsUrl, acme.tokens.ingest, "dl");
  const values = [5, 15, 25, 18, 3];
  wire.send({ seq: 1, readings: values.map((value, i) => ["main-1", TS + i * SECOND_MS, value]) });
  await wire.acked(1);
  const heard = await byToken.hears(4);
  const incident = heard[0]!.incident;
  const row = (i: number, state: string, severity: string, threshold: number) => ({
    ...{ key: `${incident}-${state}-${severity}-${TS + i * SECOND_MS}`, ts: new Date(TS + i * SECOND_MS).toISOString() },
    ...{ tenant: "acme", meter: "main-1", rule: "load", incident, state, severity, value: values[i], threshold },
  });
  assert.deepEqual(heard, [
    row(1, "firing", "info", 10),
    row(2, "firing", "critical", 20),
    row(3, "firing", "info", 10),
    row(4, "resolved", "info", 10),
  ]);
  assert.deepEqual(await byTicket.hears(4), heard);
  assert.deepEqual(foreign.heard, []);

  const sender = await ticket(engine, acme.tokens.ingest);
  const socket = new WebSocket(`${engine.wsUrl}/v1/stream?datalogger=browser`, ["meterstorm.v1", sender.protocol]);
  const welcome = await new Promise<string>((resolve, reject) => {
    socket.once("message", (data) => resolve(String(data)));
    socket.once("close", () => reject(new Error("closed")));
    socket.once("error", reject);
  });
  assert.match(welcome, /"type":"welcome".*"datalogger":"browser"/);
  socket.close();

  assert.equal(await engine.stop(), 0);
  assert.deepEqual(await byToken.ended(), { code: 1001, reason: "shutting down" });
});

test("a reader that does not keep up is closed with a reason; the others miss nothing", async (t) => {
  const { engine, acme } = await stage(t);
  const quick = await AlertListener.open(engine.wsUrl, { token: acme.tokens.read });
  const slow = await AlertListener.open(engine.wsUrl, { token: acme.tokens.read });
  slow.socket.pause();
  const wire = await Wire.open(engine.wsUrl, acme.tokens.ingest, "dl");
  // Each reading is a transition; together they are more than sockets of this machine hold.
  const [frames, each] = [60, 1000];
  for (let seq = 1; seq <= frames; seq++) {
    const readings = Array.from({ length: each }, (_, i) => [
      "swings",
      TS + (seq * each + i) * SECOND_MS,
      (i + 1) % 2 === 0 ? 0 : 2,
    ]);
    wire.send({ seq, readings });
    await wire.acked(seq);
  }
  await quick.hears(frames * each);
  slow.socket.resume();
  const { code, reason } = await slow.ended();
  assert.equal(code, 1013);
  assert.match(reason, /^too_slow: /);
  assert.ok(slow.heard.length < quick.heard.length);
  assert.deepEqual(slow.heard, quick.heard.slice(0, slow.heard.length), "what it was told it was told in order");
  const { body } = await ask(engine.url, "/metrics", null);
  assert.match(String(body), /^meterstorm_alert_streams_too_slow_total 1$/m);
  assert.match(String(body), /^meterstorm_alert_streams\{tenant="acme"\} 1$/m);
  wire.close();
});
