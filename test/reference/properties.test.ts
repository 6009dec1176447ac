import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { calendarFor } from "../../engine/base/calendar.js";
import { PERIODS, type PeriodName } from "../../engine/base/entries.js";
import { FLAG_NAMES, Flag, flagNames } from "../../engine/base/flags.js";
import { type MeterSettings, stepAt } from "../../engine/base/settings.js";
import type { ConsumptionRow } from "../../engine/store/interface.js";
import { aSeries, inSomeOrder } from "../support/series-generator.js";
import { reference } from "./reference.js";

/** Small enough amounts for a row's number to be turned back into whole units exactly. */
const small = { largestUnits: 2 ** 20, maxSteps: 14 };

/** What a row shows, as the whole number of the smallest amount that it could show. */
function whole(settings: MeterSettings, value: number | null): number {
  return Math.round((value ?? 0) * 10 ** (settings.decimals + 4));
}

function rowsOf(rows: ConsumptionRow[], period: PeriodName): ConsumptionRow[] {
  return rows.filter((row) => row.period === period);
}

test("any order of arrival, and duplicates, end in the same rows", () => {
  const arrivals = aSeries({ ...small, changes: "some" }).chain(({ timeline, inputs }) =>
    fc.record({ timeline: fc.constant(timeline), inputs: fc.constant(inputs), arrived: inSomeOrder(inputs) }),
  );
  fc.assert(
    fc.property(arrivals, ({ timeline, inputs, arrived }) => {
      assert.deepEqual(reference(timeline, arrived), reference(timeline, inputs));
    }),
    { numRuns: 150 },
  );
});

test("quarters add up to their hour, and hours to their day", () => {
  const kinds = ["counter", "interval"] as const;
  fc.assert(
    fc.property(aSeries({ ...small, kinds, longGaps: false }), ({ settings: some, inputs }) => {
      const settings = { ...some, periods: PERIODS };
      const { consumption } = reference(settings, inputs);
      const calendar = calendarFor(settings.timezone);
      for (const [k, longer] of (["hour", "day"] as const).entries()) {
        const shorter = rowsOf(consumption, PERIODS[k] ?? "quarter");
        for (const row of rowsOf(consumption, longer)) {
          const parts = shorter.filter(({ ts }) => calendar.start(k + 1, ts) === row.ts);
          const sum = parts.reduce((total, { value }) => total + whole(settings, value), 0);
          assert.equal(sum, whole(settings, row.value), `${longer} ${row.ts}`);
        }
      }
    }),
    { numRuns: 150 },
  );
});

test("days add up to the known deltas that were distributed", () => {
  let compared = 0;
  fc.assert(
    fc.property(aSeries({ ...small, kinds: ["counter"] }), ({ settings: some, inputs }) => {
      const settings: MeterSettings = { ...some, periods: ["day"] };
      const readings = inputs.filter((input) => "value" in input);
      const last = readings.at(-1);
      if (last === undefined) return;
      // One so late that it closes all days and is itself spread over none.
      const after = { ts: (inputs.at(-1)?.ts ?? last.ts) + 100 * 86_400_000, value: last.value };
      const rows = reference(settings, [...inputs, after]);
      // A stretch that an exchange closed may have been spread though the one after it was not: the flag stands for both.
      const mixed = Flag.EXCHANGE | Flag.UNDISTRIBUTED;
      if (rows.readings.some(({ flags }) => (flags & mixed) === mixed)) return;
      const distributed = rows.readings.filter(({ flags }) => (flags & Flag.UNDISTRIBUTED) === 0);
      const deltas = distributed.reduce((total, { delta }) => total + whole(settings, delta), 0);
      assert.equal(
        rows.consumption.reduce((total, { value }) => total + whole(settings, value), 0),
        deltas,
      );
      if (deltas !== 0) compared++;
    }),
    { numRuns: 200 },
  );
  assert.ok(compared > 50, `only ${compared} series counted anything`);
});

test("coverage is a share, PARTIAL says that it is not whole, and a mean lies between min and max", () => {
  fc.assert(
    fc.property(aSeries({ ...small, changes: "some" }), ({ timeline, inputs }) => {
      for (const { ts, coverage, flags, value, min, max } of reference(timeline, inputs).consumption) {
        const { settings } = stepAt(timeline, ts);
        assert.ok(coverage >= 0 && coverage <= 1);
        assert.equal((flags & Flag.PARTIAL) !== 0, coverage < 1);
        if (min === null || max === null) assert.equal(min, max);
        else assert.ok(min <= max);
        if (settings.kind === "gauge" && value !== null) assert.ok(min !== null && max !== null && min <= value && value <= max);
      }
    }),
    { numRuns: 150 },
  );
});

test("a row once there never has to disappear", () => {
  const parts = aSeries({ ...small, changes: "some" }).chain(({ timeline, inputs }) =>
    fc.record({ timeline: fc.constant(timeline), inputs: fc.constant(inputs), earlier: fc.subarray(inputs) }),
  );
  fc.assert(
    fc.property(parts, ({ timeline, inputs, earlier }) => {
      const keys = new Set(reference(timeline, inputs).consumption.map(({ period, ts }) => `${period} ${ts}`));
      for (const { period, ts } of reference(timeline, earlier).consumption) {
        // A stretch of at most 92 days is only ever cut into shorter ones.
        assert.ok(keys.has(`${period} ${ts}`), `${period} ${ts} is gone`);
      }
    }),
    { numRuns: 150 },
  );
});

test("the generator meets everything that a row can say", () => {
  const series = fc.sample(aSeries(), { numRuns: 300, seed: 20_260_329 });
  const onReadings = new Set<string>();
  const onPeriods = new Set<string>();
  for (const { settings, inputs } of series) {
    const { readings, consumption } = reference(settings, inputs);
    for (const { flags } of readings) for (const name of flagNames(flags)) onReadings.add(`${settings.kind} ${name}`);
    for (const { flags } of consumption) for (const name of flagNames(flags)) onPeriods.add(name);
  }
  assert.deepEqual([...onPeriods].sort(), [...FLAG_NAMES].sort());
  for (const name of FLAG_NAMES) {
    if (name !== "ESTIMATED" && name !== "PARTIAL") assert.ok(onReadings.has(`counter ${name}`), `no counter met ${name}`);
  }
  for (const name of ["power FIRST", "interval QUESTIONABLE", "gauge CONFLICT"]) assert.ok(onReadings.has(name), name);
  assert.ok(series.some(({ inputs }) => inputs.some((input) => "exchange" in input && input.exchange === null)));
});
