import type { CompiledSettings } from "../kernels/compiled-settings.js";
import { KNOWN, REACHED } from "../kernels/period-sum.js";
import { EXACT } from "../kernels/wide.js";
import { isSteady, type MeterPage } from "./page.js";

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
  const counted = countsOn(page, slot, settings, ts, value);
  if (counted < 0) return -1;
  const { periods } = settings;
  // What is settled by it counts no more than the register has moved by then, so that much keeps each sum exact.
  const most = EXACT - (settings.units(value) - page.baseUnits[slot]!);
  for (let i = 0; i < periods.length; i++) {
    const columns = page.periods[periods[i]!]!;
    if (ts >= columns.end[slot]! || !(Math.abs(columns.sum[slot]!) <= most)) return -1;
  }

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
  moveOn(page, slot, olderUnits, ts, value, rev);
  return counted;
}

/** The units that a reading counts on a meter that goes the short way; −1 where it is not such a meter, or not such a reading. */
export function countsOn(page: MeterPage, slot: number, settings: CompiledSettings, ts: number, value: number): number {
  if (!isSteady(page, slot)) return -1;
  const newerTs = page.newerTs[slot]!;
  if (!(ts > newerTs && ts - newerTs <= settings.maxGapMs)) return -1;
  const counted = settings.units(value) - settings.units(page.newerValue[slot]!);
  // One that does not go back cannot make a dip or a peak of the reading before it.
  return counted >= 0 && counted <= settings.bound(newerTs, ts) ? counted : -1;
}

/** The reading becomes the newest, and the older one, of so many units, the baseline. */
export function moveOn(page: MeterPage, slot: number, olderUnits: number, ts: number, value: number, rev: number): void {
  page.baseTs[slot] = page.olderTs[slot]!;
  page.baseUnits[slot] = olderUnits;
  page.olderTs[slot] = page.newerTs[slot]!;
  page.olderValue[slot] = page.newerValue[slot]!;
  page.olderRev[slot] = page.newerRev[slot]!;
  page.newerTs[slot] = ts;
  page.newerValue[slot] = value;
  page.newerRev[slot] = rev;
}
