import type { PeriodName } from "../../engine/base/entries.js";
import { Flag, type FlagName } from "../../engine/base/flags.js";
import { defaultSettings, type MeterSettings } from "../../engine/base/settings.js";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../engine/base/zone.js";
import type { ConsumptionRow, ReadingRow } from "../../engine/store/interface.js";
import type { Input } from "../reference/history.js";

/** What rules of other systems make of a trace: sums in register units, rounded to the resolution. */
export interface OtherSums {
  relative: number;
  eighth: number;
  everyDrop: number;
  toZero: number;
}

/** A short history of one meter that is known to break rules for resets, with the rows that it must end in. */
export interface Trace {
  name: string;
  /** What kind of device or system does that. */
  origin: string;
  settings: MeterSettings;
  /** In order of arrival, which is not always that of time. */
  arrivals: readonly Input[];
  /** What flowed, as far as a careful engineer can know it, in register units; null: not even that can be said. */
  flowed: number | null;
  /** Stretches beside it about which nobody can know how much flowed. */
  unknowable: number;
  /** Why `flowed` is what it is. */
  why: string;
  /** All rows of `readings`, by ts: worked out by hand from the rules. */
  readings: readonly ReadingRow[];
  /** All rows of `consumption`, by period and ts, coverage rounded to 12 places; null: not worked out for this trace. */
  consumption: readonly ConsumptionRow[] | null;
  others: OtherSums;
}

type Given = Pick<Trace, "name" | "origin" | "arrivals" | "flowed" | "why" | "readings" | "others"> & {
  settings?: Partial<MeterSettings>;
  unknowable?: number;
  consumption?: readonly ConsumptionRow[];
};

/** A trace in full. Settings that are not given have their defaults: a counter in UTC whose step is its resolution. */
export function traceOf({ settings = {}, unknowable = 0, consumption, ...given }: Given): Trace {
  const step = Number(`1e-${settings.decimals ?? 3}`);
  return {
    ...given,
    settings: { ...defaultSettings("UTC"), step, ...settings },
    unknowable,
    consumption: consumption ?? null,
  };
}

const FIRST_DAY = Date.parse("2026-01-10T00:00Z");

/** An instant: `"00:15"` on 2026-01-10, UTC, `"1 00:15"` a day later. */
export function at(time: string): number {
  const [, days = "0", hours = "0", minutes = "0"] = /^(?:(\d+) )?(\d\d):(\d\d)$/.exec(time) ?? [];
  return FIRST_DAY + Number(days) * DAY_MS + Number(hours) * HOUR_MS + Number(minutes) * MINUTE_MS;
}

/** A reading that arrives. */
export function sent(time: string, value: number, rev?: number): Input {
  return { ts: at(time), value, ...(rev !== undefined && { rev }) };
}

/** A row of `readings`; rev 0. */
export function row(time: string, value: number, delta: number | null, ...flags: FlagName[]): ReadingRow {
  return { ts: at(time), value, rev: 0, delta, flags: bits(flags) };
}

/** A reading and the row that it must leave. */
type Cell = readonly [value: number, delta: number | null, ...flags: FlagName[]];

/** Readings in order of time, the first at `start`, one every quarter of an hour, each with its row. */
export function quarterly(start: string, ...cells: readonly Cell[]): { arrivals: Input[]; readings: ReadingRow[] } {
  const readings = cells.map(([value, delta, ...flags], i) => ({
    ts: at(start) + i * 15 * MINUTE_MS,
    value,
    rev: 0,
    delta,
    flags: bits(flags),
  }));
  return { arrivals: readings.map(({ ts, value }) => ({ ts, value })), readings };
}

/** A row of `consumption` of a counter: the period that begins at `time`. */
export function period(
  name: PeriodName,
  time: string,
  value: number | null,
  coverage: number,
  readings: number,
  ...flags: FlagName[]
): ConsumptionRow {
  return { ts: at(time), period: name, value, min: null, max: null, coverage, readings, flags: bits(flags) };
}

function bits(names: readonly FlagName[]): number {
  return names.reduce((flags, name) => flags | Flag[name], 0);
}
