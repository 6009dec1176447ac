import { systemClock } from "../../engine/base/clock.js";
import { MeterstormError, messageOf } from "../../engine/base/errors.js";
import { stableHash } from "../../engine/base/ids.js";
import { nodeDisk } from "../../engine/base/node-disk.js";
import type { Failure, ShardToExamine, TrialFindings } from "../../engine/base/shard-findings.js";
import { createRing, RingConsumer, RingProducer } from "../../engine/memory/ring.js";
import { openShard } from "../loop/open-shard.js";
import { NoSink } from "../sinks/none.js";
import { OverlayDisk } from "./overlay-disk.js";

/** Nothing but warnings goes through it. */
const RING_BYTES = 64 * 1024;

/**
 * Opens the shard as a start does, by the same code, on a disk that keeps every change to itself. No input is taken and no
 * store is asked.
 */
export async function tryStart(task: ShardToExamine): Promise<TrialFindings> {
  const startMs = systemClock.monotonicMs();
  const warnings: string[] = [];
  let late: number | null = null;
  let refusal: Failure | null = null;
  try {
    const shard = await openShard({
      clock: systemClock,
      disk: new OverlayDisk(nodeDisk),
      input: new RingConsumer(createRing(RING_BYTES)),
      output: new RingProducer(createRing(RING_BYTES)),
      directory: task.directory,
      name: `shard ${task.index} of ${task.shards}`,
      plans: task.plans ?? [],
      splitTenants: new Set(task.splitTenants),
      isHome: (tenant) => !task.splitTenants.includes(tenant) && stableHash(tenant) % task.shards === task.index,
      claims: null,
      ack: "durable",
      journalMaxBytes: task.journalMaxBytes,
      journalKeepMs: 0,
      openSink: () => new NoSink(),
      onFailed: () => undefined,
      audits: false,
      random: () => 0.5,
      warn: (message) => warnings.push(message),
    });
    late = shard.applier.late.size;
    await shard.journal.close();
  } catch (error) {
    refusal = failureOf(error);
  }
  return { refusal, late, warnings, tookMs: Math.round(systemClock.monotonicMs() - startMs) };
}

/** As a shard's thread reports what it ends with. */
export function failureOf(error: unknown): Failure {
  return { code: error instanceof MeterstormError ? error.code : "internal", message: messageOf(error) };
}
