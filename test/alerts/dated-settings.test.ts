import assert from "node:assert/strict";
import { test } from "node:test";
import type { MeterEntry, MeterSettings, Rule, TenantPlan } from "../../engine/base/settings.js";
import { SimClock } from "../support/sim-clock.js";
import { ModelShard } from "./model-shard.js";
import { rule, settings } from "./reading-along.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const T0 = Date.UTC(2026, 0, 5);
const EVERY_DAY = [1, 2, 3, 4, 5, 6, 7];

/** Gauges, other ones from an hour after the beginning on. */
function plan(rules: readonly Rule[], first: Partial<MeterSettings>, then: Partial<MeterSettings>): TenantPlan {
  const meters: MeterEntry[] = [
    { match: "*", settings: settings({ kind: "gauge", ...first }) },
    { match: "*", from: T0 + HOUR, settings: settings({ kind: "gauge", decimals: 2, ...then }) },
  ];
  return { id: "acme", timezone: "UTC", meters, rules, maxMeters: 10, maxDataloggers: 10 };
}

function readAt(shard: ModelShard, clock: SimClock, atMs: number, value: number): void {
  clock.advance(atMs - clock.nowMs());
  shard.reading("m", atMs, value);
}

const told = ({ rows }: ModelShard) => rows.map(({ ts, state }) => [(ts - T0) / MINUTE, state]);
const silent = rule({ id: "silent", on: "nodata", threshold: null });

test("a meter whose settings have changed is missed after a restart as it was before it", () => {
  const clock = new SimClock(T0);
  const shard = new ModelShard(clock, plan([silent], { expectMs: HOUR }, { expectMs: 5 * MINUTE }));
  readAt(shard, clock, T0, 1);
  readAt(shard, clock, T0 + 2 * HOUR, 1);
  shard.snapshot();
  clock.advance(10 * MINUTE);
  shard.tick();
  assert.deepEqual(told(shard), [[130, "firing"]]);
  shard.restart();
  clock.advance(11 * MINUTE);
  shard.reading("m", clock.nowMs(), 1);
  assert.deepEqual(told(shard), [
    [130, "firing"],
    [141, "resolved"],
  ]);
});

test("hours are those of the zone in force, after a restart too", () => {
  const clock = new SimClock(T0);
  const hours = rule({ schedule: { days: EVERY_DAY, fromMinute: 0, toMinute: 180 } });
  const shard = new ModelShard(clock, plan([hours], {}, { timezone: "America/New_York" }));
  readAt(shard, clock, T0, 1);
  readAt(shard, clock, T0 + 6 * HOUR, 11);
  shard.snapshot();
  shard.restart();
  clock.advance(2 * HOUR);
  shard.tick();
  shard.restart();
  assert.deepEqual(told(shard), [
    [360, "firing"],
    [480, "resolved"],
  ]);
});

test("a rule that a meter gets later goes by the settings in force by then", () => {
  const clock = new SimClock(T0);
  const [first, then] = [{ expectMs: HOUR }, { expectMs: 5 * MINUTE }];
  const shard = new ModelShard(clock, plan([], first, then));
  readAt(shard, clock, T0, 1);
  readAt(shard, clock, T0 + 2 * HOUR, 1);
  shard.adopt(plan([silent], first, then));
  clock.advance(10 * MINUTE);
  shard.tick();
  shard.restart();
  assert.deepEqual(told(shard), [[130, "firing"]]);
});
