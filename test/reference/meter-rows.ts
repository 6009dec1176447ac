import type { MeterSettings, MeterTimeline } from "../../engine/base/settings.js";
import type { ConsumptionRow, ReadingRow } from "../../engine/store/interface.js";
import type { ExchangeInput, Input } from "./history.js";
import { reference } from "./reference.js";

export interface ExchangeRow {
  readonly ts: number;
  readonly final: number | null;
  readonly start: number | null;
  readonly rev: number;
}

/** All rows of a meter: readings and exchanges by ts, periods by kind and ts. */
export interface MeterRows {
  readonly readings: readonly ReadingRow[];
  readonly consumption: readonly ConsumptionRow[];
  readonly exchanges: readonly ExchangeRow[];
}

/** The rows that the rules give all that a meter sent, in whatever order. */
export function rowsOf(settings: MeterSettings | MeterTimeline, inputs: readonly Input[]): MeterRows {
  return { ...reference(settings, inputs), exchanges: exchangeRows(inputs) };
}

/** One exchange a ts: the greater rev stands, of equal ones a withdrawal, then the greater final, then the greater start. */
function exchangeRows(inputs: readonly Input[]): ExchangeRow[] {
  const standing = new Map<number, ExchangeRow>();
  const rank = ({ rev, final, start }: ExchangeRow) => [rev, final ?? Infinity, start ?? Infinity] as const;
  for (const { ts, rev = 0, exchange } of inputs.filter((input): input is ExchangeInput => "exchange" in input)) {
    const row = { ts, final: exchange?.final ?? null, start: exchange?.start ?? null, rev };
    const other = standing.get(ts);
    if (other === undefined || isGreater(rank(row), rank(other))) standing.set(ts, row);
  }
  return [...standing.values()].sort((a, b) => a.ts - b.ts);
}

function isGreater(a: readonly number[], b: readonly number[]): boolean {
  const i = a.findIndex((each, at) => each !== b[at]);
  return i >= 0 && a[i]! > b[i]!;
}

/** What each row says, by its identity: rows are alike where both are. */
export function byIdentity({ readings, consumption, exchanges }: MeterRows): Map<string, string> {
  const iso = (ts: number) => new Date(ts).toISOString();
  return new Map([
    ...readings.map(({ ts, ...row }): [string, string] => [`reading ${iso(ts)}`, said(row)]),
    ...consumption.map(({ ts, period, ...row }): [string, string] => [`${period} ${iso(ts)}`, said(row)]),
    ...exchanges.map(({ ts, ...row }): [string, string] => [`exchange ${iso(ts)}`, said(row)]),
  ]);
}

function said(row: object): string {
  return JSON.stringify(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The rows that were not there before, or said something else; no row of before may be gone. */
export function changedRows(before: MeterRows, after: MeterRows): Map<string, string> {
  const [was, is] = [byIdentity(before), byIdentity(after)];
  for (const identity of was.keys()) if (!is.has(identity)) throw new Error(`${identity} is no longer there`);
  return new Map([...is].filter(([identity, row]) => was.get(identity) !== row));
}
