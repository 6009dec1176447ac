import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { limits } from "../../engine/base/limits.js";
import { defaultSettings } from "../../engine/base/settings.js";
import { reference } from "../reference/reference.js";
import { createTenant, type RunningEngine, startEngineProcess } from "../support/engine.js";
import { until } from "../support/servers.js";
import { allPages, ask, readingsOf, type ShownPeriod } from "./api.js";
import { Wire } from "./wire.js";

const STEP_MS = 91 * 24 * 3_600_000;
const START = Date.UTC(2000, 0, 2);
const COUNT = 106;
const LITTLE_BYTES = 100_000;

const acme = createTenant("acme");
const readings = Array.from({ length: COUNT }, (_, i) => ({ meter: "old", ts: START + i * STEP_MS, value: i * 1000 }));
const frame = { seq: 1, readings };
const expected = reference(defaultSettings("UTC"), readings);

/** The journal's files in order, and how many bytes of each are not the zeros that were reserved. */
function journalFiles(engine: RunningEngine): { path: string; bytes: number }[] {
  const folder = join(engine.dataDir, "shard-0");
  const names = readdirSync(folder).filter((file) => file.endsWith(".seg"));
  return names.sort().map((name) => {
    const path = join(folder, name);
    return { path, bytes: readFileSync(path).findLastIndex((byte) => byte !== 0) + 1 };
  });
}

async function stored(engine: RunningEngine): Promise<void> {
  await until("the last day", 60_000, async () => {
    const last = expected.consumption.filter(({ period }) => period === "day").at(-1)!.ts;
    const { body } = await ask(engine.url, `/v1/meters/old/consumption?period=day&from=${last}`, acme.tokens.read);
    return (body as unknown[]).length === 1;
  });
  const rows = await readingsOf(engine.url, acme.tokens.read, "old");
  assert.deepEqual(
    rows.map(({ ts, value, delta }) => ({ ts: Date.parse(ts), value, delta })),
    expected.readings.map(({ ts, value, delta }) => ({ ts, value, delta })),
  );
  for (const period of ["hour", "day"]) {
    const path = `/v1/meters/old/consumption?period=${period}&limit=10000`;
    const periods = await allPages<ShownPeriod>(engine.url, path, acme.tokens.read);
    assert.deepEqual(
      periods.map(({ ts, value, coverage }) => [Date.parse(ts), value, coverage]),
      expected.consumption.filter((row) => row.period === period).map(({ ts, value, coverage }) => [ts, value, coverage]),
    );
  }
}

test("one frame that closes decades of hours is journaled in parts, none of which stands for the frame", async () => {
  const config = { shards: 1, tenants: [acme.config] };
  const engine = await startEngineProcess({ config });
  await engine.ready();
  const wire = await Wire.open(engine.wsUrl, acme.tokens.ingest, "d1");
  wire.send(frame);
  await wire.acked(1);
  await stored(engine);
  await engine.kill9();
  const files = journalFiles(engine);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  assert.ok(bytes > limits.maxUnitBytes * 1.2, `${bytes} bytes of journal are one unit`);
  // A crash that came before the last part was on the disk, and so before any ack.
  // What a file begun after it holds is none of the frame's.
  for (let last = files[files.length - 1]!; last.bytes < LITTLE_BYTES; last = files[files.length - 1]!) {
    rmSync(last.path);
    files.pop();
  }
  const last = files[files.length - 1]!;
  truncateSync(last.path, last.bytes - 1000);

  const again = await startEngineProcess({ config: { ...config, dataDir: engine.dataDir } });
  await again.ready();
  const next = await Wire.open(again.wsUrl, acme.tokens.ingest, "d1");
  assert.equal(next.welcome.lastSeq, 0);
  next.send(frame);
  await next.acked(1);
  assert.deepEqual(next.rejected, []);
  next.send({ seq: 2, readings: [{ meter: "after", ts: START, value: 1 }] });
  await next.acked(2);
  await until("what was sent last is stored", 60_000, async () => {
    return (await readingsOf(again.url, acme.tokens.read, "after")).length === 1;
  });
  await stored(again);
  next.close();
  assert.equal(await again.stop(), 0);
});
