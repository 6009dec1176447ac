import type { HistoryRange, MeterHistory } from "./interface.js";

/** What histories have in common, wherever they are read. */
export type HistoryTable = "readings" | "exchanges";

/** The columns of a history beside ts. */
export const HISTORY_COLUMNS: Readonly<Record<HistoryTable, readonly [string, string, string]>> = {
  readings: ["value", "rev", "flags"],
  exchanges: ["final", "start", "rev"],
};

/** One history for each range, in their order, with nothing in it yet. */
export function emptyHistories(ranges: readonly HistoryRange[]): MeterHistory[] {
  return ranges.map(({ meter }) => ({
    meter,
    readings: { ts: [], value: [], rev: [], flags: [] },
    exchanges: { ts: [], final: [], start: [], rev: [] },
  }));
}

/** Adds a row of either table; `a`, `b` and `c` are its columns in the order of `HISTORY_COLUMNS`, NaN for NULL. */
export function addRow(history: MeterHistory, table: HistoryTable, ts: number, a: number, b: number, c: number): void {
  if (table === "readings") {
    const { readings } = history;
    readings.ts.push(ts);
    readings.value.push(a);
    readings.rev.push(b);
    readings.flags.push(c);
    return;
  }
  const { exchanges } = history;
  exchanges.ts.push(ts);
  exchanges.final.push(a);
  exchanges.start.push(b);
  exchanges.rev.push(c);
}

const dayMs = 24 * 3_600_000;

type Span = Pick<HistoryRange, "from" | "to">;

/**
 * Positions of ranges that are read together, as one statement reads a whole stretch of time for all its meters: ranges near
 * each other, so that at most about twice the time is read that was asked for, a range being worth a day more than it is
 * long (a store's partition is a day). Ranges that end before they begin are left out.
 */
export function groupedByTime(ranges: readonly Span[]): number[][] {
  const order = ranges.map((_, position) => position).filter((position) => ranges[position]!.from <= ranges[position]!.to);
  order.sort((a, b) => ranges[a]!.from - ranges[b]!.from);
  const groups: number[][] = [];
  let group: number[] = [];
  let from = 0;
  let to = 0;
  let askedMs = 0;
  for (const position of order) {
    const range = ranges[position]!;
    const rangeMs = range.to - range.from + dayMs;
    const readMs = (Math.max(to, range.to) - from + dayMs) * (group.length + 1);
    if (group.length > 0 && readMs <= 2 * (askedMs + rangeMs)) {
      group.push(position);
      to = Math.max(to, range.to);
      askedMs += rangeMs;
      continue;
    }
    group = [position];
    groups.push(group);
    ({ from, to } = range);
    askedMs = rangeMs;
  }
  return groups;
}

/** The stretch of time that holds all of some ranges; at least one. */
export function spanOf(ranges: readonly Span[]): Span {
  let { from, to } = ranges[0]!;
  for (const range of ranges) {
    from = Math.min(from, range.from);
    to = Math.max(to, range.to);
  }
  return { from, to };
}
