import { type EntryWriter, ExchangeInfo } from "../../engine/base/entries.js";
import { MeterRecord, RecordType } from "../kernels/record.js";
import { exchangeWins } from "./meter-conflict.js";
import { type RowWriter, touchedFrom } from "./meter-rows.js";
import { Applied, append, rememberBoth, rewriteOlder, rewriteRows } from "./meter-step.js";
import type { MeterWindow } from "./meter-window.js";

/**
 * One declared exchange (`final` and `start` NaN: withdrawn) of an opened, judged window of a counter. Writes its EXCHANGE entry,
 * and what follows. The answer is of `Applied`; where it is LATE the window is as it was.
 */
export function takeExchange(
  meter: number,
  window: MeterWindow,
  ts: number,
  final: number,
  start: number,
  rev: number,
  rows: RowWriter,
  out: EntryWriter,
): number {
  const { newer } = window;
  const info = Number.isNaN(final) ? ExchangeInfo.WITHDRAWN : 0;
  if (ts < newer.ts || ts < window.withdrawnTs) {
    out.exchange(meter, ts, final, start, rev, info | ExchangeInfo.NO_ROW | ExchangeInfo.LATE);
    return Applied.LATE;
  }
  const again = newer.type === RecordType.EXCHANGE && newer.ts === ts;
  const loses =
    ts === window.withdrawnTs
      ? !exchangeWins(final, start, rev, Number.NaN, Number.NaN, window.withdrawnRev)
      : again && !exchangeWins(final, start, rev, newer.value, newer.start, newer.rev);
  out.exchange(meter, ts, final, start, rev, loses ? info | ExchangeInfo.NO_ROW : info);
  if (loses) return Applied.DUPLICATE;
  if (again) {
    rememberBoth(window);
    if (Number.isNaN(final)) takeOut(window, rev);
    else declare(window, ts, final, start, rev);
    window.judge();
    // Without the exchange the reading before it is the newest again.
    rewriteOlder(meter, Number.isNaN(final) ? window.newer : window.older, out);
    rewriteRows(meter, window, rows, out);
    return Applied.REVISED;
  }
  if (Number.isNaN(final)) {
    withdraw(window, ts, rev, window.defaultReach(ts, Number.isNaN(window.withdrawnTs) ? newer.at : window.withdrawnTs));
    // At the instant of the newest reading it reaches into a period that this one has closed.
    if (ts <= window.closedTo) rows.write(meter, window, ts - 1, window.closedTo, out);
    return Applied.LIVE;
  }
  takeNew(meter, window, ts, final, start, rev, rows, out);
  return Applied.LIVE;
}

function takeNew(
  meter: number,
  window: MeterWindow,
  ts: number,
  final: number,
  start: number,
  rev: number,
  rows: RowWriter,
  out: EntryWriter,
): void {
  const reach = append(window, RecordType.EXCHANGE, ts, final, rev);
  declare(window, ts, final, start, rev);
  const { older, newer } = window;
  newer.reachFrom = reach;
  if (Number.isNaN(window.closedTo)) window.closedTo = newer.at;
  window.judge();
  // Only readings close periods, but a segment that looked settled may be another now.
  const from = Math.min(touchedFrom(newer), rewriteOlder(meter, older, out));
  if (from < window.closedTo) rows.write(meter, window, from, window.closedTo, out);
}

function declare(window: MeterWindow, ts: number, final: number, start: number, rev: number): void {
  const { newer } = window;
  window.place(newer, ts, final, rev);
  newer.start = start;
  newer.startUnits = newer.settings.units(start);
}

/** The newest record is withdrawn: what came before it is the newest again. */
function takeOut(window: MeterWindow, rev: number): void {
  const { newer, older } = window;
  const { ts, reachFrom } = newer;
  newer.clear();
  window.newer = older;
  window.older = newer;
  withdraw(window, ts, rev, reachFrom);
}

/** A withdrawn exchange still is a record next to others: periods between them have rows. */
function withdraw(window: MeterWindow, ts: number, rev: number, reachFrom: number): void {
  window.withdrawnTs = ts;
  window.withdrawnRev = rev;
  if (Number.isNaN(window.closedTo)) window.closedTo = ts;
  if (Number.isNaN(reachFrom)) return;
  const mark = new MeterRecord();
  mark.type = RecordType.EXCHANGE;
  mark.settings = window.timeline.at(ts);
  mark.at = ts;
  mark.reachFrom = reachFrom;
  // What both newest records bring is not settled yet, so the periods that they reach must not be let go of before them.
  window.addSettled(mark, window.newer, Math.min(unsettledFrom(window.older), unsettledFrom(window.newer)));
}

function unsettledFrom(record: MeterRecord): number {
  return record.type === RecordType.NONE ? Number.POSITIVE_INFINITY : touchedFrom(record);
}
