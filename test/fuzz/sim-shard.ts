import { defaultSettings, type TenantPlan } from "../../engine/base/settings.js";
import { createRing, RingConsumer, RingProducer } from "../../engine/memory/ring.js";
import { type OpenShard, openShard } from "../../workers/loop/open-shard.js";
import { NoSink } from "../../workers/sinks/none.js";
import { SimClock } from "../support/sim-clock.js";
import type { SimDisk } from "../support/sim-disk.js";

export const DIRECTORY = "/shard";
const settings = { ...defaultSettings("Europe/Madrid"), maxRate: 4000 };

export function planOf(id: string): TenantPlan {
  return { id, timezone: "Europe/Madrid", meters: [{ match: "*", settings }], rules: [], maxMeters: 500, maxDataloggers: 500 };
}

export const PLANS = [planOf("neighbour"), planOf("hostile")];
export const NEIGHBOUR_SETTINGS = settings;

export interface SimShard {
  shard: OpenShard;
  /** What the main thread writes, and what it reads. */
  input: RingProducer;
  output: RingConsumer;
  clock: SimClock;
}

/** A shard on a disk in memory, whose store keeps nothing. */
export async function openSimShard(disk: SimDisk, sizes = {}): Promise<SimShard> {
  const [input, output] = [createRing(1 << 21), createRing(1 << 21)];
  const clock = new SimClock(Date.UTC(2026, 0, 2));
  const shard = await openShard({
    ...{ clock, disk, directory: DIRECTORY, name: "shard 0 of 1", plans: PLANS, splitTenants: new Set<string>() },
    ...{ input: new RingConsumer(input), output: new RingProducer(output), claims: null },
    ...{ ack: "durable", journalMaxBytes: 1 << 30, journalKeepMs: 0, audits: false, sizes },
    isHome: () => true,
    openSink: () => new NoSink(),
    onFailed: (error) => {
      throw error;
    },
    random: () => 0.5,
    warn: () => undefined,
  });
  return { shard, input: new RingProducer(input), output: new RingConsumer(output), clock };
}
