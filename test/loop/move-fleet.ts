import type { TenantPlan } from "../../engine/base/settings.js";
import { FrameSource } from "../simulation/frame-source.js";
import { FIRST_TS, METER_KINDS, plans } from "../simulation/plans.js";
import { SimDatalogger } from "../simulation/sim-datalogger.js";
import { Random } from "../support/random.js";

/** Four clients, of which one is spread over as many shards as there are, and one over two. */
export const clients: readonly TenantPlan[] = ["acme", "zeta", "omega", "tiny"].map((id, i) => ({ ...plans[i % 2]!, id }));
const wanted: Record<string, number> = { acme: 3, omega: 2 };

export function spreadOver(shards: number): Record<string, number> {
  return Object.fromEntries(clients.map(({ id }) => [id, Math.min(wanted[id] ?? 1, shards)]));
}

/** Of each client one datalogger and up to so many more, of one or two meters each. */
export function drawFleet(random: Random, most: number): SimDatalogger[] {
  const oddRate = random.pick([0, 0.1, 0.3]);
  return clients.flatMap(({ id }) =>
    Array.from({ length: 1 + random.int(most + 1) }, (_, i) => {
      const meters = Array.from({ length: 1 + random.int(2) }, (_, n) => `${random.pick(METER_KINDS)}-${i}-${n}`);
      const source = new FrameSource(new Random(random.u32()), meters, FIRST_TS, oddRate);
      return new SimDatalogger(id, `dl-${i}`, meters, source, random.pick([300, 2000]), random.chance(0.5));
    }),
  );
}
