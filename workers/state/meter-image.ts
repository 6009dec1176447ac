import { PERIODS } from "../../engine/base/entries.js";
import { PeriodSum } from "../kernels/period-sum.js";
import { type MeterRecord, RecordType } from "../kernels/record.js";
import {
  BASE_BLOCK_FROM,
  BASE_GAP_FROM,
  BASE_NUMBERS,
  readBase,
  readSum,
  SUM_NUMBERS,
  writeBase,
  writeSum,
} from "./meter-numbers.js";
import { type MeterWindow, NONE_SPILLED } from "./meter-window.js";

const RECORD_NUMBERS = 9;
const OLDER = 1 + BASE_NUMBERS;
const NEWER = OLDER + RECORD_NUMBERS;
const NOT_KEPT = PERIODS.map((_, period) => {
  const sum = new PeriodSum();
  sum.open(period, Number.NaN, Number.NaN);
  return sum;
});
/** One baseline or sum on its way into an image. */
const part = new Float64Array(Math.max(BASE_NUMBERS, SUM_NUMBERS));

/**
 * All that a window holds between two inputs, as numbers:
 *
 *     base.ts, base (13) │ older (9) │ newer (9) │ closedTo withdrawnTs withdrawnRev │ sums (3 × 10) │ spilled (10 each)
 *
 * Two windows with the same image make the same rows of whatever comes, from here on.
 */
export function imageOf(window: MeterWindow): number[] {
  const { base, older, newer, sums, spilled } = window;
  // No interval to come begins before `older` does but around a change of offset: where an old block began matters no more.
  const isOld = older.type !== RecordType.NONE && base.blockFrom < older.from - older.settings.intervalSlackMs;
  writeBase(base, part, 0);
  if (isOld) {
    part[BASE_BLOCK_FROM] = Number.NEGATIVE_INFINITY;
    part[BASE_GAP_FROM] = Number.NaN;
  }
  const image = [base.ts];
  append(image, BASE_NUMBERS);
  const withdrawnRev = Number.isNaN(window.withdrawnTs) ? 0 : window.withdrawnRev;
  image.push(...recordNumbers(older), ...recordNumbers(newer), window.closedTo, window.withdrawnTs, withdrawnRev);
  // What another meter left in a period that this one does not keep says nothing of it.
  for (const [period, sum] of sums.entries())
    appendSum(image, window.timeline.periods.includes(period) ? sum : NOT_KEPT[period]!);
  for (const sum of spilled) appendSum(image, sum);
  return image;
}

function appendSum(image: number[], sum: PeriodSum): void {
  writeSum(sum, part, 0);
  append(image, SUM_NUMBERS);
}

function append(image: number[], count: number): void {
  for (let i = 0; i < count; i++) image.push(part[i]!);
}

/** Fills a window whose timeline is set; it is not yet judged. */
export function drawWindow(window: MeterWindow, image: Float64Array | readonly number[]): void {
  const numbers = image instanceof Float64Array ? image : new Float64Array(image);
  window.base.ts = numbers[0]!;
  readBase(window.base, window.timeline.steps, numbers, 1);
  drawRecord(window, window.older, numbers, OLDER);
  drawRecord(window, window.newer, numbers, NEWER);
  let at = NEWER + RECORD_NUMBERS;
  window.closedTo = numbers[at]!;
  window.withdrawnTs = numbers[at + 1]!;
  window.withdrawnRev = numbers[at + 2]!;
  at += 3;
  for (const sum of window.sums) {
    readSum(sum, numbers, at);
    at += SUM_NUMBERS;
  }
  window.spilled = NONE_SPILLED;
  for (; at < numbers.length; at += SUM_NUMBERS) {
    const sum = new PeriodSum();
    readSum(sum, numbers, at);
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

function drawRecord(window: MeterWindow, record: MeterRecord, image: Float64Array, at: number): void {
  record.clear();
  if (image[at] === RecordType.NONE) return;
  record.type = image[at]!;
  window.place(record, image[at + 1]!, image[at + 2]!, image[at + 3]!);
  record.conflict = image[at + 4] === 1;
  record.start = image[at + 5]!;
  record.startUnits = record.settings.units(record.start);
  record.reachFrom = image[at + 6]!;
}
