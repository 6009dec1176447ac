import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Histogram } from "../../engine/load/histogram.js";

test("a quantile is at most 2.2 % above the observation it stands for, and never below", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 300 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (durations, q) => {
        const histogram = new Histogram();
        for (const duration of durations) histogram.record(duration);
        const sorted = durations.toSorted((a, b) => a - b);
        const exact = sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1]!;
        const got = histogram.quantileMs(q);
        assert.ok(got >= exact * (1 - 1e-12) && got <= exact * 1.0221, `${got} for ${exact}`);
        assert.equal(histogram.maxMs, sorted.at(-1));
      },
    ),
  );
});

test("an observation may stand for many", () => {
  const histogram = new Histogram();
  histogram.record(1, 99);
  histogram.record(100, 1);
  assert.equal(histogram.total, 100);
  assert.equal(Math.round(histogram.quantileMs(0.99)), 1);
  assert.equal(histogram.quantileMs(0.991), 100);
  assert.ok(Number.isNaN(new Histogram().quantileMs(0.5)));
});
