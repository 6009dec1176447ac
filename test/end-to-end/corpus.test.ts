import assert from "node:assert/strict";
import { test } from "node:test";
import type { Trace } from "../corpus/trace.js";
import { corpus } from "../corpus/traces.js";
import { rowsOf } from "../reference/meter-rows.js";
import { inTimeOrder } from "../state/tables.js";
import { questDbSkip } from "../support/questdb.js";
import { endsInItsRows, type SentMeter } from "./meters-over-wire.js";

/** A meter for a trace; where no periods were worked out by hand they are those of the rules written plainly. */
function meterOf({ settings, arrivals, readings, consumption }: Trace, i: number): SentMeter {
  const rows = rowsOf(settings, arrivals);
  return {
    ...{ meter: `trace-${i}`, settings, arrivals },
    rows: { readings, consumption: consumption ?? rows.consumption, exchanges: rows.exchanges },
  };
}

const meters = corpus.map(meterOf);

test("the corpus of resets has its traces", () => {
  assert.ok(meters.length >= 40, `only ${meters.length} traces`);
});

test("the corpus of resets, in its order of arrival, ends in its rows: duckdb", (t) => endsInItsRows(t, "duckdb", meters));

/** What comes in order asks nothing of the store that the other tests do not. */
const outOfOrder = meters.filter(({ arrivals }) => inTimeOrder(arrivals).some((input, i) => input !== arrivals[i]));

test("those of its traces that arrive in another order than that of time do so too: questdb", {
  skip: questDbSkip(),
}, async (t) => {
  assert.ok(outOfOrder.length >= 8, `only ${outOfOrder.length} traces`);
  await endsInItsRows(t, "questdb", outOfOrder);
});
