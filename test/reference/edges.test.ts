import assert from "node:assert/strict";
import test from "node:test";
import { flagNames } from "../../engine/base/flags.js";
import { defaultSettings, type MeterSettings } from "../../engine/base/settings.js";
import type { Input } from "./history.js";
import { reference } from "./reference.js";

/** What the worked cases leave open, decided here, each with its exact rows. */

const MINUTE_MS = 60_000;
const DAY_MS = 1440 * MINUTE_MS;
const START = Date.parse("2026-01-10T00:00Z");

type Record = number | { final: number; start: number; rev?: number } | "withdrawn";

/** Records at minutes after midnight; a number is a reading. */
function inputsOf(records: readonly (readonly [minute: number, record: Record])[]): Input[] {
  return records.map(([minute, record]): Input => {
    const ts = START + minute * MINUTE_MS;
    if (typeof record === "number") return { ts, value: record };
    if (record === "withdrawn") return { ts, exchange: null };
    const { rev, ...exchange } = record;
    return { ts, exchange, ...(rev !== undefined && { rev }) };
  });
}

function rowsOf(settings: Partial<MeterSettings>, ...records: (readonly [minute: number, record: Record])[]) {
  const { readings, consumption } = reference({ ...defaultSettings("UTC"), ...settings }, inputsOf(records));
  return {
    readings: readings.map(({ delta, flags }) => [delta, ...flagNames(flags)]),
    periods: consumption.map(({ ts, value, coverage, flags }) => [
      (ts - START) / MINUTE_MS,
      value,
      coverage,
      ...flagNames(flags),
    ]),
    ranges: consumption.map(({ min, max }) => [min, max]),
  };
}

test("an exchange before any reading gives only a start", () => {
  const { readings, periods } = rowsOf({}, [0, { final: 5, start: 1 }], [15, 1.5], [30, { final: 2, start: 0 }], [60, 1]);
  assert.deepEqual(readings, [
    [0.5, "EXCHANGE"],
    [1.5, "EXCHANGE"],
  ]);
  assert.deepEqual(periods, [[0, 2, 1, "EXCHANGE"]]);
});

test("what an exchange cannot close is unknown, and the next reading says so", () => {
  const { readings, periods } = rowsOf({}, [0, 500], [30, { final: 400, start: 10 }], [45, 11], [60, 12]);
  assert.deepEqual(readings, [[null, "FIRST"], [1, "EXCHANGE", "QUESTIONABLE"], [1]]);
  assert.deepEqual(periods, [[0, 2, 0.5, "EXCHANGE", "PARTIAL", "QUESTIONABLE"]]);
});

test("what an exchange closed stands even where the new register begins with a riddle", () => {
  const { readings, periods } = rowsOf({}, [0, 500], [30, { final: 502, start: 10 }], [45, 3], [60, 4]);
  assert.deepEqual(readings, [[null, "FIRST"], [2, "RESET", "EXCHANGE", "QUESTIONABLE"], [1]]);
  assert.deepEqual(periods, [[0, 3, 0.75, "RESET", "EXCHANGE", "PARTIAL", "QUESTIONABLE"]]);
});

test("of two exchanges at one ts the greater rev stands, then a withdrawal, then the greater final and start", () => {
  const at = (...exchanges: Record[]) =>
    rowsOf({}, [0, 500], ...exchanges.map((exchange) => [30, exchange] as const), [45, 11]).readings[1];
  assert.deepEqual(at({ final: 501, start: 10 }, { final: 502, start: 9 }), [4, "EXCHANGE"]);
  assert.deepEqual(at({ final: 501, start: 10 }, { final: 501, start: 9 }), [2, "EXCHANGE"]);
  assert.deepEqual(at({ final: 501, start: 10, rev: 1 }, { final: 502, start: 9 }, "withdrawn"), [2, "EXCHANGE"]);
  assert.deepEqual(at({ final: 501, start: 10 }, "withdrawn"), [null, "RESET", "QUESTIONABLE"]);
});

test("a withdrawn exchange still counts as a record for which periods have rows", () => {
  const records = [[0, 1] as const, [100 * 1440, 2] as const];
  assert.deepEqual(rowsOf({ periods: ["day"] }, ...records).periods, []);
  const with50 = rowsOf({ periods: ["day"] }, ...records, [50 * 1440, "withdrawn"]);
  assert.deepEqual(with50.readings, [
    [null, "FIRST"],
    [1, "UNDISTRIBUTED"],
  ]);
  assert.equal(with50.periods.length, 100);
  assert.deepEqual(with50.periods[0], [0, null, 0, "PARTIAL"]);
  assert.deepEqual(with50.periods[99], [99 * 1440, null, 0, "PARTIAL", "UNDISTRIBUTED"]);
});

test("several undeclared epochs within maxGap share the baseline that the first one left", () => {
  const { readings } = rowsOf({}, [0, 100], [15, 20], [30, 21], [45, 5], [60, 6], [75, 103], [90, 104]);
  assert.deepEqual(readings, [
    [null, "FIRST"],
    [null, "RESET", "QUESTIONABLE"],
    [1],
    [null, "RESET", "QUESTIONABLE"],
    [1],
    [1, "RESET"],
    [1],
  ]);
  const late = rowsOf({ maxGapMs: 59 * MINUTE_MS }, [0, 100], [15, 20], [30, 21], [45, 5], [60, 6], [75, 103]).readings.at(-1);
  assert.deepEqual(late, [97]);
});

test("a register that climbs back past its old value step by step is not one that came back", () => {
  const { readings } = rowsOf({}, [0, 100], [15, 20], [30, 60], [45, 90], [60, 101]);
  assert.deepEqual(readings.slice(2), [[40], [30], [11]]);
});

test("a rollover goes half a turn at most", () => {
  const turning = { modulus: 1000, maxRate: 2000 };
  assert.deepEqual(rowsOf(turning, [0, 700], [15, 200]).readings[1], [500, "ROLLOVER"]);
  assert.deepEqual(rowsOf(turning, [0, 700], [15, 200.001]).readings[1], [200.001, "RESET"]);
});

test("a declared exchange ends what was undeclared before it", () => {
  const { readings } = rowsOf({}, [0, 100], [15, 20], [30, { final: 20, start: 0 }], [45, 101], [60, 102]);
  assert.deepEqual(readings.at(-2), [101, "EXCHANGE"]);
});

test("a pulse of one whole step, polled faster than it comes, is never too fast", () => {
  const records = Array.from({ length: 61 }, (_, minute) => [minute, Math.floor(minute / 7)] as const);
  const { readings, periods } = rowsOf({ maxRate: 20, decimals: 0, step: 1 }, ...records);
  assert.equal(
    readings.reduce((sum, [delta]) => sum + Number(delta), 0),
    8,
  );
  assert.deepEqual(periods, [[0, 8, 1]]);
});

test("bound, jitter and maxGap are reached before they are passed", () => {
  assert.deepEqual(rowsOf({ maxRate: 40, step: 0.1 }, [0, 0], [15, 40.1], [30, 80.201], [120, 140.3]).readings, [
    [null, "FIRST"],
    [40.1],
    [null, "EXCHANGE"],
    [60.099],
  ]);
  assert.deepEqual(rowsOf({}, [0, 10], [15, 9.998], [30, 9.997]).readings.slice(1), [
    [0, "BACKWARD"],
    [null, "RESET", "QUESTIONABLE"],
  ]);
  const gap = { maxGapMs: 60 * MINUTE_MS, periods: ["hour"] } as const;
  assert.deepEqual(rowsOf(gap, [0, 1], [60, 2]).periods, [[0, 1, 1]]);
  assert.deepEqual(rowsOf(gap, [-1, 1], [60, 2]).periods, [
    [-60, 0.016, 0, "FIRST", "ESTIMATED", "PARTIAL"],
    [0, 0.984, 0, "ESTIMATED", "PARTIAL"],
  ]);
});

test("92 days are spread, a millisecond more is not", () => {
  const series = (ms: number) =>
    reference({ ...defaultSettings("UTC"), periods: ["day"] }, [
      { ts: START, value: 0 },
      { ts: START + ms, value: 92 },
    ]);
  assert.deepEqual(
    series(92 * DAY_MS).consumption.map(({ value }) => value),
    new Array(92).fill(1),
  );
  assert.deepEqual(series(92 * DAY_MS + 1).consumption, []);
  assert.deepEqual(flagNames(series(92 * DAY_MS + 1).readings[1]?.flags ?? 0), ["UNDISTRIBUTED"]);
});

test("with net the register runs either way, halves are rounded up", () => {
  const net = { net: true, maxRate: 1, decimals: 0, step: 1, periods: ["quarter"] } as const;
  const { readings, periods } = rowsOf(net, [0, 5], [30, 4], [60, 9], [75, 3], [90, 2]);
  assert.deepEqual(readings, [[null, "FIRST"], [-1], [0, "SPIKE"], [-1], [-1]]);
  assert.deepEqual(periods, [
    [0, 0, 1, "ESTIMATED"],
    [15, -1, 1, "ESTIMATED"],
    [30, 0, 1, "ESTIMATED"],
    [45, -1, 1, "SPIKE", "ESTIMATED"],
    [60, 0, 1, "ESTIMATED"],
    [75, -1, 1],
  ]);
});

test("an interval of one day follows the wall clock, and is longer than maxGap", () => {
  const { readings, consumption } = reference(
    { ...defaultSettings("Europe/Madrid"), kind: "interval", interval: "1d", periods: ["day"] },
    [
      { ts: Date.parse("2026-03-28T23:00Z"), value: 24 },
      { ts: Date.parse("2026-03-29T22:00Z"), value: 23 },
    ],
  );
  assert.deepEqual(
    readings.map(({ delta, flags }) => [delta, flags]),
    [
      [24, 0],
      [23, 0],
    ],
  );
  assert.deepEqual(
    consumption.map(({ ts, value, coverage, readings, flags }) => [ts, value, coverage, readings, ...flagNames(flags)]),
    [
      [Date.parse("2026-03-27T23:00Z"), 24, 1, 1, "ESTIMATED"],
      [Date.parse("2026-03-28T23:00Z"), 23, 1, 1, "ESTIMATED"],
    ],
  );
});

test("an interval outside what is possible is kept and in question; negative is fine with net", () => {
  const interval = { kind: "interval", interval: 30 * MINUTE_MS, maxRate: 2, step: 0.5 } as const;
  const flagged = (settings: Partial<MeterSettings>, value: number) =>
    rowsOf({ ...interval, ...settings }, [30, value]).readings[0];
  assert.deepEqual(flagged({}, 1.5), [1.5]);
  assert.deepEqual(flagged({}, 1.501), [1.501, "QUESTIONABLE"]);
  assert.deepEqual(flagged({}, -0.001), [-0.001, "QUESTIONABLE"]);
  assert.deepEqual(flagged({ net: true }, -7), [-7]);
});

test("between two intervals there are rows without a value", () => {
  assert.deepEqual(rowsOf({ kind: "interval" }, [60, 1], [240, 2]).periods, [
    [0, 1, 1],
    [60, null, 0, "PARTIAL"],
    [120, null, 0, "PARTIAL"],
    [180, 2, 1],
  ]);
});

test("lines are cut where they cross a boundary, their extremes rounded outwards", () => {
  const tenths = { kind: "gauge", decimals: 1, step: 0.1, multiplier: 2, periods: ["hour"] } as const;
  const gauge = rowsOf(tenths, [-20, 1], [70, 2], [120, -1]);
  assert.deepEqual(gauge.ranges, [
    [2, 2.6],
    [2.4, 3.8],
    [-2, 4],
  ]);
  assert.deepEqual(gauge.periods[0], [-60, 2.22222225, 1 / 3, "PARTIAL"]);
  const power = rowsOf({ kind: "power" }, [0, -2], [60, 2], [120, -4]);
  assert.deepEqual(power.readings, [[null, "FIRST"], [0], [-1]]);
  assert.deepEqual(power.ranges, [
    [-2, 2],
    [-4, 2],
  ]);
});

test("what is finer than a millisecond is cut, and makes one ts of two", () => {
  const settings = defaultSettings("UTC");
  const { readings } = reference(settings, [
    { ts: START + 0.2, value: 1, rev: 3 },
    { ts: START + 0.9, value: 2 },
    { ts: START, value: 1, rev: 4 },
  ]);
  assert.deepEqual(
    readings.map(({ ts, value, rev, flags }) => [ts, value, rev, ...flagNames(flags)]),
    [[START, 1, 4, "FIRST", "CONFLICT"]],
  );
});
