import assert from "node:assert/strict";
import { test } from "node:test";
import { createTenant, startEngineProcess } from "../support/engine.js";
import { until } from "../support/servers.js";
import { Wire } from "./wire.js";

const FRAMES = 16;
const READINGS = 32_000;

test("every reject of a whole window of faulty frames is listed, though the lists are thirty times as long as the frames", async () => {
  const acme = createTenant("acme");
  const engine = await startEngineProcess({ config: { shards: 1, tenants: [acme.config] } });
  await engine.ready();
  const wire = await Wire.open(engine.wsUrl, acme.tokens.ingest, "d1");
  const readings = Array.from({ length: READINGS }, () => 1);
  for (let seq = 1; seq <= FRAMES; seq++) wire.send({ seq, readings });
  await until("all are listed", 60_000, () => {
    assert.equal(wire.closed, null);
    return wire.acks.reduce((sum, { rejected = [] }) => sum + rejected.length, 0) >= FRAMES * READINGS;
  });
  const places = new Set(wire.rejected.map((reject) => JSON.stringify(reject)));
  assert.equal(places.size, FRAMES * READINGS);
  assert.equal(wire.acks.at(-1)?.seq, FRAMES);
  wire.send({ seq: FRAMES + 1, readings: [["m", Date.UTC(2026, 0, 1), 1]] });
  await wire.acked(FRAMES + 1);
  wire.close();
  assert.equal(await engine.stop(), 0);
});
