import type { HistoryRange, MeterHistory, MeterPeriods } from "./interface.js";

/** What histories have in common, wherever they are read: the tables, and what of them makes a history or periods. */
export type HistoryTable = "readings" | "exchanges" | "consumption";
export const RECORD_TABLES: readonly HistoryTable[] = ["readings", "exchanges"];
export const PERIOD_TABLES: readonly HistoryTable[] = ["consumption"];

/** Either answer. */
export type Told = MeterHistory | MeterPeriods;

/** The columns beside ts. */
export const HISTORY_COLUMNS: Readonly<Record<HistoryTable, readonly string[]>> = {
  readings: ["value", "rev", "delta", "flags"],
  exchanges: ["final", "start", "rev"],
  consumption: ["period", "value", "min", "max", "coverage", "readings", "flags"],
};

/** One history for each range, in their order, with nothing in it yet. */
export function emptyHistories(ranges: readonly HistoryRange[]): MeterHistory[] {
  return ranges.map(({ meter }) => ({
    meter,
    readings: { ts: [], value: [], rev: [], delta: [], flags: [] },
    exchanges: { ts: [], final: [], start: [], rev: [] },
  }));
}

/** As `emptyHistories`, for periods. */
export function emptyPeriods(ranges: readonly HistoryRange[]): MeterPeriods[] {
  return ranges.map(({ meter }) => ({
    meter,
    consumption: { ts: [], period: [], value: [], min: [], max: [], coverage: [], readings: [], flags: [] },
  }));
}

/** Adds a row of a table that the answer has: ts, then the table's columns in their order, from `cells[at]` on; NaN for NULL. */
export function addRow(told: Told, table: HistoryTable, cells: ArrayLike<number>, at = 0): void {
  const columns = (told as unknown as Record<HistoryTable, Record<string, number[]>>)[table];
  columns["ts"]!.push(cells[at]!);
  const names = HISTORY_COLUMNS[table];
  for (let i = 0; i < names.length; i++) columns[names[i]!]!.push(cells[at + 1 + i]!);
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
