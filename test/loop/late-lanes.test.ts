import assert from "node:assert/strict";
import { test } from "node:test";
import { LateLanes } from "../../workers/loop/late-lanes.js";

test("lanes that bring more late inputs than may wait are held, once, until half of them are worked in", () => {
  const told: [number, boolean][] = [];
  const lanes = new LateLanes(100, (lane, on) => told.push([lane, on]));
  lanes.came(0, 7, 100);
  assert.deepEqual(told, []);
  lanes.came(0, 7, 101);
  lanes.came(0, 7, 150);
  lanes.came(1, 8, 160);
  assert.deepEqual(told, [
    [7, true],
    [8, true],
  ]);
  lanes.mended(51);
  assert.equal(told.length, 2);
  lanes.mended(50);
  assert.deepEqual(told.slice(2), [
    [7, false],
    [8, false],
  ]);
  lanes.mended(0);
  assert.equal(told.length, 4);
  assert.deepEqual([lanes.of(0), lanes.of(1), lanes.of(2)], [7, 8, undefined]);
});
