import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { systemClock } from "../../engine/base/clock.js";
import { frameSizes, type ReplayHooks, type ReplayOptions, type ReplayResult, replay } from "../../engine/load/replay.js";
import { ContractServer } from "../client/contract-server.js";

const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2024, 0, 1);

interface Bench {
  server: ContractServer;
  file: string;
  options: ReplayOptions;
}

async function benchFor(t: TestContext, rows: number): Promise<Bench> {
  const server = await ContractServer.start();
  const folder = mkdtempSync(join(tmpdir(), "meterstorm-replay-"));
  t.after(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });
  const file = join(folder, "house.csv");
  writeFileSync(file, `start,energy\n${rowsText(0, rows)}`);
  const options: ReplayOptions = {
    file,
    url: server.url,
    token: "a.k.s",
    datalogger: "dl",
    meter: "house",
    as: "counter",
    intervalMs: HOUR_MS,
    format: "binary",
    frameReadings: 10,
    mixed: false,
    seed: 1,
    readingsPerSecond: null,
    state: join(folder, "state.json"),
    restart: false,
  };
  return { server, file, options };
}

function rowsText(from: number, to: number): string {
  let text = "";
  for (let i = from; i < to; i++) text += `${new Date(START_MS + i * HOUR_MS).toISOString()},0.${1 + (i % 7)}\n`;
  return text;
}

/** What a register shows after so many of those rows: counted in tenths. */
function register(rows: number): number {
  let tenths = 0;
  for (let i = 0; i < rows; i++) tenths += 1 + (i % 7);
  return tenths / 10;
}

function expectedReadings(from: number, to: number) {
  return Array.from({ length: to - from }, (_, i) => ({
    meter: "house",
    ts: START_MS + (from + i) * HOUR_MS,
    value: register(from + i),
    rev: 0,
  }));
}

function run(options: ReplayOptions, hooks: Partial<ReplayHooks> = {}): Promise<ReplayResult> {
  return replay(options, { clock: systemClock, random: () => 0, ...hooks });
}

for (const format of ["binary", "text", "both"] as const) {
  test(`${format}: a file of hourly energy arrives as an exact register`, async (t) => {
    const { server, options } = await benchFor(t, 95);
    const result = await run({ ...options, format });
    assert.deepEqual(server.readings, expectedReadings(0, 96));
    assert.deepEqual(result, { rows: 95, resumedRows: 0, emptyRows: 0, sent: 96, acked: 96, rejected: 0, complete: true });
    const kinds = server.frames.map((frame) => frame.binary);
    const expected = { binary: () => true, text: () => false, both: (_: unknown, i: number) => i % 2 === 0 }[format];
    assert.deepEqual(kinds, kinds.map(expected));
    assert.deepEqual(JSON.parse(readFileSync(options.state, "utf8")).ackedRows, 95);
  });
}

test("an interrupted replay goes on behind the last acked row, with the register as it was", async (t) => {
  const { server, options } = await benchFor(t, 200);
  const interrupt = new AbortController();
  const first = await run(options, {
    signal: interrupt.signal,
    onProgress: ({ sent }) => {
      if (sent >= 50) interrupt.abort();
    },
  });
  assert.equal(first.complete, false);
  assert.equal(first.acked, 50, "five frames of ten readings, the first of them before the first row");
  const second = await run(options);
  assert.deepEqual(second, { rows: 200, resumedRows: 49, emptyRows: 0, sent: 151, acked: 151, rejected: 0, complete: true });
  assert.deepEqual(server.readings, expectedReadings(0, 201));
});

test("rows that were sent but not acked are sent again by the next run", async (t) => {
  const { server, options } = await benchFor(t, 100);
  server.autoAck = false;
  const interrupt = new AbortController();
  const first = run(options, { signal: interrupt.signal }).catch((error: unknown) => error);
  // The engine acks three frames, then says that it is over.
  await server.until(() => server.received === 11);
  server.ack(3);
  server.send({ type: "error", code: "seq_reused", message: "the frame 4" });
  assert.equal(((await first) as { code: string }).code, "seq_reused");
  assert.equal(JSON.parse(readFileSync(options.state, "utf8")).ackedRows, 29);
  server.autoAck = true;
  server.forget(3);
  const second = await run(options);
  assert.equal(second.resumedRows, 29);
  assert.deepEqual(server.readings, expectedReadings(0, 101));
});

test("a file that grew is gone on with, one that is done sends nothing", async (t) => {
  const { server, file, options } = await benchFor(t, 30);
  await run(options);
  assert.equal((await run(options)).sent, 0);
  writeFileSync(file, rowsText(30, 45), { flag: "a" });
  assert.equal((await run(options)).sent, 15);
  assert.deepEqual(server.readings, expectedReadings(0, 46));
});

test("what is remembered of another file or another way is not gone on with, unless it is to begin anew", async (t) => {
  const { server, options } = await benchFor(t, 30);
  await run(options);
  await assert.rejects(run({ ...options, meter: "other" }), { code: "replay_state", message: /--restart/ });
  writeFileSync(options.file, "ts,value\n1704067200000,1\n");
  await assert.rejects(run(options), { code: "replay_state" });
  const again = await run({ ...options, restart: true });
  assert.deepEqual([again.sent, again.resumedRows], [1, 0]);
  assert.equal(server.readings.length, 32);
});

test("mixed frames are of every size up to the largest, the same for the same seed, and change nothing else", async (t) => {
  const { server, options } = await benchFor(t, 400);
  await run({ ...options, mixed: true, frameReadings: 60, format: "both" });
  assert.deepEqual(server.readings, expectedReadings(0, 401));
  const sizes = new Set(server.frames.map((frame) => frame.readings.length));
  assert.ok(sizes.size > 8 && Math.max(...sizes) <= 61, [...sizes].join(" "));
  const draw = (seed: number) => Array.from({ length: 500 }, frameSizes(60, true, seed));
  assert.deepEqual(draw(1), draw(1));
  assert.notDeepEqual(draw(1), draw(2));
  assert.ok(draw(1).every((size) => size >= 1 && size <= 60));
  assert.ok(draw(1).includes(1) && draw(1).some((size) => size > 50));
});

test("rejected readings are counted and named, and do not stop the replay", async (t) => {
  const { server, options } = await benchFor(t, 30);
  const rejects: unknown[] = [];
  server.judge = (frame) => (frame.seq === 2 ? [{ seq: 2, index: 0, meter: "house", code: "ts_too_old" }] : []);
  const result = await run(options, { onReject: (rejected) => rejects.push(rejected) });
  assert.deepEqual([result.acked, result.rejected, result.complete], [31, 1, true]);
  assert.deepEqual(rejects, [{ seq: 2, index: 0, meter: "house", code: "ts_too_old" }]);
});

test("a faulty row stops the replay with its line, and what was acked is remembered", async (t) => {
  const { options, file } = await benchFor(t, 30);
  writeFileSync(file, "2024-01-02T06:00:00Z,oops\n", { flag: "a" });
  await assert.rejects(run(options), { code: "csv_row", message: /^line 32/ });
});
