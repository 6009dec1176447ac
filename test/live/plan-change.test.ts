import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageChannel } from "node:worker_threads";
import { systemClock } from "../../engine/base/clock.js";
import { MeterstormError } from "../../engine/base/errors.js";
import { Input } from "../../engine/memory/protocol.js";
import { RingConsumer } from "../../engine/memory/ring.js";
import { changePlans, HalfChanged } from "../../engine/shards/plan-change.js";
import { PlanPort } from "../../engine/shards/plan-port.js";
import { Shard } from "../../engine/shards/shard.js";
import type { PlanRequest } from "../../engine/shards/tasks.js";

type Answer = { code: string; message: string } | null;

/** Shards that are open, and whose other side is this. */
function stand(
  t: { after(task: () => void): void },
  count: number,
  answer: (shard: number, kind: PlanRequest["kind"]) => Answer,
) {
  const events: string[] = [];
  const shards = Array.from({ length: count }, (_, index) => {
    const shard = new Shard(index);
    const { port1, port2 } = new MessageChannel();
    shard.plans = new PlanPort(port1);
    shard.trouble = "";
    shard.scheduler.open();
    port2.on("message", ({ id, kind }: PlanRequest) => {
      events.push(`${kind} ${index}`);
      port2.postMessage({ id, error: answer(index, kind) });
    });
    t.after(() => shard.plans?.close());
    return shard;
  });
  const change = (more: { commit?: () => void } = {}) =>
    changePlans(
      shards,
      {
        plans: [],
        commit: () => {
          events.push("commit");
          more.commit?.();
        },
        adopted: () => events.push("adopted"),
      },
      systemClock,
    );
  return { shards, events, change };
}

function send(shard: Shard, tenant: string): void {
  shard.send(shard.lane({ tenant, weight: 1, readingsPerSecond: null }), Input.TEXT, 1, 0, new Uint8Array(8));
}

const no = { code: "settings_changed", message: "m1 has rows" };

test("all shards say that they could before anything is written down, and that is before any of them does", async (t) => {
  const { events, change } = stand(t, 3, () => null);
  await change();
  assert.deepEqual(
    events.map((event) => event.split(" ")[0]),
    ["check", "check", "check", "commit", "adopt", "adopt", "adopt", "adopted"],
  );
});

test("where one shard refuses, none changes; where the change cannot be written down, neither", async (t) => {
  const refusing = stand(t, 3, (shard, kind) => (shard === 1 && kind === "check" ? no : null));
  await assert.rejects(refusing.change(), no);
  assert.deepEqual(refusing.events.sort(), ["check 0", "check 1", "check 2"]);
  const failing = stand(t, 2, () => null);
  const commit = () => {
    throw new MeterstormError("disk", "full");
  };
  await assert.rejects(failing.change({ commit }), { code: "disk" });
  assert.deepEqual(failing.events.slice(2), ["commit"]);
  for (const { scheduler } of [...refusing.shards, ...failing.shards]) assert.equal(scheduler.ringIsDry, true);
});

test("a shard that said it could and then does not is no state to go on from", async (t) => {
  const { events, change } = stand(t, 2, (shard, kind) => (shard === 1 && kind === "adopt" ? no : null));
  await assert.rejects(change(), (error) => error instanceof HalfChanged && error.code === "settings_half_taken");
  assert.ok(!events.includes("adopted"));
});

test("frames that are in a ring are worked on before, and none moves meanwhile; what came goes on behind it", async (t) => {
  const { shards, events, change } = stand(t, 1, () => null);
  const [shard] = shards as [Shard];
  const ring = new RingConsumer(shard.input);
  // Written into the ring, and to be made visible at the end of this turn.
  send(shard, "acme");
  const changing = change();
  send(shard, "acme");
  shard.scheduler.pump();
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(events.length, 0, "the first frame is not worked on yet");
  assert.equal(ring.next(), true);
  assert.equal(ring.next(), false);
  events.push("worked");
  ring.take();
  ring.free(ring.cursor);
  await changing;
  assert.deepEqual(events, ["worked", "check 0", "commit", "adopt 0", "adopted"]);
  assert.equal(ring.next(), true);
});

test("shards that are not open take nothing", async (t) => {
  const { shards, events, change } = stand(t, 2, () => null);
  shards[1]!.trouble = "starting";
  await assert.rejects(change(), { code: "busy" });
  assert.deepEqual(events, []);
});

test("a client that is gone leaves nothing behind in its lane but goodbyes, and limits hold from then on", () => {
  const shard = new Shard(0);
  const ring = new RingConsumer(shard.input);
  const lane = shard.lane({ tenant: "acme", weight: 1, readingsPerSecond: null });
  const other = shard.lane({ tenant: "other", weight: 1, readingsPerSecond: 10 });
  for (const [type, id] of [
    [Input.TEXT, 1],
    [Input.POST, 2],
    [Input.BYE, 3],
    [Input.POST, 4],
  ] as const)
    shard.scheduler.offer(lane, type, id, 0, new Uint8Array(100));
  shard.scheduler.offer(other, Input.TEXT, 5, 0, new Uint8Array(100));
  assert.deepEqual(shard.discard("acme"), [2, 4]);
  assert.deepEqual(shard.discard("nobody"), []);
  shard.retune({ tenant: "other", weight: 3, readingsPerSecond: 2 });
  assert.deepEqual([other.weight, other.readingsPerSecond], [3, 2]);
  other.spend(4);
  assert.equal(other.pauseMs(0), 1000, "two too many at two a second");
  shard.retune({ tenant: "other", weight: 3, readingsPerSecond: null });
  assert.equal(other.pauseMs(0), 0);
  shard.scheduler.open();
  const found: number[] = [];
  while (ring.next()) found.push(ring.id);
  assert.deepEqual(found, [3, 5]);
  assert.equal(shard.scheduler.waitingBytes, 0);
});

test("a shard whose thread ends once it has taken the settings, and before all others have, goes on by the old ones: that is none either", async (t) => {
  const { shards, events, change } = stand(t, 1, () => null);
  const slow = new Shard(1);
  const { port1, port2 } = new MessageChannel();
  slow.plans = new PlanPort(port1);
  slow.trouble = "";
  slow.scheduler.open();
  t.after(() => slow.plans?.close());
  const first = shards[0]!.plans!;
  const answer = async ({ id, kind }: PlanRequest): Promise<void> => {
    if (kind === "adopt") {
      while (!events.includes("adopt 0")) await new Promise((resolve) => setImmediate(resolve));
      // Its answer is there by then.
      await first.ask("check", []);
      first.close();
    }
    port2.postMessage({ id, error: null });
  };
  port2.on("message", (request: PlanRequest) => void answer(request));
  shards.push(slow);
  await assert.rejects(change(), (error: unknown) => error instanceof HalfChanged);
  assert.ok(!events.includes("adopted"));
});
