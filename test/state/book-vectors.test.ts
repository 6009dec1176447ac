import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { calendarFor } from "../../engine/base/calendar.js";
import { flagNames } from "../../engine/base/flags.js";
import { packageRoot } from "../../engine/base/package-root.js";
import { defaultSettings, type MeterSettings } from "../../engine/base/settings.js";
import { MeterBook } from "../../workers/state/book.js";
import type { Input } from "../reference/history.js";
import { inTimeOrder, tablesOf } from "./tables.js";

interface Vector {
  name: string;
  settings: Partial<Omit<MeterSettings, "interval"> & { interval: "30m" | "1h" }>;
  arrivals: { ts: string; value: number; rev?: number; exchange?: { final: number; start: number } | null }[];
  readings: unknown[];
  consumption: unknown[];
}

const vectors: Vector[] = JSON.parse(readFileSync(join(packageRoot, "test", "vectors.json"), "utf8"));
const LENGTHS_MS = { "30m": 1_800_000, "1h": 3_600_000 };
/** Cases whose readings do not arrive in order of time. Here they do. */
const SORTED = ["newest first"];

function settingsOf({ interval = "1h", ...given }: Vector["settings"]): MeterSettings {
  const defaults = defaultSettings("UTC");
  const step = Number(`1e-${given.decimals ?? defaults.decimals}`);
  return { ...defaults, step, ...given, interval: LENGTHS_MS[interval] };
}

const iso = (ts: number) => new Date(ts).toISOString();

for (const { name, settings: given, arrivals, readings, consumption } of vectors) {
  test(`the book's rows of: ${name}`, () => {
    const settings = settingsOf(given);
    const inputs = arrivals.map((arrival): Input => ({ ...arrival, ts: Date.parse(arrival.ts) }));
    const ordered = inTimeOrder(inputs);
    assert.equal(
      ordered.some((input, i) => input !== inputs[i]),
      SORTED.includes(name),
    );
    const book = new MeterBook(1);
    book.open(0, settings);
    const rows = tablesOf(book, 0, ordered).rows();
    assert.deepEqual(
      rows.readings.map(({ ts, value, delta, flags }) => ({ ts: iso(ts), value, delta, flags: flagNames(flags) })),
      readings,
    );
    assert.deepEqual(
      rows.consumption.map(({ ts, period, coverage, flags, ...row }) => ({
        ts: iso(ts),
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

test("all the worked cases are there", () => {
  assert.equal(vectors.length, 36);
});
