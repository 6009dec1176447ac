import assert from "node:assert/strict";
import test from "node:test";
import { calendarFor } from "../../engine/base/calendar.js";
import { flagNames } from "../../engine/base/flags.js";
import { reference } from "./reference.js";
import { inputsOf, settingsOf, vectors } from "./vectors.js";

test("all the worked cases are there", () => {
  assert.equal(vectors.length, 36);
});

for (const vector of vectors) {
  const { name, readings, consumption } = vector;
  test(`the rows of: ${name}`, () => {
    const settings = settingsOf(vector.settings);
    const rows = reference(settings, inputsOf(vector));
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
