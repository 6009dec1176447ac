import { createHash } from "node:crypto";
import { cpSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../engine/base/clock.js";
import { UnitType } from "../../engine/base/entries.js";
import { nodeDisk } from "../../engine/base/node-disk.js";
import type { TenantPlan } from "../../engine/base/settings.js";
import type { ShardToExamine } from "../../engine/base/shard-findings.js";
import { createRing, RingConsumer, RingProducer } from "../../engine/memory/ring.js";
import { failureOf } from "../../workers/doctor/trial-start.js";
import { type OpenShard, openShard } from "../../workers/loop/open-shard.js";
import { NoSink } from "../../workers/sinks/none.js";
import { temporaryDirectory } from "../support/servers.js";

const TS = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const root = temporaryDirectory("doctor");
let made = 0;

/** Of the client whose readings `give` gives. */
export const acme: TenantPlan = { id: "acme", timezone: "UTC", meters: [], rules: [], maxMeters: 10, maxDataloggers: 10 };

/** A directory that is not there yet. */
export function freshPath(): string {
  return join(root, `shard-${made++}`);
}

export function taskFor(directory: string, plans: TenantPlan[] | null = null): ShardToExamine {
  return { index: 0, shards: 1, directory, plans, splitTenants: [], journalMaxBytes: 1 << 30, isLive: false };
}

/** Opens a shard on the real disk, as a start does. */
export function openAt(directory: string, sizes = {}, plans: readonly TenantPlan[] = []): Promise<OpenShard> {
  return openShard({
    ...{ clock: systemClock, disk: nodeDisk, directory, name: "shard 0 of 1", plans, splitTenants: new Set<string>() },
    ...{ input: new RingConsumer(createRing(65_536)), output: new RingProducer(createRing(65_536)), claims: null },
    ...{ ack: "durable", journalMaxBytes: 1 << 30, journalKeepMs: 0, audits: false, sizes },
    isHome: () => true,
    openSink: () => new NoSink(),
    onFailed: (error) => {
      throw error;
    },
    random: () => 0.5,
    warn: () => undefined,
  });
}

/** One unit with `readings` readings of a meter, minute by minute, made durable. Returns where it ends. */
export async function give({ applier, journal }: OpenShard, seq: number, readings: number): Promise<number> {
  const { out } = applier;
  out.reset();
  const datalogger = applier.dataloggerNumber("acme", "d1");
  applier.datalogger = datalogger;
  applier.arrivalMs = TS + seq * MINUTE * 100;
  out.beginUnit(UnitType.FRAME, applier.arrivalMs, datalogger, seq, seq, ~seq >>> 0);
  applier.nameDatalogger("acme", "d1");
  const meter = applier.meter(0, "m1", datalogger, false);
  for (let i = 0; i < readings; i++) applier.reading(meter, TS + (seq * 100 + i) * MINUTE, seq * 100 + i, 0, applier.arrivalMs);
  out.endUnit(readings);
  const end = journal.append(out.bytes());
  await journal.committed(end);
  return end;
}

/** What a start on a copy of a directory comes to, and the files that it leaves. */
export async function startOnCopy(
  directory: string,
  plans: readonly TenantPlan[],
): Promise<{
  refusal: { code: string; message: string } | null;
  end: number;
  late: number;
  files: Map<string, number>;
}> {
  const copy = freshPath();
  cpSync(directory, copy, { recursive: true });
  try {
    const shard = await openAt(copy, {}, plans);
    const { durable } = shard.journal;
    const files = sizesIn(copy);
    await shard.journal.close();
    return { refusal: null, end: durable, late: shard.applier.late.size, files };
  } catch (error) {
    const { code, message } = failureOf(error);
    return { refusal: { code, message: message.replaceAll(copy, directory) }, end: -1, late: 0, files: sizesIn(copy) };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function sizesIn(directory: string): Map<string, number> {
  return new Map(readdirSync(directory).map((name) => [name, statSync(join(directory, name)).size]));
}

/** Everything that may be told apart of a directory: names, bytes, when they were changed. */
export function printOf(directory: string): string {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" }).sort();
  const hash = createHash("sha256");
  for (const name of ["", ...names]) {
    const path = join(directory, name);
    const { mtimeNs, ctimeNs, size, mode, ino } = statSync(path, { bigint: true });
    hash.update(JSON.stringify([name, ...[mtimeNs, ctimeNs, size, mode, ino].map(String)]));
    if (!statSync(path).isDirectory()) hash.update(readFileSync(path));
  }
  return hash.digest("hex");
}
