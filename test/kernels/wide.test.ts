import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { productLow, sumLow, wideTimes } from "../../workers/kernels/wide.js";

const factors = fc.tuple(fc.integer({ min: -(2 ** 52), max: 2 ** 52 }), fc.nat({ max: 92 * 86_400_000 }));

test("a product is kept whole in two doubles", () => {
  fc.assert(
    fc.property(factors, ([a, b]) => {
      const product = a * b;
      assert.equal(BigInt(product) + BigInt(productLow(a, b, product)), BigInt(a) * BigInt(b));
    }),
    { numRuns: 2000 },
  );
});

test("a sum is kept whole in two doubles, in either order", () => {
  fc.assert(
    fc.property(factors, factors, ([a, b], [c, d]) => {
      const [x, y] = [a * b, c * d];
      const sum = x + y;
      assert.equal(BigInt(sum) + BigInt(sumLow(x, y, sum)), BigInt(x) + BigInt(y));
      assert.equal(BigInt(sum) + BigInt(sumLow(y, x, sum)), BigInt(x) + BigInt(y));
    }),
    { numRuns: 2000 },
  );
});

test("what two doubles hold is multiplied before it is rounded", () => {
  assert.equal(wideTimes(2 ** 53, 1, 3), 27_021_597_764_222_980);
  assert.equal(wideTimes(7, 0, 3), 21);
  assert.ok(Number.isNaN(wideTimes(Number.NaN, 0, 3)));
});
