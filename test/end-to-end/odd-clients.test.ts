import assert from "node:assert/strict";
import { test } from "node:test";
import { createTenant, startEngineProcess } from "../support/engine.js";
import { until } from "../support/servers.js";
import { ask } from "./api.js";

const TS = Date.UTC(2026, 0, 1);
/** Names that every object has, and that clients, dataloggers, meters and rules may have. */
const ODD = ["constructor", "toString", "__proto__"];

test("clients, dataloggers, meters and rules called as what every object has are counted, stored and alerted, over a start and a SIGHUP", async (t) => {
  const of = (id: string) => {
    const rules = [{ id, meters: id, on: "value", op: ">", threshold: 5 }];
    return createTenant(id, { meters: [{ match: id, kind: "gauge" }], rules });
  };
  const [first, ...later] = ODD.map(of);
  const config = { shards: 2, tenants: [first!.config] };
  let engine = await startEngineProcess({ config });
  t.after(() => engine.kill9());
  await engine.ready();
  const all = { ...config, tenants: [first!, ...later].map((tenant) => tenant.config) };
  const said = await engine.reread(all);
  assert.match(said, /the configuration was read again and is in force/);
  const metrics = async () => String((await ask(engine.url, "/metrics", null)).body);
  for (const [i, id] of ODD.entries()) {
    const { tokens } = [first!, ...later][i]!;
    const body = JSON.stringify([{ meter: id, ts: TS, value: 10 }]);
    const answer = await ask(engine.url, `/v1/readings?datalogger=${id}`, tokens.ingest, { method: "POST", body });
    assert.deepEqual([answer.status, answer.body], [200, { accepted: 1, rejected: [] }]);
    const alert = await until(`the alert of ${id}`, 20_000, async () => {
      const found = (await ask(engine.url, "/v1/alerts", tokens.read)).body as { meter: string; rule: string }[];
      return found.length === 1 && found[0];
    });
    assert.deepEqual([alert.meter, alert.rule], [id, id]);
    await until(`the counts of ${id}`, 20_000, async () => {
      const text = await metrics();
      const counts = [
        `meterstorm_readings_received_total{tenant="${id}"} 1`,
        `_transitions_total{tenant="${id}",state="firing"} 1`,
      ];
      return counts.every((line) => text.includes(line));
    });
  }
  assert.doesNotMatch(engine.logs(), /only a restart changes/);
  assert.equal(await engine.stop(), 0);
  engine = await startEngineProcess({ config: { ...all, dataDir: engine.dataDir } });
  await engine.ready();
  for (const [i, id] of ODD.entries()) {
    const meters = (await ask(engine.url, "/v1/meters", [first!, ...later][i]!.tokens.read)).body as { meter: string }[];
    assert.deepEqual(
      meters.map(({ meter }) => meter),
      [id],
    );
  }
});
