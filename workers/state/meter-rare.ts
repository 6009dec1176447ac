import { PeriodSum } from "../kernels/period-sum.js";
import { RecordType } from "../kernels/record.js";
import type { MeterWindow } from "./meter-window.js";
import { usualSettings } from "./page-window.js";

/**
 * What only few meters have at any time: an epoch that nobody declared, a declared exchange, sums of more periods than
 * the open ones. Kept beside the pages, by meter.
 */
export class RareState {
  /** In the order of `saveRare`. */
  readonly numbers = new Float64Array(RARE_NUMBERS);
  spilled: PeriodSum[] = [];
}

const RARE_NUMBERS = 20;
const SPILLED_NUMBERS = 10;

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
    hasUnusualReach(window)
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
  rare.numbers.set([
    base.read ? 1 : 0,
    base.epochTs,
    base.beforeTs,
    base.beforeUnits,
    base.jump,
    base.counted,
    base.exchanged ? 1 : 0,
    base.closed,
    base.closedFlags,
    older.start,
    newer.start,
    older.reachFrom,
    newer.reachFrom,
    window.closedTo,
    window.withdrawnTs,
    window.withdrawnRev,
    base.gapFrom,
    base.settings === null ? -1 : base.settings.index,
    base.units,
    base.blockFrom,
  ]);
  rare.spilled = window.spilled;
}

export function loadRare(rare: RareState, window: MeterWindow): void {
  const { base, older, newer } = window;
  const { numbers } = rare;
  base.read = numbers[0] === 1;
  base.epochTs = numbers[1]!;
  base.beforeTs = numbers[2]!;
  base.beforeUnits = numbers[3]!;
  base.jump = numbers[4]!;
  base.counted = numbers[5]!;
  base.exchanged = numbers[6] === 1;
  base.closed = numbers[7]!;
  base.closedFlags = numbers[8]!;
  older.start = numbers[9]!;
  if (older.type !== RecordType.NONE) older.startUnits = older.settings.units(older.start);
  newer.start = numbers[10]!;
  if (newer.type !== RecordType.NONE) newer.startUnits = newer.settings.units(newer.start);
  older.reachFrom = numbers[11]!;
  newer.reachFrom = numbers[12]!;
  window.closedTo = numbers[13]!;
  window.withdrawnTs = numbers[14]!;
  window.withdrawnRev = numbers[15]!;
  base.gapFrom = numbers[16]!;
  base.settings = numbers[17]! < 0 ? null : window.timeline.steps[numbers[17]!]!;
  base.units = numbers[18]!;
  base.blockFrom = numbers[19]!;
  window.spilled = rare.spilled;
}

/** The rare states of a shard as doubles: per meter its number, how many sums follow, its numbers, the sums. */
export function encodeRare(rares: ReadonlyMap<number, RareState>): Uint8Array {
  let length = 0;
  for (const rare of rares.values()) length += 2 + RARE_NUMBERS + rare.spilled.length * SPILLED_NUMBERS;
  const doubles = new Float64Array(length);
  let at = 0;
  for (const [meter, rare] of rares) {
    doubles.set([meter, rare.spilled.length, ...rare.numbers], at);
    at += 2 + RARE_NUMBERS;
    for (const sum of rare.spilled) {
      doubles.set(
        [sum.period, sum.start, sum.end, sum.sum, sum.sumLow, sum.coveredMs, sum.readings, sum.flags, sum.min, sum.max],
        at,
      );
      at += SPILLED_NUMBERS;
    }
  }
  return new Uint8Array(doubles.buffer);
}

export function decodeRare(bytes: Uint8Array): Map<number, RareState> {
  const doubles = new Float64Array(bytes.slice().buffer);
  const rares = new Map<number, RareState>();
  for (let at = 0; at < doubles.length; ) {
    const rare = new RareState();
    const count = doubles[at + 1]!;
    rare.numbers.set(doubles.subarray(at + 2, at + 2 + RARE_NUMBERS));
    rares.set(doubles[at]!, rare);
    at += 2 + RARE_NUMBERS;
    for (let i = 0; i < count; i++, at += SPILLED_NUMBERS)
      rare.spilled.push(decodeSum(doubles.subarray(at, at + SPILLED_NUMBERS)));
  }
  return rares;
}

function decodeSum(numbers: Float64Array): PeriodSum {
  const sum = new PeriodSum();
  sum.open(numbers[0]!, numbers[1]!, numbers[2]!);
  sum.sum = numbers[3]!;
  sum.sumLow = numbers[4]!;
  sum.coveredMs = numbers[5]!;
  sum.readings = numbers[6]!;
  sum.flags = numbers[7]!;
  sum.min = numbers[8]!;
  sum.max = numbers[9]!;
  return sum;
}
