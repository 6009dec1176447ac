import { Kind, NONE, PERIODS } from "../../engine/base/entries.js";
import { type EntryViews, entryBytes } from "../../engine/base/entry-views.js";
import { stableHash } from "../../engine/base/ids.js";
import type { Names, RefusedRow } from "../../engine/store/interface.js";
import type { TableName } from "../../engine/store/schema.js";
import { rejectTexts } from "./fields.js";
import type { Isolated } from "./isolate.js";

/** The code that a refused row has in `rejected`, where the others are those of readings that the engine itself rejects. */
export const ROW_REFUSED = "row_refused";

/** A row that the store refuses by itself, as it is kept in `rejected`; the same row is always kept the same way. */
export interface KeptRow {
  readonly table: TableName;
  readonly isReading: boolean;
  readonly arrivalMs: number;
  readonly tenant: string;
  readonly datalogger: string;
  readonly seq: number;
  /** Tells rows of one frame apart. */
  readonly index: number;
  readonly meter: string;
  /** ASCII alone, whatever was in the row. */
  readonly raw: string;
}

/** Whether the entry at byte `at` has a row in what is looked at: a table, or a request. */
export type HasRow = (views: EntryViews, at: number) => boolean;

/** Visits the entries that have a row: how many such there were before, where it is, and where its unit begins. Returns how many there are. */
export function eachRow(
  chunks: readonly EntryViews[],
  hasRow: HasRow,
  visit: (row: number, views: EntryViews, at: number, unitAt: number) => void,
): number {
  let row = 0;
  for (const views of chunks) {
    let unitAt = 0;
    for (let at = 0; at < views.u8.length; at += entryBytes(views, at)) {
      if ((views.u32[at >> 2]! & 0xff) === Kind.UNIT) unitAt = at;
      else if (hasRow(views, at)) visit(row++, views, at, unitAt);
    }
  }
  return row;
}

/** What is to be kept of rows of a table that were refused. */
export function keptRows(
  chunks: readonly EntryViews[],
  table: TableName,
  hasRow: HasRow,
  refused: readonly Isolated[],
  names: Names,
): KeptRow[] {
  const kept: KeptRow[] = [];
  const reasons = new Map(refused.map(({ row, why }) => [row, why]));
  eachRow(chunks, hasRow, (row, views, at, unitAt) => {
    const why = reasons.get(row);
    if (why !== undefined) kept.push(keptRow(views, at, unitAt, table, why, names));
  });
  return kept;
}

function keptRow(views: EntryViews, at: number, unitAt: number, table: TableName, why: string, names: Names): KeptRow {
  const { u32, f64 } = views;
  const kind = u32[at >> 2]! & 0xff;
  const subject = u32[(at >> 2) + 1]!;
  const sender = u32[(unitAt >> 2) + 4]!;
  const isReject = kind === Kind.REJECT;
  const tenant = isReject ? names.datalogger(subject).tenant : names.tenantOfMeter(subject);
  const meter = isReject ? rejectTexts(views, at).meter : names.meter(subject);
  const cells = cellsOf(views, at, kind, names);
  return {
    ...{ table, isReading: kind === Kind.READING, arrivalMs: f64[(unitAt >> 3) + 1]!, tenant, meter },
    datalogger: sender === NONE ? "" : names.datalogger(sender).id,
    seq: f64[(unitAt >> 3) + 3]!,
    index: stableHash(
      JSON.stringify([table, meter, cells["ts"], cells["period"], cells["rule"], cells["index"], cells["state"]]),
    ),
    raw: ascii(JSON.stringify({ table, why, meter, ...cells })),
  };
}

/** The columns of a row for people; NaN is shown as null. */
function cellsOf(views: EntryViews, at: number, kind: number, names: Names): Record<string, string | number> {
  const { u32, f64 } = views;
  const u = at >> 2;
  const f = at >> 3;
  const ts = timeText(f64[f + 1]!);
  switch (kind) {
    case Kind.PERIOD: {
      const amounts = { value: f64[f + 2]!, min: f64[f + 3]!, max: f64[f + 4]!, coverage: f64[f + 5]! };
      return { ts, period: PERIODS[u32[u + 13]!] ?? "", ...amounts, readings: u32[u + 12]!, flags: u32[u]! >>> 8 };
    }
    case Kind.ALERT: {
      const state = ((u32[u]! >>> 8) & 1) === 1 ? "firing" : "resolved";
      return { ts, rule: names.rule(u32[u + 8]!), state, value: f64[f + 2]!, threshold: f64[f + 3]! };
    }
    case Kind.EXCHANGE:
      return { ts, final: f64[f + 2]!, start: f64[f + 3]!, rev: u32[u + 8]! };
    case Kind.REJECT: {
      const { code, raw } = rejectTexts(views, at);
      return { ts, code, index: u32[u + 6]!, raw };
    }
    default:
      return { ts, value: f64[f + 2]!, rev: u32[u + 8]!, delta: f64[f + 3]!, flags: u32[u]! >>> 8 };
  }
}

/** The time itself may be what is refused. */
function timeText(ms: number): string {
  const time = new Date(ms);
  return Number.isNaN(time.getTime()) ? String(ms) : time.toISOString();
}

/** What is told of kept rows. */
export function toldOf(kept: readonly KeptRow[]): RefusedRow[] {
  return kept.map((row) => ({ table: row.table, isReading: row.isReading, text: wordsOf(row) }));
}

/** One line for whoever looks after the engine. */
function wordsOf(row: KeptRow): string {
  return `the store refuses a row of ${row.table} of client ${row.tenant} by itself; it was kept in rejected (code ${ROW_REFUSED}) and all others were stored: ${row.raw}`;
}

/** Control characters and everything beyond ASCII as escapes of JSON. */
function ascii(json: string): string {
  return json.replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
