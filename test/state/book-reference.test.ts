import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { MeterBook } from "../../workers/state/book.js";
import { reference } from "../reference/reference.js";
import { aSeries, type Series } from "../support/series-generator.js";
import { inTimeOrder, tablesOf } from "./tables.js";

/** Rows in a form that says -0 and 0 are the same amount. */
function plain(rows: unknown): unknown {
  return JSON.parse(JSON.stringify(rows));
}

function agrees({ timeline, inputs }: Series): void {
  const book = new MeterBook(1);
  book.open(0, timeline);
  const arrivals = inTimeOrder(inputs);
  assert.deepEqual(plain(tablesOf(book, 0, arrivals).rows()), plain(reference(timeline, inputs)));
}

function runs(usual: number): { numRuns: number } {
  return { numRuns: Number(process.env["RUNS"] ?? usual) };
}

test("whatever arrives in order of time ends in the rows of the reference", () => {
  fc.assert(fc.property(aSeries({ longGaps: false }), agrees), runs(400));
});
test("years of gaps, too", () => {
  fc.assert(fc.property(aSeries({ maxSteps: 8 }), agrees), runs(60));
});

test("whatever of its settings changes from an instant on", () => {
  fc.assert(fc.property(aSeries({ longGaps: false, changes: "all" }), agrees), runs(400));
});
