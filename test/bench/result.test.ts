import assert from "node:assert/strict";
import { test } from "node:test";
import { type BenchResult, median, summarize } from "../../bench/result.js";

function resultOf(name: string, rate: number, cpu: number | null): BenchResult {
  return {
    ...{ name, readings: 10, rows: 12, seconds: 10 / rate, readingsPerSecond: rate, ackedReadingsPerSecond: rate * 2 },
    ...{ cpuMicros: cpu, loadCpuMicros: 1, storeCpuMicros: Number.NaN, ackMs: null },
  };
}

test("a summary takes medians, and the ratio to the reference's median", () => {
  const ours = [resultOf("ours", 50, 2), resultOf("ours", 500, 9), resultOf("ours", 60, 3)];
  const limit = [resultOf("limit", 100, null), resultOf("limit", 140, null)];
  assert.deepEqual(summarize("ours", ours, limit), {
    name: "ours",
    runs: 3,
    readingsPerSecond: 60,
    ackedReadingsPerSecond: 120,
    cpuMicros: 3,
    loadCpuMicros: 1,
    storeCpuMicros: null,
    p50AckMs: null,
    p99AckMs: null,
    ratio: 0.5,
  });
  assert.equal(summarize("limit", limit, []).ratio, null);
});

test("the median of an even number lies between its middle ones", () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([5]), 5);
});
