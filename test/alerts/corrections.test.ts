import assert from "node:assert/strict";
import { test } from "node:test";
import type { TenantPlan } from "../../engine/base/settings.js";
import { SimClock } from "../support/sim-clock.js";
import { ModelShard } from "./model-shard.js";
import { rule, settings } from "./reading-along.js";

const MINUTE = 60_000;
const T0 = Date.UTC(2026, 0, 5);
const plan: TenantPlan = {
  ...{ id: "acme", timezone: "UTC", meters: [{ match: "*", settings: settings() }] },
  rules: [
    rule({ id: "load", on: "delta" }),
    rule({ id: "sum", on: "hour", threshold: 1000 }),
    rule({ id: "little", on: "hour", op: "<", threshold: 2.5 }),
  ],
  ...{ maxMeters: 10, maxDataloggers: 10 },
};

type Read = readonly [minute: number, value: number, rev?: number];

/** Restarts replay all, with and without a snapshot. */
function toldOf(...reads: (Read | { exchange: number })[]): unknown[] {
  const clock = new SimClock(T0 + 240 * MINUTE);
  const shard = new ModelShard(clock, plan);
  reads.forEach((read, index) => {
    clock.advance(1000);
    if ("exchange" in read) shard.exchange("m", T0 + read.exchange * MINUTE, 103, 0);
    else shard.reading("m", T0 + read[0] * MINUTE, read[1], read[2]);
    if (index % 2 === 0) shard.snapshot();
    shard.restart();
  });
  return shard.rows.map(({ ts, rule: id, state, value }) => [(ts - T0) / MINUTE, id, state, value]);
}

test("a wrong newest reading that is corrected while it waits alarms nobody", () => {
  assert.deepEqual(toldOf([5, 100], [10, 101], [15, 2101], [15, 102, 1], [20, 103]), []);
});

test("a correction to what alarms alarms, with its own value", () => {
  assert.deepEqual(toldOf([5, 100], [10, 101], [15, 102], [15, 2101, 1], [20, 2102]), [
    [15, "load", "firing", 2000],
    [15, "sum", "firing", 2001],
  ]);
});

test("a reading between the two newest takes its share from the one that waits", () => {
  assert.deepEqual(toldOf([5, 100], [10, 101], [20, 115], [15, 108], [25, 116]), []);
});

test("a period that waits for its look-ahead is judged as it was corrected", () => {
  assert.deepEqual(toldOf([5, 100], [10, 101], [60, 102], [60, 106, 1], [65, 107]), []);
  assert.deepEqual(toldOf([5, 100], [10, 101], [60, 102], [65, 103]), [[60, "little", "firing", 2]]);
});

test("what a declared exchange has settled can still be corrected before the next reading", () => {
  assert.deepEqual(toldOf([5, 100], [10, 101], [15, 120], [15, 102, 1], { exchange: 20 }, [25, 1]), []);
  assert.deepEqual(toldOf([5, 100], [10, 101], [15, 120], { exchange: 20 }, [15, 102, 1], [25, 1]), []);
});

test("what was judged stays judged", () => {
  assert.deepEqual(toldOf([5, 100], [10, 101], [15, 121], [20, 122], [15, 102, 1], [25, 123]).slice(0, 1), [
    [15, "load", "firing", 20],
  ]);
});
