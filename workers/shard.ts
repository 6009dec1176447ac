import { systemClock } from "../engine/base/clock.js";
import { MeterstormError, messageOf } from "../engine/base/errors.js";
import { stableHash } from "../engine/base/ids.js";
import { nodeDisk } from "../engine/base/node-disk.js";
import { MeterClaims } from "../engine/memory/claims.js";
import { Life } from "../engine/memory/life.js";
import { Outcome } from "../engine/memory/protocol.js";
import { RingConsumer, RingProducer } from "../engine/memory/ring.js";
import type { ShardEnd, ShardTask } from "../engine/shards/tasks.js";
import { type OpenShard, openShard } from "./loop/open-shard.js";
import { answerPlans } from "./loop/plan-requests.js";
import { openSink } from "./sinks/open-sink.js";

const IDLE_WAIT_MS = 20;
const FULL_WAIT_MS = 2;
const STATS_MS = 250;
const RELEASE_MS = 5_000;
/** What the store gets of the time that a shutdown may take. */
const FLUSH_MS = 5_000;

/** One shard's life on its thread: open, work until told to stop, leave everything safe. */
export default async function runShard(task: ShardTask): Promise<ShardEnd> {
  const output = new RingProducer(task.output);
  try {
    await work(task, output);
    return { code: "stopped" };
  } catch (error) {
    const code = error instanceof MeterstormError ? error.code : "internal";
    const detail =
      error instanceof MeterstormError
        ? messageOf(error)
        : error instanceof Error
          ? (error.stack ?? error.message)
          : String(error);
    return { code: "failed", error: { code, message: detail } };
  }
}

async function work(task: ShardTask, output: RingProducer): Promise<void> {
  const life = new Life(task.life);
  const input = new RingConsumer(task.input, "freed");
  // What the thread before this one had taken, this one has not.
  input.take();
  let failure: MeterstormError | null = null;
  const shard = await openShard({
    clock: systemClock,
    disk: nodeDisk,
    input,
    output,
    directory: task.directory,
    name: `shard ${task.index} of ${task.shards}`,
    plans: task.plans,
    splitTenants: new Set(task.splitTenants),
    // Of a client that is spread over shards nobody knows where a meter will turn up.
    isHome: (tenant) => !task.splitTenants.includes(tenant) && stableHash(tenant) % task.shards === task.index,
    claims: task.claims === null ? null : new MeterClaims(task.claims),
    ack: task.ack,
    journalMaxBytes: task.journalMaxBytes,
    journalKeepMs: task.journalKeepMs,
    openSink: (names) => openSink(task.store, task.storePort, task.directory, names),
    succession: task.succession,
    onDurable: (position) => {
      life.durable = position;
    },
    alive: () => life.beat(),
    onFailed: (error) => {
      failure = error;
    },
    audits: task.store.type !== "none",
    random: Math.random,
    warn: (message) => output.write(Outcome.WARNING, 0, 0, 0, Buffer.from(message)),
  });
  output.write(Outcome.READY, 0, 0, 0);
  output.publish();
  // Ref'd on purpose: the wait for the ring does not keep the thread's loop alive.
  const stats = setInterval(() => {
    life.beat();
    shard.loop.reportStats(shard.snapshots.trouble);
  }, STATS_MS);
  const release = setInterval(() => void shard.snapshots.release(shard.loop.pump.position).catch(() => undefined), RELEASE_MS);
  shard.loop.start();
  answerPlans(task.planPort, shard.loop);
  let isCareful = task.succession?.isCareful ?? false;
  try {
    while (!life.stopRequested) {
      if (failure !== null) throw failure;
      const taken = shard.loop.step(isCareful);
      if (isCareful) await shard.journal.committed(shard.journal.appended);
      shard.snapshots.maybeWrite(shard.loop.pump.position);
      // Whatever it was, it was in the ring at the start.
      if (isCareful && input.unreadBytes() === 0) isCareful = false;
      if (taken > 0) await new Promise((resolve) => setImmediate(resolve));
      else if (input.unreadBytes() === 0) await input.wait(IDLE_WAIT_MS);
      // The journal is full. A wait for the ring would be over at once, since something lies in it, and an endless row
      // of such waits would keep the store's answers and the timers, which alone can make room, from ever being heard.
      else await new Promise((resolve) => setTimeout(resolve, FULL_WAIT_MS));
    }
    await drain(shard);
  } finally {
    clearInterval(stats);
    clearInterval(release);
    task.planPort.close();
  }
}

/** What is in the ring is finished and acked, the store gets what it takes in time, and the state is written down. */
async function drain(shard: OpenShard): Promise<void> {
  while (shard.loop.step() > 0);
  await shard.loop.beside.stop();
  await shard.journal.committed(shard.journal.appended);
  shard.loop.settle();
  await shard.loop.pump.stop(FLUSH_MS);
  shard.loop.settle();
  shard.loop.reportStats(shard.snapshots.trouble);
  await shard.snapshots.writeLast(shard.loop.pump.position);
  await shard.journal.close();
  await shard.sink.close();
}
