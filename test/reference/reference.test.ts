import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { calendarFor } from "../../engine/base/calendar.js";
import type { PeriodName } from "../../engine/base/entries.js";
import { type FlagName, flagNames } from "../../engine/base/flags.js";
import { packageRoot } from "../../engine/base/package-root.js";
import { defaultSettings, type MeterSettings } from "../../engine/base/settings.js";
import type { Input } from "./history.js";
import { reference } from "./reference.js";

interface Vector {
  name: string;
  settings: Partial<Omit<MeterSettings, "interval"> & { interval: "30m" | "1h" }>;
  arrivals: { ts: string; value: number; rev?: number; exchange?: { final: number; start: number } | null }[];
  readings: { ts: string; value: number; delta: number | null; flags: FlagName[] }[];
  consumption: {
    ts: string;
    period: PeriodName;
    localDate: string;
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

function settingsOf({ interval = "1h", ...given }: Vector["settings"]): MeterSettings {
  const defaults = defaultSettings("UTC");
  const step = Number(`1e-${given.decimals ?? defaults.decimals}`);
  return { ...defaults, step, ...given, interval: LENGTHS_MS[interval] };
}

test("all the worked cases are there", () => {
  assert.equal(vectors.length, 36);
});

for (const { name, settings: given, arrivals, readings, consumption } of vectors) {
  test(`the rows of: ${name}`, () => {
    const settings = settingsOf(given);
    const rows = reference(
      settings,
      arrivals.map((arrival): Input => ({ ...arrival, ts: Date.parse(arrival.ts) })),
    );
    assert.deepEqual(
      rows.readings.map(({ ts, value, delta, flags }) => ({
        ts: new Date(ts).toISOString(),
        value,
        delta,
        flags: flagNames(flags),
      })),
      readings,
    );
    assert.deepEqual(
      rows.consumption.map(({ ts, coverage, flags, period, ...row }) => ({
        ts: new Date(ts).toISOString(),
        period,
        localDate: calendarFor(settings.timezone).localDate(ts),
        ...row,
        coverage: Number(coverage.toFixed(12)),
        flags: flagNames(flags),
      })),
      consumption,
    );
  });
}
