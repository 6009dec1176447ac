import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../engine/base/clock.js";
import { UnitType } from "../engine/base/entries.js";
import { limits } from "../engine/base/limits.js";
import { nodeDisk } from "../engine/base/node-disk.js";
import { defaultSettings, type TenantPlan } from "../engine/base/settings.js";
import { createRing, RingConsumer, RingProducer } from "../engine/memory/ring.js";
import type { OpenShard } from "../workers/loop/open-shard.js";
import { openShard } from "../workers/loop/open-shard.js";
import { NoSink } from "../workers/sinks/none.js";

const CLIENT = "acme";
const METERS_A_FRAME = 1000;
const INTERVAL_MS = 5 * 60_000;
const START_MS = Date.UTC(2026, 0, 1);

export interface RecoverySize {
  readonly meters: number;
  /** The journal's budget, which is full: the store has taken nothing of it. */
  readonly journalBytes: number;
}

/** A shard that has not met a store for hours, killed just before a snapshot would have been due. */
export const fullRecovery: RecoverySize = { meters: 1_000_000, journalBytes: 1024 * 1024 * 1024 };
export const smallRecovery: RecoverySize = { meters: 2_000, journalBytes: 4 * 1024 * 1024 };

export interface RecoveryResult {
  readonly snapshotBytes: number;
  /** What the journal has, and how much of it lies behind the snapshot. */
  readonly journalBytes: number;
  readonly replayedBytes: number;
  readonly replayedReadings: number;
  /** From nothing to a shard that takes frames. */
  readonly seconds: number;
  readonly readingsPerSecond: number;
  /** Most bytes that one slice of the snapshot copied while it was written. */
  readonly mostCopiedBytes: number;
  /** Resident memory at the end of the start. */
  readonly rssBytes: number;
  /** Empty: the shard goes on exactly where the one before stood. */
  readonly wrong: string[];
}

/**
 * How long a shard needs after a crash until it takes frames again:
 *
 *     snapshot of all meters ─▶ state ┐
 *     journal behind it, a quarter of the budget ─▶ the same kernels, rows compared ─▶ ready
 */
export async function runRecovery(size: RecoverySize): Promise<RecoveryResult> {
  const directory = await mkdtemp(join(tmpdir(), "meterstorm-recovery-"));
  try {
    const before = await open(directory, size);
    const filled = await fill(before, size);
    const newest = newestOf(before, size.meters);
    const snapshotBytes = await snapshotBytesIn(directory);
    await before.journal.close();
    const startMs = performance.now();
    const after = await open(directory, size);
    const seconds = (performance.now() - startMs) / 1000;
    const again = newestOf(after, size.meters);
    const wrong = again.flatMap((ts, meter) =>
      ts === newest[meter] ? [] : [`meter ${meter}: ${ts} instead of ${newest[meter]}`],
    );
    await after.journal.close();
    return {
      snapshotBytes,
      ...filled,
      seconds,
      readingsPerSecond: filled.replayedReadings / seconds,
      mostCopiedBytes: before.snapshots.mostCopied,
      rssBytes: process.memoryUsage.rss(),
      wrong: wrong.slice(0, 10),
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function planOf(meters: number): TenantPlan {
  const settings = { ...defaultSettings("UTC"), decimals: 3 };
  const plan = { id: CLIENT, timezone: "UTC", meters: [{ match: "*", settings }], rules: [] };
  return { ...plan, maxMeters: meters, maxDataloggers: meters };
}

function open(directory: string, { meters, journalBytes }: RecoverySize): Promise<OpenShard> {
  return openShard({
    clock: systemClock,
    disk: nodeDisk,
    input: new RingConsumer(createRing(limits.ringBytes)),
    output: new RingProducer(createRing(limits.outcomeRingBytes)),
    directory,
    name: "shard 0 of 1",
    plans: [planOf(meters)],
    splitTenants: new Set(),
    isHome: () => true,
    claims: null,
    ack: "durable",
    // The bench says itself when it is full, and when a snapshot is taken.
    journalMaxBytes: 8 * journalBytes,
    journalKeepMs: Number.POSITIVE_INFINITY,
    openSink: () => new NoSink(),
    onFailed: (error) => {
      throw error;
    },
    warn: () => {},
    audits: false,
    random: () => 0.5,
  });
}

type Filled = Pick<RecoveryResult, "journalBytes" | "replayedBytes" | "replayedReadings">;

/** Rounds of readings until the budget is used up, a snapshot where a quarter of it is left. */
async function fill(shard: OpenShard, { meters, journalBytes }: RecoverySize): Promise<Filled> {
  const { journal, snapshots } = shard;
  let snapshot: Promise<void> | null = null;
  let behind = 0;
  for (let first = 0, round = 0; journal.appended < journalBytes; first += METERS_A_FRAME) {
    if (first >= meters) {
      first = 0;
      round++;
    }
    const taken = frame(shard, first, Math.min(METERS_A_FRAME, meters - first), START_MS + round * INTERVAL_MS);
    if (snapshot !== null) behind += taken;
    if (journal.appended - journal.durable > limits.maxVolatileBytes / 2) await journal.committed(journal.appended);
    // All meters are known by then, and have a state worth the name.
    if (snapshot === null && round >= 3 && journal.appended > (journalBytes * 3) / 4) snapshot = snapshots.write(0);
  }
  await journal.committed(journal.appended);
  await snapshot;
  if (snapshots.trouble !== "" || snapshots.position === 0) throw new Error(`no snapshot was written: ${snapshots.trouble}`);
  return {
    journalBytes: journal.appended,
    replayedBytes: journal.appended - snapshots.position,
    replayedReadings: behind,
  };
}

/** One frame of one reading each of some meters; returns how many. */
function frame({ applier, journal }: OpenShard, first: number, count: number, roundMs: number): number {
  const { out } = applier;
  out.reset();
  const datalogger = applier.dataloggerNumber(CLIENT, `dl-${first}`);
  applier.datalogger = datalogger;
  applier.arrivalMs = roundMs + INTERVAL_MS;
  out.beginUnit(UnitType.POST, applier.arrivalMs, datalogger, 0, 0, 0);
  applier.nameDatalogger(CLIENT, `dl-${first}`);
  for (let meter = first; meter < first + count; meter++) {
    const number = applier.meter(0, `meter-${meter}`, datalogger, false);
    const ts = roundMs + (meter % 1000) * 250;
    applier.reading(number, ts, Math.round((ts - START_MS) / 1000 + meter) / 1000, 0, applier.arrivalMs);
  }
  out.endUnit(count);
  journal.append(out.bytes());
  journal.commit();
  return count;
}

function newestOf({ applier }: OpenShard, meters: number): number[] {
  return Array.from({ length: meters }, (_, meter) => applier.book.newestTs(meter));
}

async function snapshotBytesIn(directory: string): Promise<number> {
  const name = (await nodeDisk.list(directory)).find((each) => each.endsWith(".snap"));
  if (name === undefined) throw new Error("there is no snapshot");
  let bytes = 0;
  for (let read = 1; read > 0; bytes += read)
    read = (await nodeDisk.readAt(join(directory, name), bytes, 16 * 1024 * 1024)).length;
  return bytes;
}
