import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { createTenant, type RunningEngine, startEngineProcess, type TestTenant } from "../support/engine.js";
import { Random } from "../support/random.js";
import { temporaryDirectory, until } from "../support/servers.js";
import { ask } from "./api.js";
import { Fleet } from "./fleet.js";
import { Wire } from "./wire.js";

/** A shard goes on within this time after its thread has died, hung, or failed to write. */
const REPLACED_WITHIN_MS = 5_000;
const SHARDS = 3;
const FAULTS = ["throw", "exit", "hang", "memory", "sync", "write"] as const;

const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const faults = temporaryDirectory("faults");
/** One client in each shard, by the hashes of their ids. */
const tenants: TestTenant[] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"].map((id) => createTenant(id));
let engine: RunningEngine;
let fleet: Fleet;

before(async () => {
  engine = await startEngineProcess({
    config: { shards: SHARDS, tenants: tenants.map(({ config }) => config), store: { type: "duckdb" } },
    env: {
      NODE_OPTIONS: `--max-old-space-size=160 --import ${new URL("../support/thread-faults.js", import.meta.url).href}`,
      FAULTS_IN: faults,
    },
  });
  await engine.ready();
  const members = tenants.map((tenant) => ({ tenant, dataloggers: 2 }));
  fleet = new Fleet(engine.wsUrl, members, new Random(seed));
  fleet.start();
});
after(() => engine?.kill9());

function timesOpenedAgain(): number {
  return engine.logs().split('"msg":"shard open again"').length - 1;
}

async function strike(shard: number, fault: string): Promise<number> {
  const before = timesOpenedAgain();
  writeFileSync(`${faults}/fault-${shard}`, fault);
  await until(`shard ${shard} hits "${fault}"`, 10_000, () => engine.logs().split("shard is opened again").length - 1 > before);
  const startMs = performance.now();
  await until(`shard ${shard} is open again after "${fault}"`, 30_000, () => timesOpenedAgain() > before);
  return performance.now() - startMs;
}

for (const [i, fault] of FAULTS.entries()) {
  test(`a shard's thread: ${fault}; another one goes on, and the others notice nothing`, async (t) => {
    t.diagnostic(`SEED=${seed}`);
    const shard = i % SHARDS;
    const bystanders = await Promise.all(tenants.map((tenant) => Wire.open(engine.wsUrl, tenant.tokens.ingest, `by-${fault}`)));
    const acked = fleet.ackedReadings;
    await until("frames are under way", 10_000, () => fleet.ackedReadings > acked + 100);
    const ms = await strike(shard, fault);
    t.diagnostic(`open again after ${Math.round(ms)} ms`);
    assert.ok(ms <= REPLACED_WITHIN_MS, `${Math.round(ms)} ms`);
    // Connections outlive the thread, and are answered by the next one.
    for (const wire of bystanders) {
      wire.send({ seq: 1, readings: [[`by-${fault}`, Date.UTC(2026, 0, 1), 1]] });
      await until("its frame is acked", 10_000, () => wire.acks.some(({ seq }) => seq === 1));
      assert.equal(wire.closed, null);
      wire.close();
    }
  });
}

test("a frame that ends every thread that reads it is refused in words and kept, and its neighbours are taken", async () => {
  const [tenant] = tenants as [TestTenant];
  const wire = await Wire.open(engine.wsUrl, tenant.tokens.ingest, "unlucky");
  for (const [i, meter] of ["before", "deadly", "after"].entries())
    wire.send({ seq: i + 1, readings: [[meter, Date.UTC(2026, 0, 1), 1]] });
  await until("all three are acked", 30_000, () => wire.acks.some(({ seq }) => seq === 3));
  assert.deepEqual(
    (wire.rejected as { seq: number; code: string }[]).map(({ seq, code }) => [seq, code]),
    [[2, "malformed"]],
  );
  assert.equal(wire.closed, null);
  wire.close();
  const post = (meter: string) => {
    const body = JSON.stringify([{ meter, ts: Date.UTC(2026, 0, 1), value: 1 }]);
    return ask(engine.url, "/v1/readings?datalogger=posts", tenant.tokens.ingest, { method: "POST", body });
  };
  const answer = await post("deadly");
  assert.deepEqual([answer.status, (answer.body as { error: { code: string } }).error.code], [500, "set_aside"]);
  await until("posts are taken", 10_000, async () => (await post("harmless")).status === 200);
});

test("all that was acked is there, once, with its delta, and nobody had to connect again", async () => {
  const acked = fleet.ackedReadings;
  await until("the fleet is heard", 10_000, () => fleet.ackedReadings > acked + 100);
  await fleet.drained();
  await fleet.stored(engine);
  assert.equal(fleet.mostConnections, 1);
});
