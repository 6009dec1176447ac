import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { defaultSettings, type MeterSettings } from "../../engine/base/settings.js";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../engine/base/zone.js";
import type { Input } from "../reference/history.js";
import { changedRows, type MeterRows, rowsOf } from "../reference/meter-rows.js";
import { type RunningEngine, startEngineProcess, type TestTenant } from "../support/engine.js";
import { questDbSkip, startQuestDb } from "../support/questdb.js";
import { tenantOf } from "./meters-over-wire.js";
import { elementsOf } from "./mixed-sender.js";
import { rowsAreShown } from "./shown-rows.js";
import { questDbRows, storedInQuestDb } from "./stored-rows.js";
import { Wire } from "./wire.js";

const START_MS = Date.UTC(2026, 0, 5);
const CADENCE_MS = 15 * MINUTE_MS;
const SETTINGS: MeterSettings = { ...defaultSettings("Europe/Madrid"), maxRate: 40, unit: "kWh" };
const PER_FRAME = 1000;

/** A meter's history without a fault: 0.25 kWh each quarter of an hour. */
function history(days: number): Input[] {
  return Array.from({ length: (days * DAY_MS) / CADENCE_MS }, (_, i) => ({ ts: START_MS + i * CADENCE_MS, value: 100 + i / 4 }));
}

async function engineFor(
  t: TestContext,
  config: Record<string, unknown>,
  meters: readonly { meter: string; settings: MeterSettings }[],
): Promise<{ engine: RunningEngine; tenant: TestTenant }> {
  const tenant = tenantOf("acme", meters);
  const engine = await startEngineProcess({ config: { shards: 1, ...config, tenants: [tenant.config] } });
  t.after(() => engine.kill9());
  await engine.ready();
  return { engine, tenant };
}

/** Sends inputs of a meter in frames from `seq` on; resolves with the last seq, not yet acked. */
function send(wire: Wire, seq: number, meter: string, inputs: readonly Input[]): number {
  for (let from = 0; from < inputs.length; from += PER_FRAME) {
    wire.send({ seq: seq++, readings: elementsOf(inputs.slice(from, from + PER_FRAME).map((input) => ({ meter, input }))) });
  }
  return seq - 1;
}

test('with ack "stored" the rows that a late reading changes are in the store when it is acked', async (t) => {
  const { engine, tenant } = await engineFor(t, { ack: "stored" }, [{ meter: "m", settings: SETTINGS }]);
  const wire = await Wire.open(engine.wsUrl, tenant.tokens.ingest, "dl");
  const inputs = history(10);
  let seq = send(wire, 1, "m", inputs);
  await wire.acked(seq);
  const noon = START_MS + 2 * DAY_MS + 12 * HOUR_MS;
  const value = (ts: number) => 100 + (ts - START_MS) / CADENCE_MS / 4;
  const lates: Input[] = [
    { ts: noon + 7 * MINUTE_MS, value: value(noon) + 0.05 },
    { ts: noon - DAY_MS, value: value(noon - DAY_MS) - 0.1, rev: 1 },
    { ts: noon + 7 * MINUTE_MS, value: value(noon) + 0.06, rev: 1 },
    { ts: noon + 3 * MINUTE_MS, exchange: { final: value(noon) + 0.01, start: value(noon) + 0.01 } },
    { ts: START_MS - HOUR_MS, value: 99 },
  ];
  for (const late of lates) {
    wire.send({ seq: ++seq, readings: elementsOf([{ meter: "m", input: late }]) });
    await wire.acked(seq);
    inputs.push(late);
    await rowsAreShown(engine.url, tenant.tokens.read, [{ meter: "m", settings: SETTINGS, rows: rowsOf(SETTINGS, inputs) }], 0);
  }
  assert.deepEqual(wire.rejected, []);
});

for (const store of ["duckdb", "questdb"] as const) {
  test(`with ack "stored" only their own datalogger waits for late readings: ${store}`, {
    skip: store === "questdb" && questDbSkip(),
  }, async (t) => {
    const questDb = store === "questdb" ? await startQuestDb() : null;
    t.after(() => questDb?.kill());
    const address = questDb === null ? { type: "duckdb" } : { type: "questdb", http: questDb.httpUrl };
    const meters = Array.from({ length: 12 }, (_, i) => `m-${i}`);
    const all = [...meters, "other"].map((meter) => ({ meter, settings: SETTINGS }));
    const { engine, tenant } = await engineFor(t, { ack: "stored", store: address }, all);
    const late = await Wire.open(engine.wsUrl, tenant.tokens.ingest, "late");
    const live = await Wire.open(engine.wsUrl, tenant.tokens.ingest, "live");
    const inputs = history(10);
    let seq = 0;
    for (const meter of meters) seq = send(late, seq + 1, meter, inputs.slice(-1));
    await late.acked(seq);
    // Each meter's history, newest first: as much as a window holds.
    for (const meter of meters) seq = send(late, seq + 1, meter, inputs.slice(0, -1).reverse());
    let acked = 0;
    for (let i = 1; !late.acks.some((ack) => ack.seq >= seq); i++) {
      assert.equal(late.closed, null);
      live.send({ seq: i, readings: [["other", START_MS + i * MINUTE_MS, i / 100]] });
      await live.acked(i);
      acked = i;
    }
    assert.ok(acked >= 2, `${acked} frames of another datalogger were acked while the late ones waited`);
    const rows = rowsOf(SETTINGS, inputs);
    await rowsAreShown(
      engine.url,
      tenant.tokens.read,
      meters.map((meter) => ({ meter, settings: SETTINGS, rows })),
      30_000,
    );
    t.diagnostic(`${acked} frames were acked meanwhile`);
  });
}

test('with ack "stored" a datalogger that sends late readings all the time gets its acks all the same', async (t) => {
  const meters = Array.from({ length: 8 }, (_, i) => `m-${i}`);
  const { engine, tenant } = await engineFor(
    t,
    { ack: "stored" },
    meters.map((meter) => ({ meter, settings: SETTINGS })),
  );
  const late = await Wire.open(engine.wsUrl, tenant.tokens.ingest, "late");
  const live = await Wire.open(engine.wsUrl, tenant.tokens.ingest, "live");
  const days = 30;
  const inputs = new Map(meters.map((meter) => [meter, history(days)]));
  let first = 1;
  for (const [meter, of] of inputs) first = send(late, first, meter, of) + 1;
  await late.acked(first - 1);
  let seq = first;
  for (; !late.acks.some((ack) => ack.seq >= first); seq++) {
    const sent = seq - first;
    assert.ok(sent < 100, `${sent} frames with a late reading were sent, and the first is not acked`);
    // Here and there, so that nothing of it is in memory.
    const ts = START_MS + ((sent * 251) % (days * 24)) * HOUR_MS + 7 * MINUTE_MS;
    const reading = { ts, value: 100 + (ts - START_MS) / CADENCE_MS / 4 };
    const meter = meters[sent % meters.length]!;
    late.send({ seq, readings: elementsOf([{ meter, input: reading }]) });
    inputs.get(meter)!.push(reading);
    live.send({ seq: seq - first + 1, readings: [["other", START_MS + seq * MINUTE_MS, seq / 100]] });
    await live.acked(seq - first + 1);
  }
  await late.acked(seq - 1);
  const shown = meters.map((meter) => ({ meter, settings: SETTINGS, rows: rowsOf(SETTINGS, inputs.get(meter)!) }));
  await rowsAreShown(engine.url, tenant.tokens.read, shown, 0);
  t.diagnostic(`the first late frame was acked while ${seq - first} were sent`);
});

test("whoever sends history behind newer readings is given the window of one frame, and the old one afterwards", async (t) => {
  const { engine, tenant } = await engineFor(t, {}, [{ meter: "m", settings: SETTINGS }]);
  const wire = await Wire.open(engine.wsUrl, tenant.tokens.ingest, "dl");
  const inputs = history(4);
  const windowAfter = async (seq: number, some: readonly Input[]) => {
    const last = send(wire, seq, "m", some);
    await wire.acked(last);
    return wire.acks[wire.acks.length - 1]?.window;
  };
  const whole = await windowAfter(1, inputs.slice(-1));
  assert.equal(await windowAfter(2, inputs.slice(0, -1)), 65_536);
  const newer = { ts: inputs[inputs.length - 1]!.ts + CADENCE_MS, value: 1_000 };
  assert.equal(await windowAfter(3, [newer]), whole);
});

test("one late reading among two months writes the rows that differ and no others: questdb", {
  skip: questDbSkip(),
}, async (t) => {
  // So that the server remembers how many rows each transaction brought.
  const questDb = await startQuestDb({ env: { QDB_CAIRO_DEFAULT_SEQUENCER_PART_TXN_COUNT: "1000" } });
  t.after(() => questDb.kill());
  const store = { type: "questdb", http: questDb.httpUrl };
  const { engine, tenant } = await engineFor(t, { store }, [{ meter: "m", settings: SETTINGS }]);
  const wire = await Wire.open(engine.wsUrl, tenant.tokens.ingest, "dl");
  const inputs = history(61);
  let seq = send(wire, 1, "m", inputs);
  await wire.acked(seq);
  const shows = (rows: MeterRows) =>
    rowsAreShown(engine.url, tenant.tokens.read, [{ meter: "m", settings: SETTINGS, rows }], 60_000);
  let rows = rowsOf(SETTINGS, inputs);
  await shows(rows);
  const noon = START_MS + DAY_MS + 12 * HOUR_MS;
  const lates: Input[] = [
    { ts: noon + 7 * MINUTE_MS, value: 100 + (noon - START_MS) / CADENCE_MS / 4 + 0.05 },
    { ts: noon + HOUR_MS + 7 * MINUTE_MS, value: 5 },
    { ts: noon + DAY_MS, value: 100 + (noon + DAY_MS - START_MS) / CADENCE_MS / 4 - 0.05, rev: 1 },
  ];
  for (const late of lates) {
    const [stored, written] = [await storedInQuestDb(questDb.httpUrl, "acme"), await rowsWritten(questDb.httpUrl)];
    wire.send({ seq: ++seq, readings: elementsOf([{ meter: "m", input: late }]) });
    await wire.acked(seq);
    inputs.push(late);
    const before = rows;
    rows = rowsOf(SETTINGS, inputs);
    await shows(rows);
    const should = sorted(changedRows(before, rows));
    assert.ok(should.length >= 2 && should.length < 10);
    const now = await storedInQuestDb(questDb.httpUrl, "acme");
    assert.deepEqual(sorted(changedRows(stored.get("m")!, now.get("m")!)), should);
    assert.equal(await rowsWritten(questDb.httpUrl), written + should.length);
  }
});

/** Rows that the server was sent for the two tables, those included that replaced others. */
async function rowsWritten(httpUrl: string): Promise<number> {
  let sum = 0;
  for (const table of ["readings", "consumption"]) {
    const [row] = await questDbRows(httpUrl, `SELECT sum(rowCount) FROM wal_transactions('${table}')`);
    sum += Number(row?.[0]);
  }
  return sum;
}

function sorted(rows: Map<string, string>): [string, string][] {
  return [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
}
