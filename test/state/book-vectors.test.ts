import assert from "node:assert/strict";
import test from "node:test";
import { calendarFor } from "../../engine/base/calendar.js";
import { flagNames } from "../../engine/base/flags.js";
import { MeterBook } from "../../workers/state/book.js";
import { inputsOf, settingsOf, vectors } from "../reference/vectors.js";
import { inTimeOrder, tablesOf } from "./tables.js";

/** Cases whose readings do not arrive in order of time. Here they do. */
const SORTED = ["newest first"];

const iso = (ts: number) => new Date(ts).toISOString();

for (const vector of vectors) {
  const { name, readings, consumption } = vector;
  test(`the book's rows of: ${name}`, () => {
    const settings = settingsOf(vector.settings);
    const inputs = inputsOf(vector);
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
