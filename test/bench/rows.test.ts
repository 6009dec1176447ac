import assert from "node:assert/strict";
import { test } from "node:test";
import { makeRows, totalsOf } from "../../bench/rows.js";
import { PERIODS } from "../../engine/base/entries.js";
import { Flag } from "../../engine/base/flags.js";
import { Series } from "../../engine/load/series.js";

const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2026, 0, 1, 22);

interface Period {
  meter: number;
  period: string;
  start: number;
  units: number;
  coverage: number;
  readings: number;
  flags: number;
}

function rowsOf(series: Series, readings: number) {
  const made = { readings: [] as [number, number, number, number, number][], periods: [] as Period[] };
  const count = makeRows(series, readings, {
    reading: (...row) => made.readings.push(row),
    period: (meter, period, start, value, coverage, count, flags) =>
      made.periods.push({
        meter,
        period: PERIODS[period]!,
        start,
        units: Math.round(value * 1000),
        coverage,
        readings: count,
        flags,
      }),
  });
  assert.equal(count, made.periods.length);
  return made;
}

/** The register at an instant: on the straight line between the readings around it, halves up. */
function registerAt(series: Series, datalogger: number, meter: number, ts: number): number {
  const interval = BigInt(series.options.intervalMs);
  const sinceFirst = BigInt(ts - series.tsMs(datalogger, meter, 0));
  if (sinceFirst <= 0n) return series.valueUnits(datalogger, meter, 0);
  const before = Number(sinceFirst / interval);
  const units = series.valueUnits(datalogger, meter, before);
  const delta = BigInt(series.valueUnits(datalogger, meter, before + 1) - units);
  return units + Number((2n * delta * (sinceFirst % interval) + interval) / (2n * interval));
}

for (const intervalMs of [300_000, 7 * 60_000, HOUR_MS]) {
  test(`readings every ${intervalMs / 60_000} minutes make each closed hour and day once, from the register at its ends`, () => {
    const series = new Series({ name: "r", dataloggers: 3, metersPerDatalogger: 4, seed: 5, startMs: START_MS, intervalMs });
    const total = 12 * Math.ceil((30 * HOUR_MS) / intervalMs) + 7;
    const { readings, periods } = rowsOf(series, total);
    assert.equal(readings.length, total);
    const right: Period[] = [];
    for (let meter = 0; meter < 12; meter++) {
      const [d, m] = [Math.floor(meter / 4), meter % 4];
      const times = readings.filter(([of]) => of === meter).map(([, ts]) => ts);
      const [first, last] = [times[0]!, times.at(-1)!];
      times.forEach((ts, round) => {
        assert.equal(ts, series.tsMs(d, m, round));
      });
      for (const [period, length] of [
        ["hour", HOUR_MS],
        ["day", 24 * HOUR_MS],
      ] as const) {
        for (let start = Math.floor(first / length) * length; start + length <= last; start += length) {
          const end = start + length;
          const partial = first > start;
          right.push({
            meter,
            period,
            start,
            units: registerAt(series, d, m, end) - registerAt(series, d, m, start),
            coverage: partial ? (end - first) / length : 1,
            readings: times.filter((ts) => (ts > start || ts === first) && ts >= start && ts <= end).length,
            flags: partial ? Flag.FIRST | Flag.PARTIAL : 0,
          });
        }
      }
    }
    const order = (a: Period, b: Period) => a.meter - b.meter || a.period.localeCompare(b.period) || a.start - b.start;
    assert.deepEqual(periods.toSorted(order), right.toSorted(order));
    assert.ok(periods.length > 300);
  });
}

test("what a store must hold adds up", () => {
  const series = new Series({
    name: "r",
    dataloggers: 2,
    metersPerDatalogger: 3,
    seed: 5,
    startMs: START_MS,
    intervalMs: 300_000,
  });
  const { readings, periods } = rowsOf(series, 2000);
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  assert.deepEqual(totalsOf(series, 2000), {
    readings: 2000,
    periods: periods.length,
    deltaUnits: sum(readings.map(([, , , delta]) => (Number.isNaN(delta) ? 0 : Math.round(delta * 1000)))),
    hourUnits: sum(periods.filter(({ period }) => period === "hour").map(({ units }) => units)),
  });
  assert.equal(readings.filter(([, , , delta]) => Number.isNaN(delta)).length, 6);
});
