import assert from "node:assert/strict";
import test from "node:test";
import { EntryWriter } from "../../engine/base/entries.js";
import { defaultSettings, type MeterSettings } from "../../engine/base/settings.js";
import { MeterBook } from "../../workers/state/book.js";
import { reference } from "../reference/reference.js";
import { give, Tables } from "./tables.js";

const START = Date.parse("2026-01-10T00:00Z");
const HALF_HOUR_MS = 1_800_000;

for (const kind of ["counter", "interval"] as const) {
  test(`a gauge that appears among ${kind} meters leaves no levels in the periods that they have open`, () => {
    const settings: MeterSettings = { ...defaultSettings("UTC"), kind, interval: HALF_HOUR_MS };
    const inputs = Array.from({ length: 60 }, (_, i) => ({ ts: START + i * HALF_HOUR_MS, value: i * i }));
    const book = new MeterBook(4);
    const tables = new Tables();
    const out = new EntryWriter(1 << 12);
    book.open(0, settings);
    for (const [i, input] of inputs.entries()) {
      if (i === 5) book.open(1, { ...defaultSettings("UTC"), kind: "gauge" });
      // The book then holds another meter, and reads this one's open periods again.
      if (i >= 5) give(book, 1, input, out);
      out.reset();
      give(book, 0, input, out);
      tables.take(out.bytes(), 0);
    }
    assert.deepEqual(tables.rows(), reference(settings, inputs));
  });
}
