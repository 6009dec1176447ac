import { Flag } from "../../engine/base/flags.js";
import type { MeterHistory } from "../../engine/store/interface.js";
import { RecordType } from "../kernels/record.js";
import { exchangeWins, readingWins } from "./meter-conflict.js";

/** The flags of its row are not known, or not yet final. */
export const UNSETTLED = -1;

/** What stands at an instant of a meter: a reading, or a declared exchange. Never changed once made. */
export interface KnownRecord {
  readonly ts: number;
  /** Of RecordType. */
  readonly type: number;
  /** As sent; an exchange's `final`, NaN where it is withdrawn. */
  readonly value: number;
  /** An exchange's `start`; else NaN. */
  readonly start: number;
  readonly rev: number;
  /** Two values were seen. */
  readonly conflict: boolean;
  /** Of a reading's row; UNSETTLED where they are not known. */
  readonly flags: number;
}

export function knownReading(ts: number, value: number, rev: number): KnownRecord {
  return { ts, type: RecordType.READING, value, start: Number.NaN, rev, conflict: false, flags: UNSETTLED };
}

export function knownExchange(ts: number, final: number, start: number, rev: number): KnownRecord {
  return { ts, type: RecordType.EXCHANGE, value: final, start, rev, conflict: false, flags: 0 };
}

/** Order in time; at one instant the reading comes first. */
export function inOrder(a: KnownRecord, b: KnownRecord): number {
  return a.ts - b.ts || a.type - b.type;
}

/** What stands of two records of one instant and type; `standing` itself where nothing changes. */
export function standingOf(standing: KnownRecord, other: KnownRecord): KnownRecord {
  if (standing.type === RecordType.EXCHANGE) {
    return exchangeWins(other.value, other.start, other.rev, standing.value, standing.start, standing.rev) ? other : standing;
  }
  if (other.value === standing.value) {
    const conflict = standing.conflict || other.conflict;
    if (other.rev <= standing.rev && conflict === standing.conflict) return standing;
    return { ...standing, rev: Math.max(standing.rev, other.rev), conflict, flags: UNSETTLED };
  }
  if (readingWins(other.value, other.rev, standing.value, standing.rev)) return { ...other, conflict: true, flags: UNSETTLED };
  return standing.conflict ? standing : { ...standing, conflict: true, flags: UNSETTLED };
}

/** Both lists as one, each instant and type once; both are in order, `others` may hold several of one instant. */
export function mergedRecords(records: readonly KnownRecord[], others: readonly KnownRecord[]): KnownRecord[] {
  if (others.length === 0) return [...records];
  const merged: KnownRecord[] = [];
  let at = 0;
  for (const other of others) {
    for (; at < records.length && inOrder(records[at]!, other) <= 0; at++) merged.push(records[at]!);
    const last = merged.length - 1;
    if (last >= 0 && inOrder(merged[last]!, other) === 0) merged[last] = standingOf(merged[last]!, other);
    else merged.push(other);
  }
  for (; at < records.length; at++) merged.push(records[at]!);
  return merged;
}

/**
 * A record at `at` came after the flags of the others were read: the live path may have judged the readings beside it anew since, the one
 * before it by what now follows, the one behind by what it follows now. Withdrawn exchanges between them do not keep them apart.
 */
export function unsettleBeside(records: KnownRecord[], at: number): void {
  let before = at - 1;
  while (before >= 0 && records[before]!.type !== RecordType.READING) before--;
  let behind = at + 1;
  while (behind < records.length && records[behind]!.type !== RecordType.READING) behind++;
  for (const index of [before, behind]) {
    const record = records[index];
    if (record !== undefined && record.flags !== UNSETTLED) records[index] = { ...record, flags: UNSETTLED };
  }
}

/** Both lists as `mergedRecords` has them, where `news` came after `records` were read. */
export function withNews(records: readonly KnownRecord[], news: readonly KnownRecord[]): KnownRecord[] {
  const merged = mergedRecords(records, news);
  for (const record of news) unsettleBeside(merged, placeOf(merged, record));
  return merged;
}

/** Index of the first record that does not come before `record`. */
export function placeOf(records: readonly KnownRecord[], record: Pick<KnownRecord, "ts" | "type">): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { ts, type } = records[middle]!;
    if (ts < record.ts || (ts === record.ts && type < record.type)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What a store holds, as records in order. `isCounterAt`: whether an exchange of that instant means anything. */
export function recordsOf({ readings, exchanges }: MeterHistory, isCounterAt: (ts: number) => boolean): KnownRecord[] {
  const known = readings.ts.map((ts, i): KnownRecord => {
    const flags = readings.flags[i]!;
    const [value, rev] = [readings.value[i]!, readings.rev[i]!];
    return { ts, type: RecordType.READING, value, start: Number.NaN, rev, conflict: (flags & Flag.CONFLICT) !== 0, flags };
  });
  const declared = exchanges.ts
    .map((ts, i) => knownExchange(ts, exchanges.final[i]!, exchanges.start[i]!, exchanges.rev[i]!))
    .filter(({ ts }) => isCounterAt(ts));
  return mergedRecords(known, declared);
}
