import type { CompiledSettings } from "../kernels/compiled-settings.js";
import { KNOWN, REACHED } from "../kernels/period-sum.js";
import { type MeterPage, Status } from "./page.js";

/** Nothing else may be said of a meter that goes the short way. */
const STEADY_STATUS = Status.OLDER_IS_READING | Status.NEWER_IS_READING | Status.STEADY;

/**
 * The short way for the reading that nearly all are: a counter that counts on, inside its open periods, no gap before it.
 * Works on the page alone and does what shift, judge and save do, where they come to this. Returns the units that were
 * counted, or −1 where the reading has to go the long way; nothing has changed then.
 */
export function takeSteady(
  page: MeterPage,
  slot: number,
  settings: CompiledSettings,
  ts: number,
  value: number,
  rev: number,
): number {
  if (page.status[slot] !== STEADY_STATUS) return -1;
  const newerTs = page.newerTs[slot]!;
  if (!(ts > newerTs && ts - newerTs <= settings.maxGapMs)) return -1;
  const { periods } = settings;
  for (let i = 0; i < periods.length; i++) if (ts >= page.periods[periods[i]!]!.end[slot]!) return -1;
  const newerValue = page.newerValue[slot]!;
  const counted = settings.units(value) - settings.units(newerValue);
  // One that does not go back cannot make a dip or a peak of the reading before it.
  if (!(counted >= 0 && counted <= settings.bound(newerTs, ts))) return -1;

  const olderTs = page.olderTs[slot]!;
  const olderUnits = settings.units(page.olderValue[slot]!);
  const amount = olderUnits - page.baseUnits[slot]!;
  const ms = olderTs - page.baseTs[slot]!;
  for (let i = 0; i < periods.length; i++) {
    const columns = page.periods[periods[i]!]!;
    columns.sum[slot]! += amount;
    columns.coveredMs[slot]! += ms;
    columns.readings[slot]! += 1;
    columns.flags[slot]! |= KNOWN | REACHED;
  }
  page.baseTs[slot] = olderTs;
  page.baseUnits[slot] = olderUnits;
  page.olderTs[slot] = newerTs;
  page.olderValue[slot] = newerValue;
  page.olderRev[slot] = page.newerRev[slot]!;
  page.newerTs[slot] = ts;
  page.newerValue[slot] = value;
  page.newerRev[slot] = rev;
  return counted;
}
