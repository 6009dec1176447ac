import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { systemClock } from "../../engine/base/clock.js";
import type { LoadOptions } from "../../engine/load/options.js";
import { formatReport, type LoadReport, reportOf } from "../../engine/load/report.js";
import { type LoadHooks, runLoad } from "../../engine/load/run.js";
import { chooseMeters, verifyLoad } from "../../engine/load/verification.js";
import { TinyEngine } from "./tiny-engine.js";

const base: Omit<LoadOptions, "url"> = {
  tokens: ["a.k.s", "b.k.s"],
  readTokens: [],
  dataloggers: 4,
  metersPerDatalogger: 30,
  readingsPerSecond: null,
  durationMs: null,
  readings: 10_001,
  format: "binary",
  textForm: "object",
  frameReadings: 70,
  seed: 3,
  name: "run",
  startMs: null,
  intervalMs: null,
  verify: "all",
  deltas: true,
  patienceMs: 5_000,
  verifyWithinMs: 5_000,
};

async function engineFor(t: TestContext): Promise<TinyEngine> {
  const engine = await TinyEngine.start();
  t.after(() => engine.stop());
  return engine;
}

async function loadOn(
  engine: TinyEngine,
  changes: Partial<LoadOptions> = {},
  hooks: Partial<LoadHooks> = {},
): Promise<LoadReport> {
  const options = { ...base, url: engine.url, ...changes };
  const run = await runLoad(options, { clock: systemClock, random: () => 0, ...hooks });
  return reportOf(options, run, await verifyLoad(options, run, systemClock));
}

for (const [format, textForm] of [
  ["binary", "object"],
  ["text", "object"],
  ["text", "array"],
] as const) {
  test(`${format} (${textForm}): a counted load arrives whole, is read back, and the report says so`, async (t) => {
    const engine = await engineFor(t);
    const report = await loadOn(engine, { format, textForm });
    assert.deepEqual(engine.breaches, []);
    assert.equal(engine.stored, 10_001);
    assert.equal(engine.rows.size, 120);
    assert.equal(engine.texts, format === "text" ? engine.frames : 0);
    assert.deepEqual(
      {
        ...report,
        startedAtMs: report.startedAtMs,
        elapsedMs: 0,
        readingsPerSecond: 0,
        latencyMs: 0,
        cpuMicrosPerReading: 0,
        verification: { ...report.verification, elapsedMs: 0 },
      },
      {
        name: "run",
        seed: 3,
        format,
        ack: "durable",
        dataloggers: 4,
        meters: 120,
        sent: 10_001,
        acked: 10_001,
        rejected: {},
        unacked: 0,
        lost: 0,
        resent: 0,
        reconnects: 0,
        ackedThenForgotten: 0,
        startedAtMs: report.startedAtMs,
        elapsedMs: 0,
        readingsPerSecond: 0,
        latencyMs: 0,
        cpuMicrosPerReading: 0,
        verification: {
          meters: 120,
          ofMeters: 120,
          found: 10_001,
          missing: 0,
          doubled: 0,
          changed: 0,
          foreign: 0,
          faults: [],
          elapsedMs: 0,
        },
        ok: true,
      },
    );
    assert.ok(report.readingsPerSecond > 0 && report.latencyMs.p50 > 0 && report.latencyMs.p50 <= report.latencyMs.p999);
    assert.match(formatReport(report), /^lost +0$/m);
  });
}

test("dataloggers are dealt out to the tenants, and each meter is read with its tenant's token", async (t) => {
  const engine = await engineFor(t);
  await loadOn(engine);
  assert.equal(engine.tokens.get("run-0-00"), "Bearer a.k.s");
  assert.equal(engine.tokens.get("run-1-00"), "Bearer b.k.s");
  assert.equal(engine.tokens.get("run-2-29"), "Bearer a.k.s");
});

const faults: [string, TinyEngine["show"], Partial<LoadReport["verification"] & object>][] = [
  ["missing", (meter, rows) => (meter === "run-2-07" ? rows.toSpliced(40, 1) : rows), { missing: 1 }],
  ["doubled", (meter, rows) => (meter === "run-2-07" ? rows.toSpliced(40, 0, rows[40]!) : rows), { doubled: 1 }],
  ["changed", (meter, rows) => (meter === "run-2-07" ? rows.with(40, { ...rows[40]!, delta: 0.5 }) : rows), { changed: 1 }],
];
for (const [fault, show, findings] of faults) {
  test(`a store in which one acked reading is ${fault} fails the load`, async (t) => {
    const engine = await engineFor(t);
    engine.show = show;
    const report = await loadOn(engine, { verifyWithinMs: 1 });
    assert.equal(report.ok, false);
    assert.deepEqual({ ...report.verification, ...findings }, report.verification);
    assert.equal(report.verification?.faults.length, 1);
    assert.match(formatReport(report), /^FAULT {2}run-2-07: the/m);
  });
}

test("a store that is late, or not reached for a while, is waited for", async (t) => {
  const engine = await engineFor(t);
  engine.unavailable = 3;
  const seen = new Map<string, number>();
  engine.show = (meter, rows) => {
    seen.set(meter, (seen.get(meter) ?? 0) + 1);
    return seen.get(meter) === 1 ? rows.slice(0, 3) : rows;
  };
  const report = await loadOn(engine, { dataloggers: 1, readings: 600, verify: 5 });
  assert.equal(report.ok, true);
  assert.equal(report.verification?.meters, 5);
  assert.equal(report.verification?.found, 100);
});

test("readings that the engine refuses are counted by code and not missed", async (t) => {
  const engine = await engineFor(t);
  let refused = 0;
  engine.refuse = (meter, ts) => {
    if (!meter.endsWith("-11") || ts % 3 !== 0) return null;
    refused++;
    return "value_out_of_range";
  };
  const report = await loadOn(engine, { dataloggers: 1, readings: 3000, startMs: 1704067200000, intervalMs: 1000 });
  assert.ok(refused >= 33);
  assert.deepEqual(report.rejected, { value_out_of_range: refused });
  assert.equal(report.acked, 3000 - refused);
  assert.equal(engine.stored, 3000 - refused);
  assert.equal(report.ok, true);
});

test("a paced load keeps its rate, and counts latency from when a frame was due", async (t) => {
  const engine = await engineFor(t);
  const reports: number[] = [];
  const report = await loadOn(
    engine,
    { readingsPerSecond: 2000, readings: null, durationMs: 600, frameReadings: null },
    { onProgress: (progress) => reports.push(progress.sent) },
  );
  assert.equal(report.ok, true);
  assert.ok(report.sent > 600 && report.sent <= 1200, `${report.sent} readings sent`);
  assert.equal(engine.largest <= 50, true);
  assert.ok(reports.length >= 2);
  // Live: all of it within the last seconds.
  for (const rows of engine.rows.values()) for (const { ts } of rows) assert.ok(Math.abs(Date.now() - ts) < 10_000);
});

test("a lost connection in the middle costs nothing", async (t) => {
  const engine = await engineFor(t);
  let broken = false;
  const original = engine.refuse;
  engine.refuse = (meter, ts) => {
    if (!broken && engine.frames === 60) {
      broken = true;
      setImmediate(() => engine.breakConnections());
    }
    return original(meter, ts);
  };
  const report = await loadOn(engine, { readings: 50_000 });
  assert.equal(report.ok, true);
  assert.ok(report.reconnects >= 1);
  assert.equal(engine.stored, 50_000);
});

test("an engine that comes back without what it had acked fails the load", async (t) => {
  const engine = await engineFor(t);
  const report = await loadOn(
    engine,
    { dataloggers: 1, readings: null, readingsPerSecond: 20_000, durationMs: 500, frameReadings: 10, verify: "none" },
    {
      onProgress: ({ acked }) => {
        if (acked > 0 && engine.forgotten === 0) engine.forgetFrames();
      },
    },
  );
  assert.equal(engine.forgotten, 1);
  assert.deepEqual([report.ok, report.ackedThenForgotten], [false, 1]);
  assert.match(formatReport(report), /^FAULT {2}1 times the engine came back/m);
});

test("an interrupted load waits for what it sent and still reads it back", async (t) => {
  const engine = await engineFor(t);
  const interrupt = new AbortController();
  const report = await loadOn(
    engine,
    { readings: null, durationMs: 60_000, readingsPerSecond: 5000, frameReadings: 10 },
    { signal: interrupt.signal, onProgress: () => interrupt.abort() },
  );
  assert.equal(report.ok, true);
  assert.ok(report.sent > 0 && report.sent < 20_000);
  assert.equal(report.sent, engine.stored);
});

test("what the engine refuses to read back ends the test with its words", async (t) => {
  const engine = await engineFor(t);
  await assert.rejects(loadOn(engine, { readTokens: ["x", "y"] }), { code: "load_read", message: /wrong role.*--read-token/ });
});

test("a count that would run into the future is refused before anything is sent", async (t) => {
  const engine = await engineFor(t);
  await assert.rejects(loadOn(engine, { readings: 1e9, startMs: Date.now() - 3_600_000 }), { code: "load_options" });
  assert.equal(engine.frames, 0);
});

test("a sample holds each meter at most once", () => {
  const sample = chooseMeters(100, 40, 5);
  assert.equal(new Set(sample).size, 40);
  assert.ok(sample.every((meter) => meter >= 0 && meter < 100));
  assert.deepEqual(chooseMeters(3, 5, 1), [0, 1, 2]);
  assert.notDeepEqual(chooseMeters(100, 40, 6), sample);
});
