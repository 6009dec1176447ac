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
  rules: [rule({ id: "load", on: "delta" }), rule({ id: "peak", on: "flag", flag: "SPIKE", threshold: null })],
  ...{ maxMeters: 10, maxDataloggers: 10 },
};

function toldOf(isWithdrawn: boolean): unknown[] {
  const clock = new SimClock(T0);
  const shard = new ModelShard(clock, plan);
  const read = (...values: number[]) => {
    for (const value of values) {
      clock.advance(MINUTE);
      shard.reading("m", clock.nowMs(), value);
    }
  };
  read(100, 101, 9999);
  clock.advance(MINUTE);
  shard.exchange("m", clock.nowMs(), 102, 0);
  if (isWithdrawn) shard.exchange("m", clock.nowMs(), Number.NaN, Number.NaN, 1);
  shard.snapshot();
  read(isWithdrawn ? 10_000 : 1);
  shard.restart();
  return shard.rows.map(({ ts, rule: id, state, value }) => [(ts - T0) / MINUTE, id, state, value]);
}

test("a declared exchange shows that the reading before it was a peak", () => {
  assert.deepEqual(toldOf(false), [[3, "peak", "firing", null]]);
});

test("an exchange that is withdrawn has shown nothing", () => {
  assert.deepEqual(toldOf(true), [[3, "load", "firing", 9898]]);
});
