import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { EntryWriter, ExchangeInfo, Kind } from "../../engine/base/entries.js";
import { entryBytes, viewsOf } from "../../engine/base/entry-views.js";
import { MeterBook } from "../../workers/state/book.js";
import type { Input } from "../reference/history.js";
import { aSeries, inSomeOrder, type Series } from "../support/series-generator.js";
import { give } from "./tables.js";

const INPUT_KINDS: readonly number[] = [Kind.READING, Kind.INPUT, Kind.LATE, Kind.EXCHANGE];

/** A series as it arrives in any order, some of it twice. */
const anyOrder = aSeries({ longGaps: false, changes: "some" }).chain((series) =>
  inSomeOrder(series.inputs).map((arrivals): Series => ({ ...series, inputs: arrivals })),
);

/** The inputs that a replay finds in entries. */
function inputsIn(entries: Uint8Array): Input[] {
  const { u8, u32, f64 } = viewsOf(entries);
  const found: Input[] = [];
  for (let at = 0; at < u8.length; at += entryBytes({ u8, u32, f64 }, at)) {
    const [word, double] = [at >> 2, at >> 3];
    const kind = u32[word]! & 0xff;
    if (!INPUT_KINDS.includes(kind)) continue;
    const [ts, rev] = [f64[double + 1]!, u32[word + 8]!];
    if (kind !== Kind.EXCHANGE) found.push({ ts, rev, value: f64[double + 2]! });
    else if (((u32[word]! >>> 8) & ExchangeInfo.WITHDRAWN) !== 0) found.push({ ts, rev, exchange: null });
    else found.push({ ts, rev, exchange: { final: f64[double + 2]!, start: f64[double + 3]! } });
  }
  return found;
}

function opened({ timeline }: Series): MeterBook {
  const book = new MeterBook(1);
  book.open(0, timeline);
  return book;
}

test("each input is in the entries once, as it came, so that a replay of them brings forth the same bytes", () => {
  fc.assert(
    fc.property(anyOrder, (series) => {
      const [live, again] = [opened(series), opened(series)];
      const [out, second] = [new EntryWriter(1 << 12), new EntryWriter(1 << 12)];
      for (const input of series.inputs) {
        out.reset();
        second.reset();
        give(live, 0, input, out);
        const found = inputsIn(out.bytes());
        assert.deepEqual(found, [{ rev: 0, ...input }]);
        give(again, 0, found[0]!, second);
        assert.deepEqual(second.bytes(), out.bytes());
      }
      assert.deepEqual(again.snapshot(), live.snapshot());
    }),
    { numRuns: 300 },
  );
});
