import assert from "node:assert/strict";
import test from "node:test";
import { flagNames } from "../../engine/base/flags.js";
import { defaultSettings, type MeterSettings, type MeterTimeline } from "../../engine/base/settings.js";
import { MeterBook } from "../../workers/state/book.js";
import { inTimeOrder, tablesOf } from "../state/tables.js";
import type { Input } from "./history.js";
import { reference } from "./reference.js";

/** What settings that change from an instant on mean, worked out by hand: exact rows, which the book's must be too. */

const MINUTE_MS = 60_000;
const START = Date.parse("2026-01-10T00:00Z");
const at = (minutes: number) => START + minutes * MINUTE_MS;

type Reading = readonly [minute: number, value: number | { final: number; start: number }];

/** Rows of a meter whose settings, `first` to begin with, are others from `from` minutes after midnight on. */
function rowsOf(first: Partial<MeterSettings>, from: number, then: Partial<MeterSettings>, ...records: Reading[]) {
  const settings = { ...defaultSettings("UTC"), ...first };
  const timeline: MeterTimeline = [
    { from: Number.NEGATIVE_INFINITY, settings },
    { from: at(from), settings: { ...settings, ...then } },
  ];
  const inputs = records.map(
    ([minute, value]): Input => (typeof value === "number" ? { ts: at(minute), value } : { ts: at(minute), exchange: value }),
  );
  const rows = reference(timeline, inputs);
  const book = new MeterBook(1);
  book.open(0, timeline);
  assert.deepEqual(tablesOf(book, 0, inTimeOrder(inputs)).rows(), rows);
  return {
    readings: rows.readings.map(({ delta, flags }) => [delta, ...flagNames(flags)]),
    periods: rows.consumption.map(({ ts, value, coverage, readings, flags }) => [
      (ts - START) / MINUTE_MS,
      value,
      coverage,
      readings,
      ...flagNames(flags),
    ]),
    ranges: rows.consumption.map(({ min, max }) => [min, max]),
  };
}

const hours = { periods: ["hour"] } as const;

test("a delta over a change is shown by the settings at its end, its shares by those of their periods", () => {
  const { readings, periods } = rowsOf(hours, 90, { multiplier: 10 }, [0, 1], [60, 2], [120, 4], [180, 5]);
  assert.deepEqual(readings, [[null, "FIRST"], [1], [20], [10]]);
  assert.deepEqual(periods, [
    [0, 1, 1, 1],
    [60, 1, 1, 0],
    [90, 10, 1, 1],
    [120, 10, 1, 1],
  ]);
});

test("a reading exactly at the change is judged by the new settings, and closes the period before it", () => {
  const { readings, periods } = rowsOf(hours, 60, { maxRate: 1 }, [0, 0], [60, 5], [120, 6]);
  assert.deepEqual(readings, [[null, "FIRST"], [null, "EXCHANGE"], [1]]);
  assert.deepEqual(periods, [
    [0, null, 0, 1, "EXCHANGE", "PARTIAL"],
    [60, 1, 1, 1],
  ]);
});

for (const [name, change] of Object.entries({
  decimals: { decimals: 1, step: 0.1 },
  modulus: { modulus: 10_000 },
  step: { step: 0.01 },
})) {
  test(`another register by its ${name}: the next reading is FIRST and says nothing of the one before, whose hours have rows all the same`, () => {
    const { readings, periods } = rowsOf(hours, 100, change, [0, 100], [60, 9999], [180, 101], [240, 102]);
    assert.deepEqual(readings, [[null, "FIRST"], [9899], [null, "FIRST"], [1]]);
    assert.deepEqual(periods, [
      [0, 9899, 1, 1],
      [60, null, 0, 0, "PARTIAL"],
      [100, null, 0, 0, "PARTIAL"],
      [120, null, 0, 1, "FIRST", "PARTIAL"],
      [180, 1, 1, 1],
    ]);
  });
}

test("what an exchange closed waits for no reading of another register", () => {
  const exchange = { final: 105, start: 0 };
  const { readings, periods } = rowsOf(hours, 50, { decimals: 0, step: 1 }, [0, 100], [40, exchange], [60, 7], [120, 9]);
  assert.deepEqual(readings, [[null, "FIRST"], [null, "FIRST"], [2]]);
  assert.deepEqual(periods, [
    [0, 5, 0.8, 0, "EXCHANGE", "PARTIAL"],
    [50, null, 0, 1, "FIRST", "PARTIAL"],
    [60, 2, 1, 1],
  ]);
});

test("an epoch goes on over a change of the rate, and is judged by the maxGap of the time", () => {
  const trace: Reading[] = [
    [0, 100],
    [15, 20],
    [30, 21],
    [75, 103],
  ];
  assert.deepEqual(rowsOf(hours, 20, { maxRate: 4000 }, ...trace).readings.at(-1), [2, "RESET"]);
  assert.deepEqual(rowsOf(hours, 20, { maxGapMs: 59 * MINUTE_MS }, ...trace).readings.at(-1), [82]);
});

test("what a net register jumped is no epoch that another rule could take back", () => {
  const trace: Reading[] = [
    [0, 100],
    [15, 5000],
    [18, 5001],
    [30, 101],
  ];
  const net = { maxRate: 40, net: true, ...hours };
  assert.deepEqual(rowsOf(net, 20, { net: false }, ...trace).readings.slice(1), [
    [null, "EXCHANGE"],
    [1],
    [null, "RESET", "QUESTIONABLE"],
  ]);
});

test("a meter that keeps no periods changes its settings at the very reading", () => {
  const trace: Reading[] = [0, 1, 2, 3, 4, 5, 6, 7].map((minute) => [minute, minute] as const);
  const { readings, periods } = rowsOf({ periods: [] }, 5, { multiplier: 10 }, ...trace);
  assert.deepEqual(readings, [[null, "FIRST"], [1], [1], [1], [1], [10], [10], [10]]);
  assert.deepEqual(periods, []);
});

test("a correction at the very change is worked into the period that ends there, whatever has been settled in it", () => {
  const interval: MeterSettings = {
    ...defaultSettings("UTC"),
    kind: "interval",
    label: "start",
    interval: 60 * MINUTE_MS,
    ...hours,
  };
  const timeline: MeterTimeline = [
    { from: Number.NEGATIVE_INFINITY, settings: interval },
    { from: at(90), settings: { ...interval, kind: "gauge" } },
  ];
  const inputs = (
    [
      [0, 1],
      [60, 2],
      [90, 20],
      [95, 21],
      [90, 22],
    ] as const
  ).map(([minute, value]) => ({ ts: at(minute), value }));
  const book = new MeterBook(1);
  book.open(0, timeline);
  const rows = tablesOf(book, 0, inputs).rows();
  assert.deepEqual(rows, reference(timeline, inputs));
  // Its half hour is all that the second interval can have counted in.
  assert.deepEqual(
    rows.consumption.map(({ value, flags }) => [value, ...flagNames(flags)]),
    [[1], [2, "CONFLICT"]],
  );
});

test("with another time zone a day ends where it begins to count, and so does the new one's first", () => {
  const zone = { periods: ["day"], timezone: "Europe/Madrid" } as const;
  const { periods } = rowsOf({ ...zone, timezone: "UTC" }, 600, zone, [0, 0], [600, 10], [1500, 25], [3000, 50]);
  // Madrid's days begin an hour before midnight in UTC.
  assert.deepEqual(
    periods.map(([ts, value]) => [ts, value]),
    [
      [0, 10],
      [600, 13],
      [1380, 24],
    ],
  );
});

test("periods are kept while their settings are in force, and no longer", () => {
  const quarters = { periods: ["quarter", "hour"] } as const;
  const trace: Reading[] = [0, 15, 30, 45, 60, 75, 90, 105, 120].map((minute) => [minute, minute] as const);
  const begun = rowsOf(hours, 80, quarters, ...trace).periods.map(([ts, value]) => [ts, value]);
  assert.deepEqual(begun, [
    [80, 10],
    [90, 15],
    [105, 15],
    [0, 60],
    [60, 20],
    [80, 40],
  ]);
  const ended = rowsOf(quarters, 50, { periods: ["day"] }, ...trace, [1440, 1440]).periods.map(([ts, value]) => [ts, value]);
  assert.deepEqual(ended, [
    [0, 15],
    [15, 15],
    [30, 15],
    [45, 5],
    [0, 50],
    [50, 1390],
  ]);
});

test("no line of a gauge leads over a change of its resolution, and one over another change is judged at its end", () => {
  const gauge = { kind: "gauge", ...hours } as const;
  const trace: Reading[] = [
    [0, 10],
    [60, 20],
    [120, 40],
  ];
  const broken = rowsOf(gauge, 90, { decimals: 0, step: 1 }, ...trace);
  assert.deepEqual(broken.periods, [
    [0, 15, 1, 1],
    [60, null, 0, 0, "PARTIAL"],
    [90, null, 0, 1, "PARTIAL"],
  ]);
  assert.deepEqual(broken.ranges, [
    [10, 20],
    [null, null],
    [40, 40],
  ]);
  const scaled = rowsOf(gauge, 90, { multiplier: 2 }, ...trace);
  assert.deepEqual(scaled.periods.slice(1), [
    [60, 25, 1, 0],
    [90, 70, 1, 1],
  ]);
  assert.deepEqual(scaled.ranges.slice(1), [
    [20, 30],
    [60, 80],
  ]);
});

test("an interval that reaches over a change counts on both sides, in their units; over another length it does not reach", () => {
  const interval = { kind: "interval", interval: 60 * MINUTE_MS, ...hours } as const;
  const trace: Reading[] = [
    [60, 1],
    [120, 2.5],
  ];
  assert.deepEqual(rowsOf(interval, 75, { decimals: 0, step: 1 }, [60, 1.234], [120, 7]).periods, [
    [0, 1.234, 1, 1],
    [60, 2, 1, 0],
    [75, 5, 1, 1],
  ]);
  assert.deepEqual(rowsOf(interval, 90, { multiplier: 10 }, ...trace).periods, [
    [0, 1, 1, 1],
    [60, 1.25, 1, 0],
    [90, 12.5, 1, 1],
  ]);
  assert.deepEqual(rowsOf(interval, 90, { interval: 120 * MINUTE_MS }, ...trace).periods, [
    [0, 1, 1, 1],
    [60, null, 0, 0, "PARTIAL"],
    [90, 2.5, 1, 1],
  ]);
  // By its label it belongs to what comes after the change, where none of its time lies.
  assert.deepEqual(rowsOf(interval, 120, { interval: 15 * MINUTE_MS }, ...trace, [135, 1]).periods, [
    [0, 1, 1, 1],
    [60, 2.5, 0, 1, "PARTIAL"],
  ]);
});

test("another kind is another meter: nothing of one is in the other's periods", () => {
  const { readings, periods } = rowsOf(hours, 90, { kind: "gauge" }, [0, 100], [60, 101], [90, 20], [120, 22]);
  assert.deepEqual(readings, [[null, "FIRST"], [1], [null], [null]]);
  assert.deepEqual(periods, [
    [0, 1, 1, 1],
    [60, null, 0, 1, "PARTIAL"],
    [90, 21, 1, 1],
  ]);
});
