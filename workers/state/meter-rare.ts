import { PeriodSum } from "../kernels/period-sum.js";
import { RecordType } from "../kernels/record.js";
import type { RecordWriter } from "./cut-records.js";
import { BASE_NUMBERS, readBase, readSum, SUM_NUMBERS, writeBase, writeSum } from "./meter-numbers.js";
import type { MeterWindow } from "./meter-window.js";
import { usualSettings } from "./page-window.js";

/**
 * What only few meters have at any time: an epoch that nobody declared, a declared exchange, sums of more periods than
 * the open ones. Kept beside the pages, by meter.
 */
export class RareState {
  /** base (13) │ start and reachFrom of older and newer │ closedTo withdrawnTs withdrawnRev │ sumLow of each period */
  readonly numbers = new Float64Array(RARE_NUMBERS);
  spilled: PeriodSum[] = [];
}

const RARE_NUMBERS = BASE_NUMBERS + 10;
const SUMS_LOW = BASE_NUMBERS + 7;

/** Whether the window holds more than a page has room for. */
export function isRare(window: MeterWindow): boolean {
  const { base, older, newer, spilled } = window;
  return (
    !base.isPlain ||
    older.type === RecordType.EXCHANGE ||
    newer.type === RecordType.EXCHANGE ||
    spilled.length > 0 ||
    !Number.isNaN(window.withdrawnTs) ||
    (newer.type === RecordType.NONE && !Number.isNaN(window.closedTo)) ||
    (base.settings !== null && base.settings !== usualSettings(window)) ||
    hasUnusualReach(window) ||
    (!window.timeline.hasLevels && window.sums.some(({ sumLow }) => sumLow !== 0))
  );
}

/** Whether a record is reached from elsewhere than from the settled baseline or the older record. */
function hasUnusualReach({ base, older, newer, defaultReach }: MeterWindow): boolean {
  if (older.type === RecordType.NONE) return !Object.is(newer.reachFrom, defaultReach(newer.at, base.ts));
  return (
    !Object.is(older.reachFrom, defaultReach(older.at, base.ts)) || !Object.is(newer.reachFrom, defaultReach(newer.at, older.at))
  );
}

export function saveRare(window: MeterWindow, rare: RareState): void {
  const { base, older, newer } = window;
  const { numbers } = rare;
  writeBase(base, numbers, 0);
  numbers[BASE_NUMBERS] = older.start;
  numbers[BASE_NUMBERS + 1] = newer.start;
  numbers[BASE_NUMBERS + 2] = older.reachFrom;
  numbers[BASE_NUMBERS + 3] = newer.reachFrom;
  numbers[BASE_NUMBERS + 4] = window.closedTo;
  numbers[BASE_NUMBERS + 5] = window.withdrawnTs;
  numbers[BASE_NUMBERS + 6] = window.withdrawnRev;
  for (const [period, { sumLow }] of window.sums.entries()) numbers[SUMS_LOW + period] = sumLow;
  rare.spilled = window.spilled;
}

export function loadRare(rare: RareState, window: MeterWindow): void {
  const { base, older, newer } = window;
  const { numbers } = rare;
  readBase(base, window.timeline.steps, numbers, 0);
  older.start = numbers[BASE_NUMBERS]!;
  if (older.type !== RecordType.NONE) older.startUnits = older.settings.units(older.start);
  newer.start = numbers[BASE_NUMBERS + 1]!;
  if (newer.type !== RecordType.NONE) newer.startUnits = newer.settings.units(newer.start);
  older.reachFrom = numbers[BASE_NUMBERS + 2]!;
  newer.reachFrom = numbers[BASE_NUMBERS + 3]!;
  window.closedTo = numbers[BASE_NUMBERS + 4]!;
  window.withdrawnTs = numbers[BASE_NUMBERS + 5]!;
  window.withdrawnRev = numbers[BASE_NUMBERS + 6]!;
  for (const [period, sum] of window.sums.entries()) sum.sumLow = numbers[SUMS_LOW + period]!;
  window.spilled = rare.spilled;
}

/** Doubles that `writeRare` writes. */
export function rareLength(rare: RareState): number {
  return 1 + RARE_NUMBERS + rare.spilled.length * SUM_NUMBERS;
}

/** Writes how many sums follow, the numbers, and the sums. */
export function writeRare(rare: RareState, out: RecordWriter): void {
  out.push(rare.spilled.length);
  out.pushAll(rare.numbers);
  for (const sum of rare.spilled) {
    writeSum(sum, sumNumbers, 0);
    out.pushAll(sumNumbers);
  }
}

const sumNumbers = new Float64Array(SUM_NUMBERS);

/** Reads what `writeRare` wrote; returns where it ends. */
export function readRare(rare: RareState, doubles: Float64Array, from: number): number {
  const count = doubles[from]!;
  let at = from + 1 + RARE_NUMBERS;
  rare.numbers.set(doubles.subarray(from + 1, at));
  for (let i = 0; i < count; i++, at += SUM_NUMBERS) {
    const sum = new PeriodSum();
    readSum(sum, doubles, at);
    rare.spilled.push(sum);
  }
  return at;
}
