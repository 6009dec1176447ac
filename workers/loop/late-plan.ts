import { limits } from "../../engine/base/limits.js";
import type { KnownRecord } from "../state/known-record.js";
import type { LateInputs } from "../state/late-inputs.js";
import type { Applier } from "./applier.js";

const DAY_MS = 24 * 3_600_000;
const LEAST_AFTER_MS = 2 * 3_600_000;
const LEAST_CADENCE_MS = 60_000;

/** How much further than usual is read; grows until it is enough. */
export interface Reach {
  before: number;
  after: number;
}

/** What of a meter is read. */
export interface LateRange {
  meter: number;
  from: number;
  to: number;
  /** Nothing was before it, or nothing came after it. */
  isFirst: boolean;
  isLast: boolean;
  /** Records that there are likely to be. */
  records: number;
}

/**
 * Of a meter's late inputs the newest that lie together, in order of time; all of one instant are within or without. The newest first:
 * then the older ones find more that is known. However many wait, only those are sorted as records.
 */
export function clusterOf(late: LateInputs, meter: number): readonly KnownRecord[] {
  const instants = late.instants(meter);
  const last = instants[instants.length - 1]!;
  let first = instants.length - 1;
  for (; first > 0; first--) {
    const gap = instants[first]! - instants[first - 1]!;
    // Between readings that are far apart there are rows of many periods.
    const isLong = instants.length - first >= limits.lateInputsPerRepair || last - instants[first - 1]! > limits.lateSpanMs;
    if (gap > limits.lateGapMs || (gap > 0 && isLong)) break;
  }
  return first < 0 ? [] : late.since(meter, instants[first]!);
}

/** From a place early enough to judge from, most likely, to the end of the last period that the late inputs may change. */
export function rangeFor({ book, late }: Pick<Applier, "book" | "late">, meter: number, reach: Reach): LateRange {
  const timeline = book.timeline(meter);
  const lates = clusterOf(late, meter);
  const begin = book.firstTs(meter);
  const newest = book.newestTs(meter);
  const firstLate = lates[0]?.ts ?? newest;
  const lastLate = lates[lates.length - 1]?.ts ?? newest;
  const cadenceMs = book.cadenceMs(meter);
  const someMs = Number.isNaN(cadenceMs) ? 0 : cadenceMs;
  const before = Math.max(DAY_MS + timeline.maxGapMs, 3 * someMs) * reach.before;
  const after = Math.max(LEAST_AFTER_MS, 2 * someMs) * reach.after;
  // Where the first period lies that may change, the record before the first late one included.
  const from = timeline.largestPeriodStart(firstLate - 1) - before;
  const to = timeline.largestPeriodEnd(Math.max(lastLate, begin)) + after;
  const isFirst = !(from > begin) || firstLate <= begin;
  const isLast = !(to < newest);
  const [first, last] = [isFirst ? begin : from, isLast ? newest : to];
  const records = 1 + (last - first) / Math.max(LEAST_CADENCE_MS, someMs);
  return { meter, from: first, to: isLast ? newest + DAY_MS * 366 : to, isFirst, isLast, records };
}

/** At most `most` of the meters, one of each client in turn, so that one client's many do not keep another's few waiting. */
export function inTurns(meters: readonly number[], clientOf: (meter: number) => number, most: number): number[] {
  if (meters.length <= most) return [...meters];
  const clients = new Map<number, number[]>();
  for (const meter of meters) {
    const client = clientOf(meter);
    const own = clients.get(client);
    if (own === undefined) clients.set(client, [meter]);
    else own.push(meter);
  }
  const chosen: number[] = [];
  for (let turn = 0; chosen.length < most; turn++) {
    for (const own of clients.values()) {
      const meter = own[turn];
      if (meter !== undefined && chosen.length < most) chosen.push(meter);
    }
  }
  return chosen;
}
