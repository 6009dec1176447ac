import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { defaultSettings, type MeterTimeline } from "../../engine/base/settings.js";
import { reference } from "../reference/reference.js";
import { MemoryShard } from "../support/memory-shard.js";
import { aSeries, inSomeOrder, type Series, type SeriesOptions } from "../support/series-generator.js";

/** Rows in a form that says -0 and 0 are the same amount. */
function plain(rows: unknown): unknown {
  return JSON.parse(JSON.stringify(rows));
}

type Happening = "store" | "one unit" | "turns" | "snapshot" | "restart";

interface History extends Series {
  arrivals: Series["inputs"];
  /** What happens after each arrival. */
  happenings: readonly (readonly Happening[])[];
  knownRecords: number;
  /** A history of no more records is always judged from its beginning. */
  fewRecords: number;
}

function aHistory(options: SeriesOptions): fc.Arbitrary<History> {
  const happening = fc.constantFrom<Happening[]>("store", "one unit", "turns", "turns", "snapshot", "restart");
  return aSeries(options).chain((series) =>
    inSomeOrder(series.inputs).chain((arrivals) =>
      fc
        .record({
          happenings: fc.array(fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(happening, { maxLength: 3 })), {
            minLength: arrivals.length,
            maxLength: arrivals.length,
          }),
          knownRecords: fc.constantFrom(10_000, 0),
          fewRecords: fc.constantFrom(2, 500),
        })
        .map((rest) => ({ ...series, arrivals, ...rest })),
    ),
  );
}

/** All settings are known from the beginning, or each change only from the first restart on at which it may be adopted. */
async function endsAsReference(history: History, changesLater: boolean): Promise<void> {
  const { timeline, arrivals, happenings, knownRecords, fewRecords } = history;
  let known: MeterTimeline = changesLater ? timeline.slice(0, 1) : timeline;
  const shard = new MemoryShard(new Map([["m", known]]), knownRecords, fewRecords);
  const restart = async () => {
    if (known.length === timeline.length) return shard.restart();
    const next = timeline.slice(0, known.length + 1);
    const { book, directory } = shard.applier;
    const isKnown = directory.meterCount > 0;
    const isAllowed = !isKnown || !(next.at(-1)!.from <= book.decidedUntil(0));
    if (isAllowed) {
      await shard.restart(new Map([["m", next]]));
      known = next;
    } else {
      await assert.rejects(shard.restart(new Map([["m", next]])), { code: "settings_changed" });
    }
  };
  try {
    const taken = [];
    for (const [i, input] of arrivals.entries()) {
      if (shard.give("m", input)) taken.push(input);
      for (const happening of happenings[i] ?? []) {
        if (happening === "store") shard.store();
        else if (happening === "one unit") shard.store(1);
        else if (happening === "turns") await shard.turns(3);
        else if (happening === "snapshot") shard.snapshot();
        else await restart();
      }
    }
    await shard.settle();
    assert.deepEqual(plain(shard.rowsOf("m")), plain(reference(known, taken)));
  } finally {
    await shard.close();
  }
}

function runs(usual: number): { numRuns: number } {
  return { numRuns: Number(process.env["RUNS"] ?? usual) };
}

test("whatever order, batches, duplicates and restarts: the rows are those of the reference", async () => {
  const property = fc.asyncProperty(aHistory({ longGaps: false }), (history) => endsAsReference(history, false));
  await fc.assert(property, runs(5000));
});

test("with histories that are long enough to be judged from their middle, too", async () => {
  const options = { longGaps: false, minSteps: 20, maxSteps: 60, largestUnits: 2 ** 40 };
  const property = fc.asyncProperty(aHistory(options), (history) => endsAsReference(history, false));
  await fc.assert(property, runs(2000));
});

test("with gaps of months, too", async () => {
  const property = fc.asyncProperty(aHistory({ maxSteps: 8 }), (history) => endsAsReference(history, false));
  await fc.assert(property, runs(300));
});

test("with settings that change from an instant on, too", async () => {
  const property = fc.asyncProperty(aHistory({ longGaps: false, changes: "all" }), (history) => endsAsReference(history, false));
  await fc.assert(property, runs(500));
});

test("with changes in histories that are judged from their middle, too", async () => {
  const options = { longGaps: false, minSteps: 20, maxSteps: 60, largestUnits: 2 ** 40, changes: "all" } as const;
  const property = fc.asyncProperty(aHistory(options), (history) => endsAsReference(history, false));
  await fc.assert(property, runs(500));
});

test("with changes that come to be known in the middle of it, too", async () => {
  const property = fc.asyncProperty(aHistory({ longGaps: false, changes: "all" }), (history) => endsAsReference(history, true));
  await fc.assert(property, runs(500));
});

for (const kind of ["power", "gauge", "interval"] as const) {
  test(`an exchange means nothing to a meter of kind ${kind}, before a repair and after`, async () => {
    const settings = { ...defaultSettings("UTC"), kind };
    const start = Date.parse("2026-01-10T00:00Z");
    const inputs = Array.from({ length: 60 }, (_, i) => ({ ts: start + i * 900_000, value: i % 7 }));
    const shard = new MemoryShard(new Map([["m", settings]]));
    try {
      const [late] = inputs.splice(20, 1);
      for (const input of inputs) shard.give("m", input);
      // As an older journal may hold it.
      shard.declare("m", start + 20 * 900_000 + 5, 100, 0);
      shard.give("m", late!);
      await shard.settle();
      assert.deepEqual(plain(shard.rowsOf("m")), plain(reference(settings, [...inputs, late!])));
    } finally {
      await shard.close();
    }
  });
}
