import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { calendarFor } from "../../engine/base/calendar.js";
import { PERIODS, type PeriodName } from "../../engine/base/entries.js";
import { flagNames } from "../../engine/base/flags.js";
import type { MeterSettings } from "../../engine/base/settings.js";
import type { ConsumptionRow } from "../../engine/store/interface.js";
import type { MeterRows } from "../reference/meter-rows.js";
import { until } from "../support/servers.js";
import { allPages, readingsOf, type ShownPeriod, type ShownReading } from "./api.js";

/** A meter, and what must be in the store of it. */
export interface Expected {
  readonly meter: string;
  readonly settings: MeterSettings;
  readonly rows: MeterRows;
}

/** Rows of both tables as the engine shows them, periods by their kind. Shares in 12 places, zeros without a sign. */
type Shown = { readings: ShownReading[] } & Partial<Record<PeriodName, ShownPeriod[]>>;

function shown({ settings, rows }: Expected): Shown {
  const calendar = calendarFor(settings.timezone);
  const periods = settings.periods.map((name) => [
    name,
    rows.consumption
      .filter(({ period }) => period === name)
      .map(({ ts, value, min, max, coverage, readings, flags }) => ({
        ...{ ts: iso(ts), localDate: calendar.localDate(ts), value, min, max },
        ...{ coverage: Number(coverage.toFixed(12)), readings, flags: flagNames(flags) },
      })),
  ]);
  const readings = rows.readings.map(({ ts, value, delta, flags, rev }) => ({
    ...{ ts: iso(ts), value, delta, flags: flagNames(flags), rev },
  }));
  return plain({ readings, ...Object.fromEntries(periods) }) as Shown;
}

async function found(url: string, token: string, { meter, settings }: Expected): Promise<Shown> {
  const readings = await readingsOf(url, token, meter);
  const shown: Shown = { readings };
  for (const period of settings.periods) {
    const path = `/v1/meters/${encodeURIComponent(meter)}/consumption?period=${period}`;
    const rows = readings.length === 0 ? [] : await allPages<ShownPeriod>(url, path, token);
    shown[period] = rows.map((row) => ({ ...row, coverage: Number(row.coverage.toFixed(12)) }));
  }
  return plain(shown) as Shown;
}

/** Resolves once the engine shows exactly the expected rows of every meter; rejects with the difference when it has not within the time. */
export async function rowsAreShown(url: string, token: string, meters: readonly Expected[], withinMs: number): Promise<void> {
  assert.ok(
    meters.length > 0 && meters.every(({ rows }) => rows.readings.length + rows.exchanges.length > 0),
    "nothing to look for",
  );
  const end = performance.now() + withinMs;
  for (const expected of meters) {
    const should = shown(expected);
    let is: Shown | null = null;
    const left = Math.max(0, end - performance.now());
    await until(`the rows of ${expected.meter}`, left, async () => {
      is = await found(url, token, expected);
      return isDeepStrictEqual(is, should);
    }).catch(() => assert.deepEqual(is, should, `the rows of ${expected.meter}, which is ${JSON.stringify(expected.settings)}`));
  }
}

/** The stores' own rows, by meter. */
export type StoredRows = ReadonlyMap<string, MeterRows>;

/** Asserts that the store holds the expected rows of every meter, of both tables and of exchanges, and no others. */
export function assertStored(stored: StoredRows, meters: readonly Expected[]): void {
  assert.deepEqual([...stored.keys()].sort(), meters.map(({ meter }) => meter).sort());
  for (const { meter, settings, rows } of meters) {
    const message = `the stored rows of ${meter}, which is ${JSON.stringify(settings)}`;
    assert.deepEqual(inOrder(stored.get(meter)!), inOrder(rows), message);
  }
}

function inOrder({ readings, consumption, exchanges }: MeterRows): unknown {
  const byPeriod = (a: ConsumptionRow, b: ConsumptionRow) => PERIODS.indexOf(a.period) - PERIODS.indexOf(b.period) || a.ts - b.ts;
  const round = (row: ConsumptionRow) => ({ ...row, coverage: Number(row.coverage.toFixed(12)) });
  return plain({
    readings: readings.toSorted((a, b) => a.ts - b.ts),
    consumption: consumption.toSorted(byPeriod).map(round),
    exchanges: exchanges.toSorted((a, b) => a.ts - b.ts),
  });
}

/** Rows in a form that says -0 and 0 are the same amount. */
function plain(rows: unknown): unknown {
  return JSON.parse(JSON.stringify(rows));
}

function iso(ts: number): string {
  return new Date(ts).toISOString();
}
