import { type EntryWriter, Kind } from "../../engine/base/entries.js";
import { judge } from "../kernels/judge.js";
import { type MeterRecord, RecordType } from "../kernels/record.js";
import { readingWins } from "./meter-conflict.js";
import { type RowWriter, touchedFrom } from "./meter-rows.js";
import type { MeterWindow } from "./meter-window.js";

/** What became of a reading. */
export const Applied = {
  /** The newest of its meter. */
  LIVE: 0,
  /** Known: nothing changed. */
  DUPLICATE: 1,
  /** Another value, or a greater rev, at the newest reading's instant. */
  REVISED: 2,
  /** Behind its meter's newest records: what it changes is a repair's to find out. */
  LATE: 3,
  /** Before the newest record, but behind all that is settled: worked in at once. */
  INSERTED: 4,
} as const;

/** How a record was judged before something new was known. */
class Verdict {
  delta = Number.NaN;
  flags = 0;
  touchedFrom = Number.POSITIVE_INFINITY;

  remember(record: MeterRecord): void {
    this.delta = record.delta;
    this.flags = record.flags;
    this.touchedFrom = record.type === RecordType.NONE ? Number.POSITIVE_INFINITY : touchedFrom(record);
  }

  isStill(record: MeterRecord): boolean {
    return record.type === RecordType.NONE || (Object.is(this.delta, record.delta) && this.flags === record.flags);
  }
}

const olderWas = new Verdict();
const newerWas = new Verdict();

/**
 * One reading of an opened, judged window. The answer is of `Applied`; where it is LATE the window is as it was.
 * `conflict`: two values are known to have been seen at its instant.
 */
export function takeReading(
  meter: number,
  window: MeterWindow,
  ts: number,
  value: number,
  rev: number,
  conflict: boolean,
  rows: RowWriter,
  out: EntryWriter,
): number {
  const standing = readingAt(window, ts);
  if (standing !== null) return takeAgain(meter, window, standing, value, rev, rows, out);
  // At the instant of an exchange, withdrawn or not, the reading comes first.
  if (ts <= window.newer.ts || ts <= window.withdrawnTs) return takeBehind(meter, window, ts, value, rev, rows, out);
  const reach = append(window, RecordType.READING, ts, value, rev);
  const { older, newer } = window;
  newer.reachFrom = reach;
  newer.conflict = conflict;
  if (Number.isNaN(window.closedTo)) window.closedTo = newer.at;
  window.judge();
  writeReading(Kind.READING, meter, newer, out);
  const from = Math.min(window.closedTo, touchedFrom(newer), rewriteOlder(meter, older, out));
  if (newer.at > window.closedTo) window.closedTo = newer.at;
  rows.write(meter, window, from, window.closedTo, out);
  return Applied.LIVE;
}

/** The reading of this instant, if it is one of the two newest records: nothing that comes after it is settled. */
function readingAt({ older, newer }: MeterWindow, ts: number): MeterRecord | null {
  if (newer.ts === ts && newer.type === RecordType.READING) return newer;
  return older.type === RecordType.READING && older.ts === ts ? older : null;
}

/**
 * A reading between the two newest records, as when two change places on their way: `older` is settled with it for its successor.
 *
 *     settled │ older │ newer      ──▶      settled · older │ this one │ newer
 */
function takeBehind(
  meter: number,
  window: MeterWindow,
  ts: number,
  value: number,
  rev: number,
  rows: RowWriter,
  out: EntryWriter,
): number {
  const { older, newer } = window;
  // At the instant of an exchange the reading comes first.
  const isBetween = older.type !== RecordType.NONE && ts > older.ts && (ts < newer.ts || newer.type === RecordType.EXCHANGE);
  if (!isBetween || !Number.isNaN(window.withdrawnTs)) {
    out.reading(Kind.LATE, meter, ts, value, Number.NaN, rev, 0);
    return Applied.LATE;
  }
  rememberBoth(window);
  const from = Math.min(olderWas.touchedFrom, newerWas.touchedFrom);
  const olderReach = older.reachFrom;
  window.insert();
  const { older: inserted, newer: last } = window;
  inserted.type = RecordType.READING;
  window.place(inserted, ts, value, rev);
  const settled = window.settledLast;
  // Judged once more before it is settled: its successor is another one now.
  judge(window.base, settled, inserted);
  settled.reachFrom = olderReach;
  if (!olderWas.isStill(settled) && settled.type === RecordType.READING) {
    writeReading(Kind.REWRITE, meter, settled, out);
  }
  const first = Math.min(from, touchedFrom(settled));
  inserted.reachFrom = window.defaultReach(inserted.at, settled.at);
  last.reachFrom = window.defaultReach(last.at, inserted.at);
  if (inserted.settings.isInterval) inserted.from = inserted.settings.intervalStart(ts);
  // Its rows are written again below, so their periods must not be let go of with it.
  window.settle(settled, inserted, first);
  window.judge();
  writeReading(Kind.READING, meter, inserted, out);
  if (!newerWas.isStill(last) && last.type === RecordType.READING) writeReading(Kind.REWRITE, meter, last, out);
  const touched = Math.min(first, window.closedTo, touchedFrom(inserted), touchedFrom(last));
  // Before an exchange it may be the first reading that is past a period's end.
  if (inserted.at > window.closedTo) window.closedTo = inserted.at;
  rows.write(meter, window, touched, window.closedTo, out);
  return Applied.INSERTED;
}

/** Puts a new newest record into the window, not yet judged. Returns how far back its neighbour is reached. */
export function append(window: MeterWindow, type: number, ts: number, value: number, rev: number): number {
  window.shift();
  const { older, newer } = window;
  olderWas.remember(older);
  newer.type = type;
  window.place(newer, ts, value, rev);
  // What is declared again at the instant of its withdrawal takes that one's place: they are no neighbours.
  const isBehindWithdrawn = window.withdrawnTs < ts;
  const reach = window.defaultReach(newer.at, isBehindWithdrawn ? window.withdrawnTs : older.at);
  window.withdrawnTs = Number.NaN;
  return reach;
}

/** Another input for the instant of a reading that stands. */
function takeAgain(
  meter: number,
  window: MeterWindow,
  standing: MeterRecord,
  value: number,
  rev: number,
  rows: RowWriter,
  out: EntryWriter,
): number {
  const isOther = value !== standing.value;
  const wins = isOther ? readingWins(value, rev, standing.value, standing.rev) : rev > standing.rev;
  if (isOther && wins && isLookedAtBySettled(window, standing)) {
    out.reading(Kind.LATE, meter, standing.ts, value, Number.NaN, rev, 0);
    return Applied.LATE;
  }
  if (!wins) out.reading(Kind.INPUT, meter, standing.ts, value, Number.NaN, rev, 0);
  if (!wins && (!isOther || standing.conflict)) return Applied.DUPLICATE;
  rememberBoth(window);
  if (isOther) standing.conflict = true;
  if (wins) window.place(standing, standing.ts, value, rev);
  window.judge();
  writeReading(wins ? Kind.READING : Kind.REWRITE, meter, standing, out);
  if (standing !== window.older) rewriteOlder(meter, window.older, out);
  else if (window.newer.type === RecordType.READING && !newerWas.isStill(window.newer)) {
    writeReading(Kind.REWRITE, meter, window.newer, out);
  }
  rewriteRows(meter, window, rows, out);
  return Applied.REVISED;
}

/** Whether the record before was judged by the value of this one, and can no longer be judged by another. */
function isLookedAtBySettled({ older, newer, base }: MeterWindow, standing: MeterRecord): boolean {
  const { settings } = standing;
  const isFirst = standing === (older.type === RecordType.NONE ? newer : older);
  return settings.isCounter && isFirst && !Number.isNaN(base.ts) && base.isFor(settings);
}

export function rememberBoth(window: MeterWindow): void {
  olderWas.remember(window.older);
  newerWas.remember(window.newer);
}

/** Writes the rows again that either record touched before or touches now. */
export function rewriteRows(meter: number, window: MeterWindow, rows: RowWriter, out: EntryWriter): void {
  const { older, newer } = window;
  let from = Math.min(olderWas.touchedFrom, newerWas.touchedFrom);
  if (older.type !== RecordType.NONE) from = Math.min(from, touchedFrom(older));
  if (newer.type !== RecordType.NONE) from = Math.min(from, touchedFrom(newer));
  rows.write(meter, window, from, window.closedTo, out);
}

/** Writes the older reading's row again if its look-ahead decides it anew. Returns from when on rows may have changed by it. */
export function rewriteOlder(meter: number, older: MeterRecord, out: EntryWriter): number {
  if (olderWas.isStill(older)) return Number.POSITIVE_INFINITY;
  if (older.type === RecordType.READING) writeReading(Kind.REWRITE, meter, older, out);
  return Math.min(olderWas.touchedFrom, touchedFrom(older));
}

function writeReading(kind: number, meter: number, record: MeterRecord, out: EntryWriter): void {
  const delta = record.settings.shownAmount(record.delta, record.deltaLow);
  out.reading(kind, meter, record.ts, record.value, delta, record.rev, record.flags);
}
