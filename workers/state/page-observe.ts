import type { Observation } from "../kernels/alert.js";
import type { CompiledSettings } from "../kernels/compiled-settings.js";
import { share } from "../kernels/shares.js";
import { EXACT } from "../kernels/wide.js";
import { isSteady, type MeterPage } from "./page.js";

/**
 * The short way to what the alerts see of the reading that was applied last: of a counter that has only counted on, from the page alone.
 * Energies are those of `periods` (1 << index into PERIODS), NaN the others. Fills in `into` and returns true; false: go the long way.
 */
export function observeSteady(
  page: MeterPage,
  slot: number,
  settings: CompiledSettings,
  into: Observation,
  periods: number,
): boolean {
  if (!isSteady(page, slot)) return false;
  const newerTs = page.newerTs[slot]!;
  const olderTs = page.olderTs[slot]!;
  const newerUnits = settings.units(page.newerValue[slot]!);
  const olderUnits = settings.units(page.olderValue[slot]!);
  for (let period = 0; period < 3; period++) {
    const isAsked = (periods & (1 << period)) !== 0 && settings.keeps(period);
    const units = isAsked ? runningUnits(page, slot, settings, period, olderUnits, newerUnits) : Number.NaN;
    if (isAsked && Number.isNaN(units)) return false;
    const energy = isAsked ? settings.shownAmount(units, 0) : Number.NaN;
    if (period === 0) into.quarter = energy;
    else if (period === 1) into.hour = energy;
    else into.day = energy;
  }
  into.ts = newerTs;
  into.at = newerTs;
  into.value = page.newerValue[slot]!;
  into.delta = settings.shownAmount(newerUnits - olderUnits, 0);
  into.spanMs = newerTs - olderTs;
  into.flags = 0;
  into.previousTs = olderTs;
  into.previousFlags = 0;
  return true;
}

/** What the newest reading's period holds so far, in whole units; NaN where it is not as simple. */
function runningUnits(
  page: MeterPage,
  slot: number,
  settings: CompiledSettings,
  period: number,
  olderUnits: number,
  newerUnits: number,
): number {
  const columns = page.periods[period]!;
  const baseTs = page.baseTs[slot]!;
  const baseUnits = page.baseUnits[slot]!;
  const end = columns.end[slot]!;
  if (!(baseTs >= columns.start[slot]! && baseTs < end)) return Number.NaN;
  const settled = columns.sum[slot]!;
  if (!(Math.abs(settled) <= EXACT - (newerUnits - baseUnits))) return Number.NaN;
  const newerTs = page.newerTs[slot]!;
  // A reading exactly on a boundary belongs to the period that ends there.
  if (newerTs <= end) return settled + (newerUnits - baseUnits);
  const start = settings.periodStart(period, newerTs - 1);
  const olderTs = page.olderTs[slot]!;
  return after(start, baseTs, olderTs, olderUnits - baseUnits) + after(start, olderTs, newerTs, newerUnits - olderUnits);
}

/** The part of an amount that lies behind an instant, of a stretch between two others. */
function after(start: number, from: number, to: number, amount: number): number {
  if (from >= start) return amount;
  return to <= start ? 0 : amount - share(amount, start - from, to - from);
}
