import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { calendarFor } from "../../engine/base/calendar.js";
import { Flag } from "../../engine/base/flags.js";
import type { ConsumptionRow } from "../../engine/store/interface.js";
import { MeterBook } from "../../workers/state/book.js";
import { aSeries } from "../support/series-generator.js";
import { inTimeOrder, tablesOf } from "./tables.js";

/** Amounts of whole units, decimals 0 and multiplier 1, so that sums of doubles are exact. */
const someCounters = aSeries({ kinds: ["counter"], longGaps: false, largestUnits: 2 ** 30 }).map(({ settings, inputs }) => ({
  inputs: inputs.map((input) => ("exchange" in input ? input : { ...input, value: Math.round(input.value) })),
  settings: {
    ...settings,
    decimals: 0,
    step: 1,
    multiplier: 1,
    modulus: null,
    periods: ["quarter", "hour", "day"] as const,
  },
}));

test("quarters add up to their hour and hours to their day, in whole units", () => {
  let compared = 0;
  fc.assert(
    fc.property(someCounters, ({ settings, inputs }) => {
      const book = new MeterBook(1);
      book.open(0, settings);
      const { consumption } = tablesOf(book, 0, inTimeOrder(inputs)).rows();
      const calendar = calendarFor(settings.timezone);
      const of = (period: string) => consumption.filter((row) => row.period === period);
      const holds = (parts: ConsumptionRow[], wholes: ConsumptionRow[], index: number) => {
        for (const whole of wholes) {
          const end = calendar.end(index, whole.ts);
          const within = parts.filter(({ ts }) => ts >= whole.ts && ts < end);
          const sum = within.reduce((total, { value }) => total + (value ?? 0), 0);
          assert.equal(sum, whole.value ?? 0);
          compared++;
        }
      };
      holds(of("quarter"), of("hour"), 1);
      holds(of("hour"), of("day"), 2);
    }),
    { numRuns: 200 },
  );
  assert.ok(compared > 100, `only ${compared} sums were compared`);
});

test("once a day has closed after the last reading, hours hold all that readings counted", () => {
  fc.assert(
    fc.property(someCounters, ({ settings, inputs }) => {
      const book = new MeterBook(1);
      book.open(0, settings);
      const arrivals = inTimeOrder(inputs);
      const last = arrivals[arrivals.length - 1]!;
      const end = calendarFor(settings.timezone).end(2, last.ts);
      const { readings, consumption } = tablesOf(book, 0, [...arrivals, { ts: end, value: 0 }]).rows();
      const counted = readings.reduce(
        (sum, { delta, flags }) => sum + ((flags & Flag.UNDISTRIBUTED) === 0 ? (delta ?? 0) : 0),
        0,
      );
      const spread = consumption.reduce((sum, { period, value }) => sum + (period === "hour" ? (value ?? 0) : 0), 0);
      // What an exchange closed belongs to the next accepted reading, which may still be to come.
      if (!inputs.some((input) => "exchange" in input)) assert.equal(spread, counted);
    }),
    { numRuns: 200 },
  );
});
