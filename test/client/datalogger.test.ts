import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Datalogger, type DataloggerOptions, type MeterReading } from "../../engine/client/datalogger.js";
import { ContractServer, type ContractServerOptions } from "./contract-server.js";

const DEADLINE_MS = 5_000;

/** Waits for a condition; fails when it has not come true within the deadline. */
async function until(what: string, condition: () => boolean): Promise<void> {
  const end = Date.now() + DEADLINE_MS;
  while (!condition()) {
    if (Date.now() > end) assert.fail(`within ${DEADLINE_MS} ms: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function serverFor(t: TestContext, options: ContractServerOptions = {}): Promise<ContractServer> {
  const server = await ContractServer.start(options);
  t.after(() => server.stop());
  return server;
}

function dataloggerFor(t: TestContext, server: ContractServer, options: Partial<DataloggerOptions> = {}): Datalogger {
  const datalogger = new Datalogger({
    url: server.url,
    token: "acme.k1.secret",
    datalogger: "dl 1",
    format: "binary",
    ...options,
  });
  t.after(() => datalogger.close());
  return datalogger;
}

function readings(count: number, from = 0): MeterReading[] {
  return Array.from({ length: count }, (_, i) => ({
    meter: `m${(from + i) % 7}`,
    ts: 1767225600000 + from + i,
    value: (from + i) / 8,
    rev: 0,
  }));
}

for (const format of ["binary", "text"] as const) {
  test(`${format}: every reading arrives once, in order, in frames within the limits`, async (t) => {
    const server = await serverFor(t, { maxFrameBytes: 1000, window: 3000 });
    const acks: number[] = [];
    const datalogger = dataloggerFor(t, server, { format, onAck: (frame) => acks.push(frame.readings) });
    const all = readings(2000);
    await Promise.all([
      datalogger.send(all.slice(0, 700)),
      datalogger.send(all.slice(700, 701)),
      datalogger.send(all.slice(701)),
    ]);
    await datalogger.drained();
    assert.deepEqual(server.readings, all);
    assert.deepEqual(server.breaches, []);
    assert.deepEqual(server.connections, [
      { authorization: "Bearer acme.k1.secret", datalogger: "dl 1", protocol: "meterstorm.v1" },
    ]);
    assert.deepEqual(datalogger.counters, { sent: 2000, acked: 2000, rejected: 0, resent: 0, reconnects: 0 });
    assert.equal(
      acks.reduce((sum, count) => sum + count, 0),
      2000,
    );
    assert.equal(server.binds > 0, format === "binary");
  });
}

test("seq goes on from the welcome's lastSeq", async (t) => {
  const server = await serverFor(t);
  server.lastSeq = 2 ** 40;
  const datalogger = dataloggerFor(t, server);
  await datalogger.send(readings(1));
  await datalogger.send(readings(1, 1));
  await datalogger.drained();
  assert.deepEqual(
    server.frames.map((frame) => frame.seq),
    [2 ** 40 + 1, 2 ** 40 + 2],
  );
});

test("nothing is sent beyond the window until an ack opens it, but one frame always is", async (t) => {
  const frameBytes = 16 + 10 * 24;
  const server = await serverFor(t, { autoAck: false, maxFrameBytes: frameBytes, window: frameBytes * 3 });
  const datalogger = dataloggerFor(t, server);
  await datalogger.send(readings(10));
  await until("the first frame is there", () => server.received === 1);
  server.ack();
  let handed = false;
  const sent = datalogger.send(readings(70, 10)).then(() => {
    handed = true;
  });
  await until("three frames are there", () => server.received === 4);
  server.window = 1;
  server.ack(server.frames[1]!.seq);
  server.ack(server.frames[2]!.seq);
  // A window of one byte: the next goes out only once nothing is unacked.
  for (let expected = 4; expected < 8; expected++) {
    assert.equal(server.received, expected);
    assert.equal(handed, false);
    server.ack();
    await until("one more frame is there", () => server.received === expected + 1);
  }
  await sent;
  server.ack();
  await datalogger.drained();
  assert.deepEqual(server.breaches, []);
  assert.deepEqual(server.readings, readings(80));
});

test("after a loss what the engine does not have is sent again, in order, under the same seq, with aliases bound anew", async (t) => {
  const server = await serverFor(t, { autoAck: false, maxFrameBytes: 256 });
  const datalogger = dataloggerFor(t, server, { random: () => 0 });
  await datalogger.send(readings(60));
  await until("all frames are there", () => server.received === 6);
  server.ack(2);
  await until("two are acked", () => datalogger.counters.acked === 20);
  // The engine has 4 safe, the ack of 3 and 4 got lost, and 5 and 6 were never safe.
  server.forget(4);
  server.binds = 0;
  server.breakConnection();
  await until("5 and 6 are there again", () => server.received === 8);
  assert.equal(datalogger.counters.acked, 40);
  server.autoAck = true;
  server.ack();
  await datalogger.send(readings(10, 60));
  await datalogger.drained();
  assert.deepEqual(
    server.frames.map((frame) => frame.seq),
    [1, 2, 3, 4, 5, 6, 7],
  );
  assert.deepEqual(server.readings, readings(70));
  assert.deepEqual(server.breaches, []);
  assert.equal(server.binds, 1);
  assert.deepEqual(datalogger.counters, { sent: 70, acked: 70, rejected: 0, resent: 20, reconnects: 1 });
});

test("readings sent while the engine is away arrive when it is back", async (t) => {
  const server = await serverFor(t);
  const datalogger = dataloggerFor(t, server, { random: () => 0 });
  await datalogger.send(readings(5));
  await datalogger.drained();
  server.refusal = { status: 503 };
  datalogger.breakConnection();
  await until("the loss is noticed", () => !datalogger.connected);
  const sent = datalogger.send(readings(5, 5));
  await until("the first attempt is refused", () => server.refusals === 1);
  server.refusal = { status: 429, headers: { "retry-after": "0" } };
  await until("the second attempt is refused", () => server.refusals === 2);
  server.refusal = null;
  await sent;
  await datalogger.drained();
  assert.deepEqual(server.readings, readings(10));
});

test("rejected readings are counted and handed to the caller; a malformed frame counts whole", async (t) => {
  const server = await serverFor(t, {
    judge: (frame) =>
      frame.seq === 1 ? [{ seq: 1, index: 2, meter: "m2", code: "ts_future" }] : [{ seq: frame.seq, code: "malformed" }],
  });
  const rejects: unknown[] = [];
  const datalogger = dataloggerFor(t, server, { onReject: (rejected) => rejects.push(rejected) });
  await datalogger.send(readings(4));
  await datalogger.send(readings(3, 4));
  await datalogger.drained();
  assert.deepEqual(rejects, [
    { seq: 1, index: 2, meter: "m2", code: "ts_future" },
    { seq: 2, code: "malformed" },
  ]);
  assert.deepEqual(datalogger.counters, { sent: 7, acked: 7, rejected: 4, resent: 0, reconnects: 0 });
});

test("a call may ask for the other format", async (t) => {
  const server = await serverFor(t);
  const datalogger = dataloggerFor(t, server);
  await datalogger.send(readings(3), "text");
  await datalogger.send(readings(3, 3), "binary");
  await datalogger.drained();
  assert.deepEqual(server.readings, readings(6));
  assert.deepEqual(
    server.frames.map((frame) => frame.binary),
    [false, true],
  );
});

test("a declared exchange among binary readings travels as text, in its place", async (t) => {
  const server = await serverFor(t);
  const datalogger = dataloggerFor(t, server);
  await datalogger.send([
    { meter: "m", ts: 1, value: 5 },
    { meter: "m", ts: 2, exchange: { final: 6, start: 1 } },
    { meter: "m", ts: 3, value: 2 },
  ]);
  await datalogger.drained();
  assert.deepEqual(
    server.frames.map(({ binary, readings }) => ({ binary, readings })),
    [
      { binary: true, readings: [{ meter: "m", ts: 1, value: 5, rev: 0 }] },
      { binary: false, readings: [{ meter: "m", ts: 2, exchange: { final: 6, start: 1 }, rev: 0 }] },
      { binary: true, readings: [{ meter: "m", ts: 3, value: 2, rev: 0 }] },
    ],
  );
});

for (const code of ["seq_reused", "over_window"]) {
  test(`the engine's error ${code} ends the datalogger and reaches whoever waits`, async (t) => {
    const server = await serverFor(t, { autoAck: false, maxFrameBytes: 100, window: 100 });
    const datalogger = dataloggerFor(t, server);
    const sent = datalogger.send(readings(10));
    const drained = datalogger.drained();
    await until("a frame is there", () => server.received === 1);
    server.send({ type: "error", code, message: "frame 1 …" });
    server.closeConnection(1008, code);
    await assert.rejects(sent, { name: "MeterstormError", code, message: "frame 1 …" });
    await assert.rejects(drained, { code });
    await assert.rejects(datalogger.send(readings(1)), { code });
    assert.equal(server.connections.length, 1);
  });
}

test("a datalogger that another connection replaced does not fight for its place", async (t) => {
  const server = await serverFor(t, { autoAck: false });
  const datalogger = dataloggerFor(t, server);
  await datalogger.send(readings(1));
  const drained = datalogger.drained();
  server.closeConnection(1008, "replaced");
  await assert.rejects(drained, { code: "replaced" });
  assert.equal(server.connections.length, 1);
});

test("a refused upgrade ends with the server's words where asking again is pointless", async (t) => {
  const server = await serverFor(t);
  server.refusal = { status: 401, body: JSON.stringify({ error: { code: "unauthorized", message: "no such key" } }) };
  const datalogger = dataloggerFor(t, server);
  await assert.rejects(datalogger.connect(), {
    code: "unauthorized",
    message: "the server refused the connection with HTTP 401: no such key",
  });
});

test("an engine that has frames this client never sent is told apart from a lost ack", async (t) => {
  const server = await serverFor(t, { autoAck: false });
  const datalogger = dataloggerFor(t, server, { random: () => 0 });
  await datalogger.send(readings(1));
  server.lastSeq = 50;
  server.breakConnection();
  await assert.rejects(datalogger.drained(), { code: "seq_reused" });
});

test("close ends pending and later calls, before a connection too", async (t) => {
  const server = await serverFor(t);
  const never = dataloggerFor(t, server);
  await never.close();
  await assert.rejects(never.send(readings(1)), { code: "closed" });
  const datalogger = dataloggerFor(t, server);
  server.refusal = { status: 503 };
  const sent = assert.rejects(datalogger.send(readings(1)), { code: "closed" });
  await datalogger.close();
  await sent;
});

test("an address that is none is refused at once", async (t) => {
  const server = await serverFor(t);
  const datalogger = dataloggerFor(t, server, { url: "ftp://x" });
  await assert.rejects(datalogger.connect(), { code: "url_invalid" });
});

test("what a binary frame has no room for is refused, and what came before it is sent", async (t) => {
  const server = await serverFor(t);
  const datalogger = dataloggerFor(t, server);
  await datalogger.send(readings(2));
  for (const rev of [-1, 1.5, 2 ** 32]) {
    await assert.rejects(datalogger.send([{ meter: "m", ts: 1, value: 1, rev }]), { code: "rev_invalid" });
  }
  await assert.rejects(datalogger.send([{ meter: "m".repeat(70_000), ts: 1, value: 1 }]), { code: "meter_invalid" });
  await datalogger.send(readings(2, 2));
  await datalogger.drained();
  assert.deepEqual(server.readings, readings(4));
});
