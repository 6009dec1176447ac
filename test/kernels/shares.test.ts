import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { share, shareDown, shareUp } from "../../workers/kernels/shares.js";

const amounts = fc.oneof(fc.integer({ min: -1000, max: 1000 }), fc.maxSafeInteger());
const parts = fc
  .tuple(fc.nat({ max: 1_000_000 }), fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 92 * 86_400_000 })))
  .map(([millionths, whole]) => ({ part: Math.floor((millionths / 1_000_000) * whole), whole }));

function floored(numerator: bigint, divisor: bigint): bigint {
  const quotient = numerator / divisor;
  return quotient * divisor > numerator ? quotient - 1n : quotient;
}

test("shares are exact, however large the product", () => {
  fc.assert(
    fc.property(amounts, parts, (amount, { part, whole }) => {
      const [n, d] = [BigInt(amount) * BigInt(part), BigInt(whole)];
      assert.equal(BigInt(share(amount, part, whole)), floored(2n * n + d, 2n * d));
      assert.equal(BigInt(shareDown(amount, part, whole)), floored(n, d));
      assert.equal(BigInt(shareUp(amount, part, whole)), -floored(-n, d));
    }),
    { numRuns: 3000 },
  );
});

test("halves go up, towards the greater number", () => {
  assert.equal(share(1, 1, 2), 1);
  assert.equal(share(-1, 1, 2), 0);
  assert.equal(share(-3, 1, 2), -1);
  assert.equal(share(3, 1, 2), 2);
});

test("a product that a double would round does not move a boundary", () => {
  assert.equal(share(9_007_199_254_740_991, 86_399_999, 86_400_000), 9_007_199_150_491_000);
  assert.equal(share(2 ** 53 - 1, 45 * 86_400_000 + 1, 92 * 86_400_000), 4_405_695_288_778_202);
});
