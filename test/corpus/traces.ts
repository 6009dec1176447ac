import { arrivals } from "./arrivals.js";
import { dips } from "./dips.js";
import { resets } from "./resets.js";
import { rollovers } from "./rollovers.js";
import { spikes } from "./spikes.js";
import type { Trace } from "./trace.js";

/** Every trace, by what went wrong: with the reading, with the register, at its end, on the way. */
export const corpus: readonly Trace[] = [...dips, ...spikes, ...resets, ...rollovers, ...arrivals];
