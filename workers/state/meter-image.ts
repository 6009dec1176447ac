import { PeriodSum } from "../kernels/period-sum.js";
import { type MeterRecord, RecordType } from "../kernels/record.js";
import { type MeterWindow, NONE_SPILLED } from "./meter-window.js";

/**
 * All that a window holds between two inputs, as numbers:
 *
 *     base (14) │ older (9) │ newer (9) │ closedTo withdrawnTs withdrawnRev │ sums (3 × 10) │ spilled (10 each)
 *
 * Two windows with the same image make the same rows of whatever comes, from here on.
 */
export function imageOf(window: MeterWindow): number[] {
  const { base, older, newer, sums, spilled } = window;
  // No interval to come begins before `older` does but around a change of offset: where an old block began matters no more.
  const isOld = older.type !== RecordType.NONE && base.blockFrom < older.from - older.settings.intervalSlackMs;
  const image = [
    base.ts,
    base.units,
    base.read ? 1 : 0,
    base.epochTs,
    base.beforeTs,
    base.beforeUnits,
    base.jump,
    base.counted,
    isOld ? Number.NEGATIVE_INFINITY : base.blockFrom,
    isOld ? Number.NaN : base.gapFrom,
    base.exchanged ? 1 : 0,
    base.closed,
    base.closedFlags,
    base.settings === null ? -1 : base.settings.index,
    ...recordNumbers(older),
    ...recordNumbers(newer),
    window.closedTo,
    window.withdrawnTs,
    window.withdrawnRev,
  ];
  for (const sum of sums) image.push(...sumNumbers(sum));
  for (const sum of spilled) image.push(...sumNumbers(sum));
  return image;
}

const BASE_NUMBERS = 14;
const RECORD_NUMBERS = 9;
const SUM_NUMBERS = 10;

/** Fills a window whose timeline is set; it is not yet judged. */
export function drawWindow(window: MeterWindow, image: Float64Array | readonly number[]): void {
  const { base } = window;
  base.clear();
  base.ts = image[0]!;
  base.units = image[1]!;
  base.read = image[2] === 1;
  base.epochTs = image[3]!;
  base.beforeTs = image[4]!;
  base.beforeUnits = image[5]!;
  base.jump = image[6]!;
  base.counted = image[7]!;
  base.blockFrom = image[8]!;
  base.gapFrom = image[9]!;
  base.exchanged = image[10] === 1;
  base.closed = image[11]!;
  base.closedFlags = image[12]!;
  base.settings = image[13]! < 0 ? null : window.timeline.steps[image[13]!]!;
  drawRecord(window, window.older, image, BASE_NUMBERS);
  drawRecord(window, window.newer, image, BASE_NUMBERS + RECORD_NUMBERS);
  let at = BASE_NUMBERS + 2 * RECORD_NUMBERS;
  window.closedTo = image[at]!;
  window.withdrawnTs = image[at + 1]!;
  window.withdrawnRev = image[at + 2]!;
  at += 3;
  for (const sum of window.sums) {
    drawSum(sum, image, at);
    at += SUM_NUMBERS;
  }
  window.spilled = NONE_SPILLED;
  for (; at < image.length; at += SUM_NUMBERS) {
    const sum = new PeriodSum();
    drawSum(sum, image, at);
    if (window.spilled === NONE_SPILLED) window.spilled = [];
    window.spilled.push(sum);
  }
}

/** Whether two windows hold the same. */
export function isSameImage(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((number, i) => Object.is(number, b[i]));
}

function recordNumbers(record: MeterRecord): number[] {
  if (record.type === RecordType.NONE) return [0, 0, 0, 0, 0, 0, 0, 0, 0];
  const { type, ts, value, rev, conflict, start, reachFrom, case: kase, flags } = record;
  // How it is judged follows from the rest, but only together with the record before it: two records alike may stand on different ones.
  return [type, ts, value, rev, conflict ? 1 : 0, start, reachFrom, kase, flags];
}

function drawRecord(window: MeterWindow, record: MeterRecord, image: Float64Array | readonly number[], at: number): void {
  record.clear();
  if (image[at] === RecordType.NONE) return;
  record.type = image[at]!;
  window.place(record, image[at + 1]!, image[at + 2]!, image[at + 3]!);
  record.conflict = image[at + 4] === 1;
  record.start = image[at + 5]!;
  record.startUnits = record.settings.units(record.start);
  record.reachFrom = image[at + 6]!;
}

function sumNumbers(sum: PeriodSum): number[] {
  if (Number.isNaN(sum.end)) return [sum.period, Number.NaN, Number.NaN, 0, 0, 0, 0, 0, 0, 0];
  return [sum.period, sum.start, sum.end, sum.sum, sum.sumLow, sum.coveredMs, sum.readings, sum.flags, sum.min, sum.max];
}

function drawSum(sum: PeriodSum, image: Float64Array | readonly number[], at: number): void {
  sum.open(image[at]!, image[at + 1]!, image[at + 2]!);
  if (Number.isNaN(sum.end)) return;
  sum.sum = image[at + 3]!;
  sum.sumLow = image[at + 4]!;
  sum.coveredMs = image[at + 5]!;
  sum.readings = image[at + 6]!;
  sum.flags = image[at + 7]!;
  sum.min = image[at + 8]!;
  sum.max = image[at + 9]!;
}
