import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { EntryWriter } from "../../engine/base/entries.js";
import { always, defaultSettings } from "../../engine/base/settings.js";
import { createRunning, MeterBook } from "../../workers/state/book.js";
import { aSeries, type Series } from "../support/series-generator.js";
import { give, inTimeOrder } from "./tables.js";

/** Inputs of several meters, each in order of time, one meter after the other in turns. */
function inTurns(series: readonly Series[]): { meter: number; input: Series["inputs"][number] }[] {
  const queues = series.map(({ inputs }) => inTimeOrder(inputs));
  const longest = Math.max(...queues.map((queue) => queue.length));
  return Array.from({ length: longest }, (_, turn) =>
    queues.flatMap((queue, meter) => (turn < queue.length ? [{ meter, input: queue[turn]! }] : [])),
  ).flat();
}

function opened(series: readonly Pick<Series, "timeline">[]): MeterBook {
  const book = new MeterBook(2);
  for (const [meter, { timeline }] of series.entries()) book.open(meter, timeline);
  return book;
}

function bytesOf(book: MeterBook, meter: number, input: Series["inputs"][number]): Uint8Array {
  const out = new EntryWriter(1 << 12);
  give(book, meter, input, out);
  return out.bytes();
}

test("a book restored from a snapshot goes on with the same bytes, whatever the meters are in the middle of", () => {
  const several = fc.array(aSeries({ longGaps: false, changes: "some" }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(several, fc.double({ min: 0, max: 1, noNaN: true }), (series, fraction) => {
      const arrivals = inTurns(series);
      const cut = Math.floor(fraction * arrivals.length);
      const first = opened(series);
      for (const { meter, input } of arrivals.slice(0, cut)) give(first, meter, input, new EntryWriter(1 << 12));
      const parts = first.snapshot();
      const second = opened(series);
      second.restore(parts);
      assert.deepEqual(second.snapshot(), parts);
      for (const { meter, input } of arrivals.slice(cut)) {
        assert.deepEqual(bytesOf(second, meter, input), bytesOf(first, meter, input));
        const [a, b] = [createRunning(), createRunning()];
        first.running(meter, a);
        second.running(meter, b);
        assert.deepEqual(b, a);
      }
    }),
    { numRuns: 200 },
  );
});

test("a snapshot does not change with the book that it was taken of", () => {
  const book = opened([{ timeline: always(defaultSettings("UTC")) }]);
  const parts = book.snapshot();
  const before = parts.map((part) => part.slice());
  book.apply(0, Date.UTC(2026, 0, 10), 1, 0, new EntryWriter(1 << 12));
  assert.deepEqual(parts, before);
  assert.notDeepEqual(book.snapshot(), before);
});
