import assert from "node:assert/strict";
import test from "node:test";
import { type FlagName, flagNames } from "../../engine/base/flags.js";
import { defaultSettings, type MeterSettings } from "../../engine/base/settings.js";
import { MeterBook } from "../../workers/state/book.js";
import type { Input } from "../reference/history.js";
import { reference } from "../reference/reference.js";
import { tablesOf } from "./tables.js";

const MINUTE_MS = 60_000;

/** Runs readings, given as [instant, value], through book and reference, which must agree; returns the rows. */
function rowsOf(given: Partial<MeterSettings>, readings: readonly (readonly [number, number])[]) {
  const settings = { ...defaultSettings("UTC"), ...given };
  const inputs = readings.map(([ts, value]): Input => ({ ts, value }));
  const book = new MeterBook(1);
  book.open(0, settings);
  const rows = tablesOf(book, 0, inputs).rows();
  assert.deepEqual(rows, reference(settings, inputs));
  return rows;
}

function deltasOf(rows: ReturnType<typeof rowsOf>): [number | null, ...FlagName[]][] {
  return rows.readings.map(({ delta, flags }) => [delta, ...flagNames(flags)]);
}

test("a gap within an open period is not covered, though the meter ran steadily before and after", () => {
  const start = Date.parse("2026-01-10T00:00Z");
  const minutes = [0, 15, 30, 45, 60, 75, 240, 255, 270, 285, 300, 1440];
  const rows = rowsOf(
    { periods: ["day"], maxGapMs: 30 * MINUTE_MS },
    minutes.map((minute) => [start + minute * MINUTE_MS, minute] as const),
  );
  assert.equal(rows.consumption.length, 1);
  const [day] = rows.consumption;
  assert.equal(day?.value, 1440);
  assert.equal(day?.coverage, (75 + 60) / 1440);
  assert.deepEqual(flagNames(day?.flags ?? 0), ["ESTIMATED", "PARTIAL"]);
});

test("an epoch ends when exactly half of its jump is taken back", () => {
  const start = Date.parse("2026-01-10T00:00Z");
  const trace = (last: number) =>
    deltasOf(
      rowsOf(
        { maxRate: 40 },
        [100, 160, 161, last].map((value, i) => [start + i * 15 * MINUTE_MS, value] as const),
      ),
    );
  const before: [number | null, ...FlagName[]][] = [[null, "FIRST"], [null, "EXCHANGE"], [1]];
  assert.deepEqual(trace(131), [...before, [30, "RESET"]]);
  assert.deepEqual(trace(131.001), [...before, [null, "RESET", "QUESTIONABLE"]]);
});

test("days by the wall clock that begin before their predecessors are covered once", () => {
  const start = Date.parse("2018-02-18T01:00Z") - 6 * MINUTE_MS;
  const readings = Array.from({ length: 10 }, (_, i) => [start + i * 7 * MINUTE_MS, 1] as const);
  rowsOf({ kind: "interval", interval: "1d", timezone: "America/Sao_Paulo", periods: ["quarter", "hour", "day"] }, readings);
  rowsOf({ kind: "interval", interval: "1d", timezone: "America/Sao_Paulo", label: "start" }, readings);
});

test("what an interval by the wall clock covers in a gap before its predecessor is counted once", () => {
  // In Madrid 02:45 is skipped on 29 March: that day's interval begins at 03:45, the one of 03:00 at 03:00.
  const settings: MeterSettings = {
    ...defaultSettings("Europe/Madrid"),
    ...{ kind: "interval", interval: "1d", periods: ["hour"] },
  };
  const inputs = ["2026-03-29T01:20Z", "2026-03-30T00:45Z", "2026-03-30T01:00Z"].map(
    (at): Input => ({ ts: Date.parse(at), value: 24 }),
  );
  const book = new MeterBook(1);
  book.open(0, settings);
  // Flags are left out: that the first overlaps the third is found when it has long been settled.
  const covered = (rows: ReturnType<typeof rowsOf>) => rows.consumption.map(({ ts, value, coverage }) => [ts, value, coverage]);
  const rows = tablesOf(book, 0, inputs).rows();
  assert.deepEqual(covered(rows), covered(reference(settings, inputs)));
  const odd = rows.consumption.find(({ ts }) => ts === Date.parse("2026-03-29T01:00Z"));
  assert.equal(odd?.coverage, 1);
});

test("a long run of peaks is taken back when the register goes on where it was", () => {
  const start = Date.parse("2026-01-10T00:00Z");
  // Each value is a peak above the next; the last one says that all were.
  const values = [100, ...Array.from({ length: 60 }, (_, i) => 900 - i), 101, 102];
  const rows = rowsOf(
    { periods: ["quarter", "hour", "day"] },
    values.map((value, i) => [start + i * 7 * MINUTE_MS, value] as const),
  );
  assert.equal(rows.readings.filter(({ flags }) => flagNames(flags).includes("SPIKE")).length, 60);
  assert.equal(
    rows.consumption.reduce((sum, { period, value }) => sum + (period === "hour" ? Math.round((value ?? 0) * 1000) : 0), 0),
    984,
  );
});

test("areas beyond 2^53 stay exact over a day", () => {
  const start = Date.parse("2026-01-10T00:00Z");
  const readings = Array.from({ length: 98 }, (_, i) => [start + i * 15 * MINUTE_MS, 123_456_789_012.345 + i / 1000] as const);
  rowsOf({ kind: "power" }, readings);
  rowsOf({ kind: "gauge", periods: ["quarter", "hour", "day"] }, readings);
});

/** As `rowsOf`, with exchanges among the inputs. */
function rowsWith(given: Partial<MeterSettings>, inputs: readonly Input[]) {
  const settings = { ...defaultSettings("UTC"), ...given };
  const book = new MeterBook(1);
  book.open(0, settings);
  const rows = tablesOf(book, 0, inputs).rows();
  assert.deepEqual(rows, reference(settings, inputs));
  return rows;
}

const minute = (minutes: number) => Date.parse("2026-01-10T00:00Z") + minutes * MINUTE_MS;

test("a withdrawn exchange is declared again only by a greater rev", () => {
  const before: Input[] = [
    { ts: minute(0), value: 500 },
    { ts: minute(15), value: 501 },
    { ts: minute(20), exchange: { final: 502, start: 10 } },
    { ts: minute(20), exchange: null, rev: 2 },
    { ts: minute(20), exchange: { final: 501.5, start: 10 }, rev: 1 },
  ];
  const after: Input[] = [
    { ts: minute(30), value: 11 },
    { ts: minute(45), value: 12 },
  ];
  assert.deepEqual(deltasOf(rowsWith({}, [...before, ...after]))[2], [null, "RESET", "QUESTIONABLE"]);
  const again: Input = { ts: minute(20), exchange: { final: 501.5, start: 10 }, rev: 3 };
  assert.deepEqual(deltasOf(rowsWith({}, [...before, again, ...after]))[2], [1.5, "EXCHANGE"]);
});

test("before any reading only the last exchange's new register counts", () => {
  const rows = rowsWith({ periods: ["quarter", "hour"] }, [
    { ts: minute(0), exchange: { final: 900, start: 5 } },
    { ts: minute(130), exchange: { final: 7, start: 100 } },
    { ts: minute(190), value: 103 },
    { ts: minute(250), value: 104 },
  ]);
  assert.deepEqual(deltasOf(rows), [[3, "EXCHANGE"], [1]]);
});

test("periods that exchanges alone have passed get their rows with the next reading", () => {
  const rows = rowsWith({ periods: ["hour"] }, [
    { ts: minute(30), value: 100 },
    { ts: minute(45), value: 101 },
    { ts: minute(130), exchange: { final: 103, start: 10 } },
    { ts: minute(200), exchange: { final: 11, start: 0 } },
    { ts: minute(250), value: 1 },
    { ts: minute(260), value: 2 },
  ]);
  assert.deepEqual(
    rows.consumption.map(({ value }) => value),
    [1.353, 1.412, 0.949, 1.086],
  );
});

test("without maxRate a register rolls over from nine tenths of its modulus to one tenth", () => {
  const trace = (from: number, to: number) =>
    deltasOf(
      rowsWith(
        { modulus: 1000, decimals: 0, step: 1 },
        [from - 1, from, to, to + 1].map((value, i) => ({ ts: minute(i * 15), value })),
      ),
    );
  assert.deepEqual(trace(900, 100)[2], [200, "ROLLOVER"]);
  assert.deepEqual(trace(899, 100)[2], [null, "RESET", "QUESTIONABLE"]);
  assert.deepEqual(trace(900, 101)[2], [null, "RESET", "QUESTIONABLE"]);
});
