import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "../../engine/base/limits.js";
import { Lane } from "../../engine/lanes/lane.js";
import { Scheduler } from "../../engine/lanes/scheduler.js";
import { HELD_UP } from "../../engine/memory/protocol.js";
import { createRing, RingConsumer, RingProducer } from "../../engine/memory/ring.js";

function setUp() {
  const ring = createRing(limits.ringBytes);
  const producer = new RingProducer(ring);
  const consumer = new RingConsumer(ring);
  const clock = { nowMs: 0, tasks: [] as (() => void)[] };
  const scheduler = new Scheduler(
    producer,
    () => clock.nowMs,
    (_delayMs, task) => clock.tasks.push(task),
  );
  scheduler.open();
  return { scheduler, consumer, clock };
}

/** Reads at most `bytes` of payload out of the ring; returns the bytes that each lane got. */
function take(consumer: RingConsumer, bytes: number): Map<number, number> {
  const got = new Map<number, number>();
  for (let read = 0; read < bytes && consumer.next(); read += consumer.payloadBytes) {
    const lane = consumer.extra & ~HELD_UP;
    got.set(lane, (got.get(lane) ?? 0) + consumer.payloadBytes);
  }
  consumer.take();
  consumer.free(consumer.cursor);
  return got;
}

/** Lets the worker's side read `rounds` times while the lanes stay full, and sums up what each lane got. */
function run(scheduler: Scheduler, consumer: RingConsumer, refill: () => void, rounds: number): Map<number, number> {
  const total = new Map<number, number>();
  for (let i = 0; i < rounds; i++) {
    refill();
    scheduler.pump();
    for (const [lane, bytes] of take(consumer, limits.ringWaitingBytes)) total.set(lane, (total.get(lane) ?? 0) + bytes);
  }
  return total;
}

function frame(bytes: number): Uint8Array {
  return new Uint8Array(bytes);
}

function keepFull(scheduler: Scheduler, lane: Lane, bytes: number): void {
  while (lane.bytes < 4 * limits.ringWaitingBytes) scheduler.offer(lane, 1, 0, 0, frame(bytes));
}

test("a lone client's frame goes straight into the ring, and is read as it was sent", () => {
  const { scheduler, consumer } = setUp();
  const lane = new Lane(3, "acme", 1, null);
  scheduler.offer(lane, 2, 77, 123.5, Uint8Array.of(1, 2, 3));
  assert.equal(lane.depth, 0);
  scheduler.pump();
  assert.equal(consumer.next(), true);
  assert.deepEqual([consumer.type, consumer.id, consumer.extra, consumer.number, consumer.payloadBytes], [2, 77, 3, 123.5, 3]);
});

test("frames of one lane keep their order, whether they waited or not", () => {
  const { scheduler, consumer } = setUp();
  const lane = new Lane(0, "acme", 1, null);
  const other = new Lane(1, "other", 1, null);
  const ids: number[] = [];
  for (let id = 0; id < 500; id++) {
    scheduler.offer(lane, 1, id, 0, frame(8000));
    scheduler.offer(other, 1, 10_000, 0, frame(8000));
  }
  for (let i = 0; i < 100; i++) {
    scheduler.pump();
    while (consumer.next()) if (consumer.extra === 0) ids.push(consumer.id);
    consumer.take();
    consumer.free(consumer.cursor);
  }
  assert.deepEqual(
    ids,
    Array.from({ length: 500 }, (_, id) => id),
  );
});

test("only a bounded part waits unread in the ring, the rest in the lanes", () => {
  const { scheduler, consumer } = setUp();
  const lane = new Lane(0, "acme", 1, null);
  for (let id = 0; id < 1000; id++) scheduler.offer(lane, 1, id, 0, frame(10_000));
  scheduler.pump();
  assert.ok(consumer.unreadBytes() <= limits.ringWaitingBytes + 10_100, `${consumer.unreadBytes()} bytes wait`);
  assert.ok(lane.depth > 800);
});

test("full lanes get bytes by their weight, whatever the size of their frames", () => {
  const { scheduler, consumer } = setUp();
  const small = new Lane(0, "small", 1, null);
  const large = new Lane(1, "large", 1, null);
  const heavy = new Lane(2, "heavy", 3, null);
  const refill = () => {
    keepFull(scheduler, small, 1000);
    keepFull(scheduler, large, 60_000);
    keepFull(scheduler, heavy, 10_000);
  };
  run(scheduler, consumer, refill, 5);
  const got = run(scheduler, consumer, refill, 100);
  const ratio = (a: number, b: number) => got.get(a)! / got.get(b)!;
  assert.ok(ratio(1, 0) > 0.95 && ratio(1, 0) < 1.35, `large frames got ${ratio(1, 0)} times what small ones got`);
  assert.ok(ratio(2, 1) > 2.7 && ratio(2, 1) < 3.3, `weight 3 got ${ratio(2, 1)} times weight 1`);
});

test("a client whose bytes cost more of the shard's time gets fewer of them", () => {
  const { scheduler, consumer } = setUp();
  const cheap = new Lane(0, "cheap", 1, null);
  const dear = new Lane(1, "dear", 1, null);
  const refill = () => {
    keepFull(scheduler, cheap, 10_000);
    keepFull(scheduler, dear, 10_000);
  };
  const total = new Map<number, number>();
  for (let i = 0; i < 400; i++) {
    refill();
    scheduler.pump();
    const got = take(consumer, limits.ringWaitingBytes);
    scheduler.charge(cheap, got.get(0) ?? 0, 0, (got.get(0) ?? 0) * 0.02);
    scheduler.charge(dear, got.get(1) ?? 0, 0, (got.get(1) ?? 0) * 0.2);
    if (i >= 200) for (const [lane, bytes] of got) total.set(lane, (total.get(lane) ?? 0) + bytes);
  }
  const cheapTime = total.get(0)! * 0.02;
  const dearTime = total.get(1)! * 0.2;
  assert.ok(total.get(0)! > 3 * total.get(1)!, `cheap ${total.get(0)} bytes, dear ${total.get(1)}`);
  assert.ok(dearTime < 3 * cheapTime, `dear took ${dearTime} µs, cheap ${cheapTime}`);
});

test("no more waits in the ring than takes ten milliseconds, whoever sent it", () => {
  const { scheduler, consumer } = setUp();
  const dear = new Lane(0, "dear", 1, null);
  const cheap = new Lane(1, "cheap", 1, null);
  const microsPerByte = [0.5, 0.002];
  let most = 0;
  for (let i = 0; i < 300; i++) {
    keepFull(scheduler, dear, 10_000);
    keepFull(scheduler, cheap, 10_000);
    scheduler.pump();
    const got = take(consumer, limits.ringWaitingBytes);
    let micros = 0;
    for (const [lane, bytes] of got) micros += bytes * microsPerByte[lane]!;
    if (i >= 20) most = Math.max(most, micros);
    for (const [lane, bytes] of got) scheduler.charge(lane === 0 ? dear : cheap, bytes, 0, bytes * microsPerByte[lane]!);
  }
  // One frame more may go in before it is full.
  assert.ok(most > 5_000 && most <= 10_000 + 10_000 * 0.5, `${most} µs waited`);
});

test("frames whose cost nobody tells do not fill the ring for ever", () => {
  const { scheduler, consumer } = setUp();
  const lane = new Lane(0, "acme", 1, null);
  for (let i = 0; i < 50; i++) {
    keepFull(scheduler, lane, 10_000);
    scheduler.pump();
    assert.ok((take(consumer, limits.ringWaitingBytes).get(0) ?? 0) > 100_000);
  }
});

test("a client over its readings per second waits, and goes on when its allowance is filled again", () => {
  const { scheduler, consumer, clock } = setUp();
  const lane = new Lane(0, "acme", 1, 1000);
  scheduler.offer(lane, 1, 1, 0, frame(100));
  scheduler.pump();
  take(consumer, 1e9);
  scheduler.charge(lane, 100, 3000, 10);
  scheduler.offer(lane, 1, 2, 0, frame(100));
  scheduler.pump();
  assert.equal(consumer.next(), false);
  assert.equal(clock.tasks.length, 1);
  clock.nowMs = 2100;
  clock.tasks.pop()!();
  assert.equal(consumer.next(), true);
  assert.equal(consumer.id, 2);
});

test("nothing goes into the ring before the engine is open", () => {
  const ring = createRing(limits.ringBytes);
  const consumer = new RingConsumer(ring);
  const scheduler = new Scheduler(
    new RingProducer(ring),
    () => 0,
    () => undefined,
  );
  const lane = new Lane(0, "acme", 1, null);
  scheduler.offer(lane, 1, 5, 0, frame(100));
  scheduler.pump();
  assert.equal(consumer.next(), false);
  scheduler.open();
  assert.equal(consumer.next(), true);
  assert.equal(consumer.id, 5);
});

test("a ring that is full of what is not durable yet stops the lanes without losing a frame", () => {
  const { scheduler, consumer } = setUp();
  const lane = new Lane(0, "acme", 1, null);
  const total = 600;
  for (let id = 0; id < total; id++) scheduler.offer(lane, 1, id, 0, frame(60_000));
  let seen = 0;
  for (let i = 0; i < 100; i++) {
    scheduler.pump();
    while (consumer.next()) seen++;
    consumer.take();
  }
  assert.ok(seen < total && seen * 60_000 <= limits.ringBytes);
  for (let i = 0; i < 100; i++) {
    consumer.free(consumer.cursor);
    scheduler.pump();
    while (consumer.next()) seen++;
    consumer.take();
  }
  assert.equal(seen, total);
});

test("a lane that is held keeps what it has, others go on, and it follows when it is let go", () => {
  const { scheduler, consumer } = setUp();
  const held = new Lane(0, "held", 1, null);
  const other = new Lane(1, "other", 1, null);
  held.isHeld = true;
  for (let i = 0; i < 5; i++) {
    scheduler.offer(held, 1, i, 0, frame(100));
    scheduler.offer(other, 1, i, 0, frame(100));
  }
  scheduler.pump();
  assert.deepEqual([...take(consumer, 1e9)], [[1, 500]]);
  assert.equal(held.depth, 5);
  held.isHeld = false;
  scheduler.pump();
  assert.deepEqual([...take(consumer, 1e9)], [[0, 500]]);
});

test("frames that waited for their own client's sake say so, others do not", () => {
  const { scheduler, consumer, clock } = setUp();
  const limited = new Lane(0, "limited", 1, 100);
  const other = new Lane(1, "other", 1, null);
  const heldUp: number[] = [];
  const taken = () => {
    for (; consumer.next(); ) if ((consumer.extra & HELD_UP) !== 0) heldUp.push(consumer.id);
    consumer.take();
    consumer.free(consumer.cursor);
  };
  scheduler.offer(limited, 1, 1, 0, frame(100));
  scheduler.pump();
  taken();
  scheduler.charge(limited, 100, 1000, 10);
  scheduler.offer(limited, 1, 2, 0, frame(100));
  scheduler.offer(other, 1, 3, 0, frame(100));
  scheduler.pump();
  taken();
  assert.deepEqual(heldUp, []);
  clock.nowMs = 20_000;
  scheduler.pump();
  taken();
  assert.deepEqual(heldUp, [2]);
  scheduler.offer(limited, 1, 4, 0, frame(100));
  scheduler.pump();
  taken();
  assert.deepEqual(heldUp, [2]);
});
