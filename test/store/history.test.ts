import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { groupedByTime, spanOf } from "../../engine/store/history.js";

const DAY = 24 * 3_600_000;

function range(fromDay: number, days: number) {
  return { from: fromDay * DAY, to: (fromDay + days) * DAY };
}

test("ranges near each other are read together, those far apart one by one", () => {
  assert.deepEqual(groupedByTime([]), []);
  assert.deepEqual(groupedByTime([range(0, 2), range(1, 2), range(0.5, 2)]), [[0, 2, 1]]);
  assert.deepEqual(groupedByTime([range(400, 2), range(0, 2), range(401, 2)]), [[1], [0, 2]]);
  const year = range(0, 365);
  const many = Array.from({ length: 100 }, (_, i) => range(i / 100, 2));
  assert.equal(groupedByTime([year, ...many]).length, 2, "one long range does not make the short ones long");
});

test("an endless range, an empty one and one that ends before it begins", () => {
  const endless = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY };
  assert.deepEqual(groupedByTime([endless]), [[0]]);
  assert.deepEqual(groupedByTime([range(3, 0), range(3, -1), range(3, 0)]), [[0, 2]]);
  assert.deepEqual(
    groupedByTime([endless, range(0, 1)])
      .flat()
      .sort(),
    [0, 1],
  );
});

test("every range that holds anything is in one group, and no group reads much more than twice what was asked for", () => {
  const anyRange = fc.record({ from: fc.integer({ min: 0, max: 1000 * DAY }), days: fc.nat({ max: 400 }) });
  fc.assert(
    fc.property(fc.array(anyRange, { minLength: 1, maxLength: 40 }), (drawn) => {
      const ranges = drawn.map(({ from, days }) => ({ from, to: from + days * DAY }));
      const groups = groupedByTime(ranges);
      assert.deepEqual(
        groups.flat().sort((a, b) => a - b),
        ranges.map((_, i) => i),
      );
      for (const group of groups) {
        const members = group.map((position) => ranges[position]!);
        const { from, to } = spanOf(members);
        const asked = members.reduce((sum, member) => sum + member.to - member.from + DAY, 0);
        assert.ok((to - from + DAY) * members.length <= 2 * asked, `${group.join()} read ${to - from} ms for each`);
      }
    }),
  );
});
