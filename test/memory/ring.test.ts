import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { createRing, RingConsumer, RingProducer } from "../../engine/memory/ring.js";

function payload(length: number, first: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (first + i) & 0xff);
}

function read(consumer: RingConsumer): Uint8Array {
  return consumer.bytes.slice(consumer.payloadAt, consumer.payloadAt + consumer.payloadBytes);
}

test("what is written comes out whole, in order, only after it is published", () => {
  const ring = createRing(4096);
  const producer = new RingProducer(ring);
  const consumer = new RingConsumer(ring);
  assert.equal(producer.write(7, 11, 13, 1.5, payload(5, 1), payload(3, 100)), true);
  assert.equal(consumer.next(), false);
  producer.publish();
  assert.equal(consumer.next(), true);
  assert.deepEqual([consumer.type, consumer.id, consumer.extra, consumer.number], [7, 11, 13, 1.5]);
  assert.deepEqual([...read(consumer)], [1, 2, 3, 4, 5, 100, 101, 102]);
  assert.equal(consumer.next(), false);
});

test("space is not reused before it is given back, though it was read", () => {
  const ring = createRing(4096);
  const producer = new RingProducer(ring);
  const consumer = new RingConsumer(ring);
  let written = 0;
  while (producer.write(1, written, 0, 0, payload(1000, written))) written++;
  assert.equal(written, 4);
  producer.publish();
  const cursors: number[] = [];
  while (consumer.next()) cursors.push(consumer.cursor);
  consumer.take();
  assert.equal(producer.pendingBytes(), 0);
  assert.equal(producer.write(1, 9, 0, 0, payload(1000, 9)), false);
  consumer.free(cursors[0]!);
  assert.equal(producer.write(1, 9, 0, 0, payload(900, 9)), true);
});

test("a successor finds what its predecessor had read and not given back", () => {
  const ring = createRing(4096);
  const producer = new RingProducer(ring);
  const dead = new RingConsumer(ring);
  for (let id = 0; id < 3; id++) producer.write(1, id, 0, 0, payload(8, id));
  producer.publish();
  dead.next();
  const first = dead.cursor;
  dead.next();
  dead.take();
  dead.free(first);
  const successor = new RingConsumer(ring, "freed");
  const ids: number[] = [];
  while (successor.next()) ids.push(successor.id);
  assert.deepEqual(ids, [1, 2]);
});

test("any sequence of writes, reads and frees gives every record once, in order, unharmed by the wraps", () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ op: fc.constant("write" as const), length: fc.integer({ min: 0, max: 1500 }) }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant("publish" as const), length: fc.constant(0) }) },
    { weight: 3, arbitrary: fc.record({ op: fc.constant("read" as const), length: fc.constant(0) }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant("free" as const), length: fc.constant(0) }) },
  );
  let wraps = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 400, size: "max" }), (steps) => {
      const ring = createRing(4096);
      const producer = new RingProducer(ring);
      const consumer = new RingConsumer(ring);
      const written: Uint8Array[] = [];
      let published = 0;
      let taken = 0;
      let bytes = 0;
      for (const { op, length } of steps) {
        if (op === "write") {
          const data = payload(length, written.length);
          if (producer.write(1, written.length, 0, length, data)) {
            written.push(data);
            bytes += length;
          }
        } else if (op === "publish") {
          producer.publish();
          published = written.length;
        } else if (op === "read") {
          const found = consumer.next();
          assert.equal(found, taken < published);
          if (!found) continue;
          assert.equal(consumer.id, taken);
          assert.deepEqual(read(consumer), written[taken]);
          taken++;
          consumer.take();
        } else consumer.free(consumer.cursor);
      }
      wraps += Math.floor(bytes / 4096);
    }),
    { numRuns: 300 },
  );
  assert.ok(wraps > 100, `the cases went round the ring only ${wraps} times`);
});

test("a waiting consumer is woken by a publish, and by its timeout when nothing comes", async () => {
  const ring = createRing(4096);
  const producer = new RingProducer(ring);
  const consumer = new RingConsumer(ring);
  await consumer.wait(30);
  assert.equal(consumer.next(), false);
  const woken = consumer.wait(10_000);
  setImmediate(() => {
    producer.write(1, 5, 0, 0);
    producer.publish();
  });
  await woken;
  assert.equal(consumer.next(), true);
  assert.equal(consumer.id, 5);
});

test("two threads pass a million records without losing, doubling or tearing one", async () => {
  const ring = createRing(1 << 16);
  const module = new URL("../../engine/memory/ring.js", import.meta.url).href;
  const code = `
    const { workerData } = require("node:worker_threads");
    import(${JSON.stringify(module)}).then(({ RingProducer }) => {
      const producer = new RingProducer(workerData);
      const data = new Uint8Array(40);
      for (let i = 0; i < 1_000_000; ) {
        data.fill(i & 0xff);
        if (producer.write(1, i, ~i >>> 0, i, data.subarray(0, i % 41))) i++;
        else producer.publish();
      }
      producer.publish();
    });`;
  const worker = new Worker(code, { eval: true, workerData: ring });
  const consumer = new RingConsumer(ring);
  let expected = 0;
  while (expected < 1_000_000) {
    let found = false;
    while (consumer.next()) {
      found = true;
      if (consumer.id !== expected || consumer.extra !== ~expected >>> 0 || consumer.number !== expected)
        assert.fail(`record ${expected} is torn`);
      if (consumer.payloadBytes !== expected % 41) assert.fail(`record ${expected} has ${consumer.payloadBytes} bytes`);
      for (let i = 0; i < consumer.payloadBytes; i++)
        if (consumer.bytes[consumer.payloadAt + i] !== (expected & 0xff)) assert.fail(`payload ${expected} is torn`);
      expected++;
    }
    consumer.take();
    consumer.free(consumer.cursor);
    if (!found) await consumer.wait(100);
  }
  assert.equal(consumer.next(), false);
  await worker.terminate();
});
