import assert from "node:assert/strict";
import { test } from "node:test";
import { createTenant, startEngineProcess } from "../support/engine.js";
import { questDbSkip, startQuestDb } from "../support/questdb.js";
import { until } from "../support/servers.js";
import { ask, readingsOf } from "./api.js";
import { Neighbour } from "./neighbour.js";
import { Wire } from "./wire.js";

const TS = Date.UTC(2026, 0, 1);

test('with ack "stored" an acked reading can be read at once', async (t) => {
  const tenant = createTenant("acme");
  const engine = await startEngineProcess({ config: { shards: 1, ack: "stored", tenants: [tenant.config] } });
  t.after(() => engine.kill9());
  await engine.ready();
  const wire = await Wire.open(engine.wsUrl, tenant.tokens.ingest, "dl");
  assert.equal(wire.welcome.ack, "stored");
  for (let seq = 1; seq <= 5; seq++) {
    wire.send({ seq, readings: [["m", TS + seq * 1000, seq]] });
    await wire.acked(seq);
    const rows = await readingsOf(engine.url, tenant.tokens.read, "m");
    assert.equal(rows.at(-1)?.value, seq);
  }
});

test("QuestDB gone for a while: durable acks go on, stored ones wait, and nothing is missing when it is back", {
  skip: questDbSkip(),
}, async (t) => {
  let questDb = await startQuestDb();
  t.after(() => questDb.kill());
  const { port, dataDir } = questDb;
  const store = { type: "questdb", http: questDb.httpUrl };
  const [going, waiting] = await Promise.all(
    (["durable", "stored"] as const).map(async (ack) => {
      const tenant = createTenant(ack);
      const engine = await startEngineProcess({ config: { shards: 1, ack, store, tenants: [tenant.config] } });
      t.after(() => engine.kill9());
      await engine.ready();
      const open = () => Wire.open(engine.wsUrl, tenant.tokens.ingest, "dl");
      const wire = await open();
      return { engine, open, wire, neighbour: new Neighbour(wire, engine.url, tenant.tokens.read, ack) };
    }),
  );
  assert.ok(going !== undefined && waiting !== undefined);
  for (const { neighbour } of [going, waiting]) {
    neighbour.send();
    await neighbour.undisturbed();
  }

  await questDb.kill();
  for (let round = 0; round < 20; round++) {
    going.neighbour.send();
    waiting.neighbour.send();
    await going.neighbour.undisturbed();
  }
  const degraded = await until("readyz names the store", 20_000, async () => {
    const answer = await ask(going.engine.url, "/readyz", null);
    return (answer.body as { degraded: string[] }).degraded.length > 0 && answer;
  });
  assert.equal(degraded.status, 200);
  assert.match((degraded.body as { degraded: string[] }).degraded.join(), /^shard 0: store: ./);
  assert.equal(waiting.wire.acks.at(-1)?.seq, 1, "what only the journal has is not stored");
  // Whoever connects now is not told of a lastSeq that is not stored, and is not asked to send again what is known.
  const newcomer = waiting.open();

  questDb = await startQuestDb({ port, dataDir });
  await going.neighbour.stored();
  assert.deepEqual(await waiting.wire.ended(), { code: 1008, reason: "replaced", error: null, message: "" });
  assert.equal((await newcomer).welcome.lastSeq, 21);
  await waiting.neighbour.stored();
});
