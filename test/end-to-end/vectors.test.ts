import assert from "node:assert/strict";
import { test } from "node:test";
import { Flag, type FlagName } from "../../engine/base/flags.js";
import { rowsOf } from "../reference/meter-rows.js";
import { inputsOf, settingsOf, type Vector, vectors } from "../reference/vectors.js";
import { questDbSkip } from "../support/questdb.js";
import { endsInItsRows, type SentMeter } from "./meters-over-wire.js";

/** A meter for a case; which rev stands and what the table of exchanges holds is not written in the cases. */
function meterOf(vector: Vector, i: number): SentMeter {
  const settings = settingsOf(vector.settings);
  const arrivals = inputsOf(vector);
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
