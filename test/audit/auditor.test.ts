import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { MemoryShard } from "../support/memory-shard.js";
import { aSeries, inSomeOrder, type Series, type SeriesOptions } from "../support/series-generator.js";
import { looked } from "./looked.js";

type Happening = "store" | "one unit" | "turns" | "snapshot" | "restart";

interface History extends Series {
  arrivals: Series["inputs"];
  /** What happens after each arrival. */
  happenings: readonly (readonly Happening[])[];
  knownRecords: number;
  start: number;
}

function aHistory(options: SeriesOptions): fc.Arbitrary<History> {
  const happening = fc.constantFrom<Happening[]>("store", "store", "one unit", "turns", "turns", "snapshot", "restart");
  return aSeries(options).chain((series) =>
    inSomeOrder(series.inputs).chain((arrivals) =>
      fc
        .record({
          happenings: fc.array(fc.array(happening, { maxLength: 4 }), {
            minLength: arrivals.length,
            maxLength: arrivals.length,
          }),
          knownRecords: fc.constantFrom(10_000, 0),
          start: fc.constantFrom(0, 0.5, 0.999),
        })
        .map((rest) => ({ ...series, arrivals, ...rest })),
    ),
  );
}

let days = 0;

/** Readings come in any order, are stored, mended and lost on the way to a restart, while the auditor goes round. */
async function findsNothing({ timeline, arrivals, happenings, knownRecords, start }: History): Promise<void> {
  const shard = new MemoryShard(new Map([["m", timeline]]), knownRecords);
  shard.audit(() => start);
  await shard.restart();
  try {
    for (const [i, input] of arrivals.entries()) {
      shard.give("m", input);
      for (const happening of happenings[i] ?? []) {
        if (happening === "store") shard.store();
        else if (happening === "one unit") shard.store(1);
        else if (happening === "turns") await shard.turns(20);
        else if (happening === "snapshot") shard.snapshot();
        else {
          days += shard.auditor?.days ?? 0;
          await shard.restart();
        }
      }
      assert.deepEqual(shard.warnings, []);
    }
    await shard.settle();
    shard.store();
    await looked(shard, 12);
    assert.deepEqual(shard.warnings, []);
    assert.equal(shard.auditor?.mismatches, 0);
    days += shard.auditor?.days ?? 0;
  } finally {
    await shard.close();
  }
}

test("whatever arrives in whatever order, and is mended or lost meanwhile: the audit finds nothing", async () => {
  const numRuns = Number(process.env["RUNS"] ?? 200);
  days = 0;
  await fc.assert(fc.asyncProperty(aHistory({ longGaps: false, maxSteps: 40 }), findsNothing), { numRuns });
  assert.ok(days > numRuns, `only ${days} days were looked at`);
});

test("with gaps of months, too", async () => {
  days = 0;
  await fc.assert(fc.asyncProperty(aHistory({ maxSteps: 10 }), findsNothing), { numRuns: Number(process.env["RUNS"] ?? 60) });
  assert.ok(days > 0);
});

test("with settings that change from an instant on, too", async () => {
  const numRuns = Number(process.env["RUNS"] ?? 100);
  days = 0;
  await fc.assert(fc.asyncProperty(aHistory({ longGaps: false, maxSteps: 40, changes: "all" }), findsNothing), { numRuns });
  assert.ok(days > numRuns, `only ${days} days were looked at`);
});
