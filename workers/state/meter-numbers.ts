import type { Baseline } from "../kernels/baseline.js";
import type { CompiledSettings } from "../kernels/compiled-settings.js";
import type { PeriodSum } from "../kernels/period-sum.js";

/**
 * A baseline and a period's sum as numbers, in the order in which the journal and snapshots have them.
 *
 *     baseline, but for its ts:  units read epochTs beforeTs beforeUnits jump counted blockFrom gapFrom exchanged closed closedFlags settings
 *     sum:                       period start end sum sumLow coveredMs readings flags min max
 */
export const BASE_NUMBERS = 13;
export const BASE_BLOCK_FROM = 7;
export const BASE_GAP_FROM = 8;
export const SUM_NUMBERS = 10;

export function writeBase(base: Baseline, into: Float64Array, at: number): void {
  into[at] = base.units;
  into[at + 1] = base.read ? 1 : 0;
  into[at + 2] = base.epochTs;
  into[at + 3] = base.beforeTs;
  into[at + 4] = base.beforeUnits;
  into[at + 5] = base.jump;
  into[at + 6] = base.counted;
  into[at + BASE_BLOCK_FROM] = base.blockFrom;
  into[at + BASE_GAP_FROM] = base.gapFrom;
  into[at + 9] = base.exchanged ? 1 : 0;
  into[at + 10] = base.closed;
  into[at + 11] = base.closedFlags;
  into[at + 12] = base.settings === null ? -1 : base.settings.index;
}

/** `steps`: of the meter's timeline. Leaves `ts` as it is. */
export function readBase(base: Baseline, steps: readonly CompiledSettings[], from: Float64Array, at: number): void {
  base.units = from[at]!;
  base.read = from[at + 1] === 1;
  base.epochTs = from[at + 2]!;
  base.beforeTs = from[at + 3]!;
  base.beforeUnits = from[at + 4]!;
  base.jump = from[at + 5]!;
  base.counted = from[at + 6]!;
  base.blockFrom = from[at + BASE_BLOCK_FROM]!;
  base.gapFrom = from[at + BASE_GAP_FROM]!;
  base.exchanged = from[at + 9] === 1;
  base.closed = from[at + 10]!;
  base.closedFlags = from[at + 11]!;
  base.settings = from[at + 12]! < 0 ? null : steps[from[at + 12]!]!;
}

/** Of a sum that is not open only its period matters. */
export function writeSum(sum: PeriodSum, into: Float64Array, at: number): void {
  into[at] = sum.period;
  if (Number.isNaN(sum.end)) {
    into.fill(Number.NaN, at + 1, at + 3);
    into.fill(0, at + 3, at + SUM_NUMBERS);
    return;
  }
  into[at + 1] = sum.start;
  into[at + 2] = sum.end;
  into[at + 3] = sum.sum;
  into[at + 4] = sum.sumLow;
  into[at + 5] = sum.coveredMs;
  into[at + 6] = sum.readings;
  into[at + 7] = sum.flags;
  into[at + 8] = sum.min;
  into[at + 9] = sum.max;
}

export function readSum(sum: PeriodSum, from: Float64Array, at: number): void {
  sum.open(from[at]!, from[at + 1]!, from[at + 2]!);
  if (Number.isNaN(sum.end)) return;
  sum.sum = from[at + 3]!;
  sum.sumLow = from[at + 4]!;
  sum.coveredMs = from[at + 5]!;
  sum.readings = from[at + 6]!;
  sum.flags = from[at + 7]!;
  sum.min = from[at + 8]!;
  sum.max = from[at + 9]!;
}
