import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AlertDelivery } from "../../engine/alert-delivery.js";
import { Input } from "../../engine/memory/protocol.js";
import { RingConsumer } from "../../engine/memory/ring.js";
import { Shard } from "../../engine/shards/shard.js";
import { SimClock } from "../support/sim-clock.js";

function stand() {
  const shard = new Shard(0);
  const ring = new RingConsumer(shard.input);
  const clock = new SimClock(0);
  const keeping: { key: string; done: () => void }[] = [];
  const streamed: string[] = [];
  const published: string[] = [];
  const delivery = new AlertDelivery({
    clock,
    stream: (_tenant, json) => streamed.push((JSON.parse(json) as { key: string }).key),
    publish: ({ key }) => published.push(key),
    keep: ({ key }) => new Promise((done) => keeping.push({ key, done })),
  });
  const tell = (key: string, position: number) => delivery.alert(shard, position, JSON.stringify({ key, tenant: "acme" }));
  /** What the shard was answered since it was last asked. */
  const answers = (): number[] => {
    const found: number[] = [];
    while (ring.next()) {
      assert.equal(ring.type, Input.TOLD);
      found.push(ring.number);
    }
    ring.take();
    ring.free(ring.cursor);
    return found;
  };
  const keep = async (...keys: string[]): Promise<void> => {
    for (const key of keys) keeping.find((waiting) => waiting.key === key)!.done();
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(1);
  };
  return { shard, clock, delivery, tell, answers, keep, streamed, published };
}

test("a shard is answered up to what is kept and never past what is not; who listens hears at once", async () => {
  const { shard, delivery, tell, answers, keep, streamed, published } = stand();
  const keys = ["a", "b", "c", "d"];
  for (const [i, key] of keys.entries()) tell(key, 100 + i);
  assert.deepEqual([streamed, published], [keys, keys]);
  await keep("d", "b");
  assert.deepEqual(answers(), []);
  await keep("a");
  assert.deepEqual(answers(), [101]);
  assert.equal(delivery.waiting(shard), 2);
  await keep("c");
  assert.deepEqual(answers(), [103]);
  assert.equal(delivery.waiting(shard), 0);
});

test("what becomes safe together is answered once; a ring without room is tried again", async () => {
  const { shard, clock, tell, answers, keep } = stand();
  for (let i = 1; i <= 100; i++) tell(`k${i}`, i);
  await keep(...Array.from({ length: 100 }, (_, i) => `k${i + 1}`));
  assert.deepEqual(answers(), [100]);
  const large = new Uint8Array(1 << 20);
  const filler: boolean[] = [];
  while (shard.sendControl(Input.QUERY, 0, 0, large)) filler.push(true);
  while (shard.sendControl(Input.QUERY, 0, 0)) filler.push(true);
  tell("late", 101);
  await keep("late");
  const ring = new RingConsumer(shard.input);
  for (const _ of filler) assert.ok(ring.next());
  assert.equal(ring.next(), false, "there was no room for an answer");
  ring.take();
  ring.free(ring.cursor);
  clock.advance(100);
  assert.ok(ring.next());
  assert.deepEqual([ring.type, ring.number], [Input.TOLD, 101]);
});

test("whatever is kept in whatever order, no answer covers a transition that is not", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 12 }), fc.infiniteStream(fc.nat()), async (count, choices) => {
      const { tell, answers, keep } = stand();
      const open = Array.from({ length: count }, (_, i) => i + 1);
      for (const position of open) tell(`k${position}`, position);
      let last = 0;
      while (open.length > 0) {
        const [next] = open.splice(choices.next().value! % open.length, 1);
        await keep(`k${next}`);
        for (const answer of answers()) {
          assert.ok(answer > last && open.every((position) => position > answer), `${answer} covers one of ${open.join()}`);
          last = answer;
        }
      }
      assert.equal(last, count);
    }),
  );
});
