import assert from "node:assert/strict";
import { test } from "node:test";
import { Receiver } from "../notify/receiver.js";
import { createTenant, startEngineProcess } from "../support/engine.js";
import { until } from "../support/servers.js";
import { ask } from "./api.js";
import { Wire } from "./wire.js";

const TS = Date.UTC(2026, 0, 1);
const WITHIN_MS = 20_000;

test("webhooks come and go with the configuration; what one that went had not taken is a dead letter, and readyz says so", async (t) => {
  const receiver = await Receiver.start();
  t.after(() => receiver.stop());
  const rules = [{ id: "load", on: "value", op: ">", threshold: 10 }];
  const acme = createTenant("acme", { meters: [{ match: "*", kind: "gauge", decimals: 1 }], rules });
  const hooks = (...urls: string[]) => ({
    shards: 1,
    tenants: [{ ...acme.config, webhooks: urls.map((url) => ({ url, secret: "what both know", allowPrivate: true })) }],
  });
  let engine = await startEngineProcess({ config: hooks() });
  t.after(() => engine.kill9());
  await engine.ready();
  const wire = await Wire.open(engine.wsUrl, acme.tokens.ingest, "dl");
  const states: string[] = [];
  const swing = async (seq: number): Promise<void> => {
    wire.send({ seq, readings: [20, 1].map((value, i) => ["m1", TS + (2 * seq + i) * 1000, value]) });
    await wire.acked(seq);
    for (const [i, state] of ["firing", "resolved"].entries())
      states.push(`${state} ${new Date(TS + (2 * seq + i) * 1000).toISOString()}`);
  };
  const received = (): string[] =>
    receiver.received
      .map(({ body }) => JSON.parse(body) as { state: string; ts: string })
      .map(({ state, ts }) => `${state} ${ts}`);

  await swing(1);
  assert.match(await engine.reread(hooks(receiver.url, "http://127.0.0.1:1/")), /is in force/);
  await swing(2);
  await until("both transitions have come", WITHIN_MS, () => received().length === 2);
  assert.deepEqual(received(), states.slice(2), "what was before it is none of its business");
  const degraded = async (): Promise<string[]> => {
    const { status, body } = await ask(engine.url, "/readyz", null);
    assert.equal(status, 200);
    return (body as { degraded: string[] }).degraded;
  };
  assert.deepEqual(await degraded(), []);

  assert.match(await engine.reread(hooks(receiver.url)), /is in force/);
  await until("the dead letters are seen", WITHIN_MS, async () => (await degraded()).length > 0);
  assert.deepEqual(await degraded(), ["webhooks: 2 transitions of acme were not taken by their webhooks and are dead letters"]);
  const { body } = await ask(engine.url, "/metrics", null);
  assert.match(String(body), /^meterstorm_webhook_dead_letters_total\{tenant="acme"\} 2$/m);
  assert.match(String(body), /^meterstorm_webhook_deliveries_total\{tenant="acme",result="delivered"\} 2$/m);
  assert.match(String(body), /^meterstorm_alerts_untold\{shard="0"\} 0$/m);
  wire.close();

  assert.equal(await engine.stop(), 0);
  engine = await startEngineProcess({ config: { ...hooks(receiver.url), dataDir: engine.dataDir } });
  await engine.ready();
  const again = await Wire.open(engine.wsUrl, acme.tokens.ingest, "dl");
  again.send({ seq: 9, readings: [["m1", TS + 100_000, 20]] });
  await again.acked(9);
  await until("the next has come", WITHIN_MS, () => received().length >= 3);
  assert.deepEqual(received().slice(2), [`firing ${new Date(TS + 100_000).toISOString()}`], "and nothing of what it had before");
  again.close();
  assert.equal(await engine.stop(), 0);
});
