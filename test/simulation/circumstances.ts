import type { OpenOptions } from "../../workers/loop/open-shard.js";
import { Random } from "../support/random.js";
import { FrameSource } from "./frame-source.js";
import { FIRST_TS, METER_KINDS, plans } from "./plans.js";
import { SimDatalogger } from "./sim-datalogger.js";

/** What stays the same through a run and differs between runs. Everything is small, so that it is often full, over and begun anew. */
export interface Circumstances {
  ack: "durable" | "stored";
  keepMs: number;
  journalMaxBytes: number;
  sizes: NonNullable<OpenOptions["sizes"]>;
  ringBytes: number;
  /** How much time passes at once, at most. */
  paceMs: number;
  /** How long a request that was cut off may still commit. */
  settleMs: number;
}

export function drawCircumstances(random: Random): Circumstances {
  const paceMs = random.pick([50, 300, 2_000]);
  return {
    ack: random.chance(0.7) ? "durable" : "stored",
    keepMs: random.pick([0, 60_000]),
    journalMaxBytes: random.chance(0.2) ? 30_000 : 1 << 30,
    sizes: {
      blockBytes: random.pick([512, 4096]),
      segmentBytes: random.pick([1500, 8000]),
      memoryBytes: random.pick([1024, 1 << 16]),
      metersPerPage: random.pick([2, 16]),
    },
    ringBytes: random.pick([4096, 1 << 16]),
    paceMs,
    settleMs: paceMs * random.pick([1, 4, 12]),
  };
}

/** One to four dataloggers, of one to three meters each. */
export function drawDataloggers(random: Random): SimDatalogger[] {
  const oddRate = random.pick([0, 0.1, 0.4]);
  return Array.from({ length: 1 + random.int(4) }, (_, i) => {
    const tenant = random.pick(plans).id;
    const meters = Array.from({ length: 1 + random.int(3) }, (_, n) => `${random.pick(METER_KINDS)}-${i}-${n}`);
    const source = new FrameSource(new Random(random.u32()), meters, FIRST_TS, oddRate);
    return new SimDatalogger(tenant, `dl-${i}`, meters, source, random.pick([300, 2000]), random.chance(0.3));
  });
}
