import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { PeriodName } from "../../engine/base/entries.js";
import { Flag, type FlagName } from "../../engine/base/flags.js";
import { packageRoot } from "../../engine/base/package-root.js";
import { defaultSettings, type MeterSettings } from "../../engine/base/settings.js";
import { rowsOf } from "../reference/meter-rows.js";
import { questDbSkip } from "../support/questdb.js";
import { endsInItsRows, type SentMeter } from "./meters-over-wire.js";

interface Vector {
  name: string;
  settings: Partial<Omit<MeterSettings, "interval"> & { interval: "30m" | "1h" }>;
  arrivals: { ts: string; value: number; rev?: number; exchange?: { final: number; start: number } | null }[];
  readings: { ts: string; value: number; delta: number | null; flags: FlagName[] }[];
  consumption: {
    ts: string;
    period: PeriodName;
    value: number | null;
    min: number | null;
    max: number | null;
    coverage: number;
    readings: number;
    flags: FlagName[];
  }[];
}

const vectors: Vector[] = JSON.parse(readFileSync(join(packageRoot, "test", "vectors.json"), "utf8"));
const LENGTHS_MS = { "30m": 1_800_000, "1h": 3_600_000 };

/** A meter for a case; which rev stands and what the table of exchanges holds is not written in the cases. */
function meterOf({ settings: { interval = "1h", ...given }, ...vector }: Vector, i: number): SentMeter {
  const defaults = defaultSettings("UTC");
  const step = Number(`1e-${given.decimals ?? defaults.decimals}`);
  const settings = { ...defaults, step, ...given, interval: LENGTHS_MS[interval] };
  const arrivals = vector.arrivals.map((arrival) => ({ ...arrival, ts: Date.parse(arrival.ts) }));
  const { readings, exchanges } = rowsOf(settings, arrivals);
  const revs = new Map(readings.map(({ ts, rev }) => [ts, rev]));
  return {
    ...{ meter: `case-${i}`, settings, arrivals },
    rows: {
      readings: vector.readings.map(({ ts, value, delta, flags }) => {
        const ms = Date.parse(ts);
        return { ts: ms, value, rev: revs.get(ms)!, delta, flags: bits(flags) };
      }),
      consumption: vector.consumption.map(({ ts, period, value, min, max, coverage, readings: count, flags }) => ({
        ...{ ts: Date.parse(ts), period, value, min, max, coverage, readings: count, flags: bits(flags) },
      })),
      exchanges,
    },
  };
}

function bits(names: readonly FlagName[]): number {
  return names.reduce((flags, name) => flags | Flag[name], 0);
}

const meters = vectors.map(meterOf);

test("all the worked cases are there", () => {
  assert.equal(meters.length, 36);
});

test("the worked cases, sent over the wire, end in their rows: duckdb", (t) => endsInItsRows(t, "duckdb", meters));

test("the worked cases, sent over the wire, end in their rows: questdb", { skip: questDbSkip() }, (t) =>
  endsInItsRows(t, "questdb", meters),
);
