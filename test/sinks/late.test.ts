import assert from "node:assert/strict";
import { test } from "node:test";
import { LateReadings } from "../../workers/sinks/late.js";

test("a late reading stands where nothing is, against another value only by rev, then by value", () => {
  const late = new LateReadings();
  late.add(1, 1000);
  assert.equal(late.stands(1, 1000, 5, 0), true);
  assert.equal(late.stands(1, 1000, 5, 9), false, "the same value changes nothing, whatever its rev");
  assert.equal(late.stands(1, 1000, 4, 0), false, "of equal revs the greater value stands");
  assert.equal(late.stands(1, 1000, 6, 0), true);
  assert.equal(late.stands(1, 1000, 1, 1), true, "a greater rev stands");
  assert.equal(late.stands(1, 1000, 9, 0), false);
});

test("only moments that were added are remembered, each of them once", () => {
  const late = new LateReadings();
  late.add(2, 5);
  late.add(1, 5);
  late.add(2, 4);
  late.add(2, 5);
  late.found(3, 5, 1, 1);
  assert.equal(late.size, 3);
  assert.deepEqual(
    [...late.moments()],
    [
      { meter: 2, ts: 5 },
      { meter: 2, ts: 4 },
      { meter: 1, ts: 5 },
    ],
  );
  late.clear();
  assert.equal(late.size, 0);
  assert.deepEqual([...late.moments()], []);
});
