import type { Severity } from "./entries.js";
import type { TenantPlan } from "./settings.js";

/**
 * What travels between whoever reads stored history and the thread that runs rules over it: readings of one meter after
 * the other, in order of time, and back the transitions that the rules would have made.
 */

/** Numbers of a reading in `TrialRecords.readings`: ts in epoch ms, value as sent, rev, flags of its row. */
export const TRIAL_READING = 4;
/** Numbers of an exchange in `TrialRecords.exchanges`: ts, final, start (both NaN: withdrawn), rev. */
export const TRIAL_EXCHANGE = 4;

/** A stretch of a meter's stored records, each kind in order of ts. */
export interface TrialRecords {
  readings: Float64Array;
  exchanges: Float64Array;
}

export interface TrialTask {
  plan: TenantPlan;
  /** Epoch milliseconds from which on a meter that never sent is missed, and up to which time alone decides. */
  fromMs: number;
  toMs: number;
}

/** One row of `alerts`, as it would have been written. */
export interface TrialTransition {
  ts: number;
  rule: string;
  incident: string;
  state: "firing" | "resolved";
  severity: Severity;
  value: number | null;
  threshold: number | null;
}

/** To the thread. `feed` goes on with the present meter, the first one begins it; `end` closes it. */
export type TrialMessage = ({ type: "feed"; meter: string } & TrialRecords) | { type: "end"; meter: string };

/** From the thread, one for each message in their order. `end` is answered with all that the meter's rules did, and how many records were refused. */
export type TrialAnswer =
  | { type: "fed" }
  | { type: "ended"; transitions: TrialTransition[]; refused: number }
  | { type: "failed"; code: string; message: string };
