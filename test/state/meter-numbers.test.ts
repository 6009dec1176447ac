import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultSettings } from "../../engine/base/settings.js";
import { Baseline } from "../../workers/kernels/baseline.js";
import { CompiledTimeline } from "../../workers/kernels/compiled-timeline.js";
import { PeriodSum } from "../../workers/kernels/period-sum.js";
import { drawWindow, imageOf } from "../../workers/state/meter-image.js";
import { BASE_NUMBERS, readBase, readSum, SUM_NUMBERS, writeBase, writeSum } from "../../workers/state/meter-numbers.js";
import { loadRare, RareState, saveRare } from "../../workers/state/meter-rare.js";
import { MeterWindow } from "../../workers/state/meter-window.js";

const timeline = new CompiledTimeline([
  { from: Number.NEGATIVE_INFINITY, settings: defaultSettings("UTC") },
  { from: 5, settings: defaultSettings("Europe/Madrid") },
]);
/** In the order of the journal: to change it is to change its format. */
const BASE = [2, 1, 4, 5, 6, 7, 8, 9, 10, 1, 12, 13, 1];

function fill(base: Baseline): void {
  const rest = { units: 2, read: true, epochTs: 4, beforeTs: 5, beforeUnits: 6, jump: 7, counted: 8, blockFrom: 9, gapFrom: 10 };
  Object.assign(base, rest, { ts: 77, exchanged: true, closed: 12, closedFlags: 13, settings: timeline.steps[1] });
}

test("a baseline is the numbers that the journal and snapshots have, and comes back whole", () => {
  const base = new Baseline();
  fill(base);
  const numbers = new Float64Array(BASE_NUMBERS + 1);
  writeBase(base, numbers, 1);
  assert.deepEqual([...numbers], [0, ...BASE]);
  const back = new Baseline();
  back.ts = 77;
  readBase(back, timeline.steps, numbers, 1);
  assert.deepEqual(back, base);
  // Without a record before there are no settings by which one was judged.
  writeBase(new Baseline(), numbers, 0);
  readBase(back, timeline.steps, numbers, 0);
  back.ts = Number.NaN;
  assert.deepEqual(back, new Baseline());
});

test("a sum is its numbers; of one that is not open only its period", () => {
  const sum = new PeriodSum();
  const fields = { period: 1, start: 2, end: 3, sum: 4, sumLow: 5, coveredMs: 6, readings: 7, flags: 8, min: -9, max: 10 };
  Object.assign(sum, fields);
  const numbers = new Float64Array(1 + SUM_NUMBERS);
  writeSum(sum, numbers, 1);
  assert.deepEqual([...numbers], [0, 1, 2, 3, 4, 5, 6, 7, 8, -9, 10]);
  const back = new PeriodSum();
  readSum(back, numbers, 1);
  assert.deepEqual(back, sum);
  sum.end = Number.NaN;
  writeSum(sum, numbers, 1);
  assert.deepEqual([...numbers], [0, 1, Number.NaN, Number.NaN, 0, 0, 0, 0, 0, 0, 0]);
  readSum(back, numbers, 1);
  assert.equal(back.min, Number.POSITIVE_INFINITY);
});

test("an image, and what is kept beside the pages, hold all of a baseline", () => {
  const window = new MeterWindow();
  window.timeline = timeline;
  fill(window.base);
  Object.assign(window, { closedTo: 21, withdrawnTs: 22, withdrawnRev: 23 });
  const image = imageOf(window);
  assert.deepEqual(image.slice(0, 14), [77, ...BASE]);
  assert.deepEqual(image.slice(32, 35), [21, 22, 23]);
  const drawn = new MeterWindow();
  drawn.timeline = timeline;
  drawWindow(drawn, image);
  assert.deepEqual(drawn.base, window.base);
  assert.deepEqual(imageOf(drawn), image);

  const rare = new RareState();
  saveRare(window, rare);
  const loaded = new MeterWindow();
  loaded.timeline = timeline;
  loadRare(rare, loaded);
  loaded.base.ts = 77;
  assert.deepEqual(imageOf(loaded), image);
});
