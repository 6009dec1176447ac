import assert from "node:assert/strict";
import { test } from "node:test";
import type { Rule, TenantPlan } from "../../engine/base/settings.js";
import { SimClock } from "../support/sim-clock.js";
import { ModelShard } from "./model-shard.js";
import { rule, settings } from "./reading-along.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const T0 = Date.UTC(2026, 0, 5); // a Monday
const nights = { days: [1, 2, 3, 4, 5, 6, 7], fromMinute: 22 * 60, toMinute: 6 * 60 };

/** Intervals that arrive when they end, labelled by either end. */
class Intervals {
  readonly clock = new SimClock(T0);
  readonly shard: ModelShard;
  readonly #label: "start" | "end";
  readonly #lengthMs: number;

  constructor(label: "start" | "end", lengthMs: number, ...rules: Rule[]) {
    const meters = [{ match: "*", settings: settings({ kind: "interval", interval: lengthMs, label }) }];
    const plan: TenantPlan = { id: "acme", timezone: "UTC", meters, rules, maxMeters: 10, maxDataloggers: 10 };
    this.shard = new ModelShard(this.clock, plan);
    this.#label = label;
    this.#lengthMs = lengthMs;
  }

  /** The interval that ends so long after the beginning, as soon as it has ended. */
  ends(afterMs: number, amount: number): void {
    this.clock.advance(T0 + afterMs - this.clock.nowMs());
    this.shard.reading("m", T0 + afterMs - (this.#label === "start" ? this.#lengthMs : 0), amount);
  }

  tick(afterMs: number): void {
    this.clock.advance(T0 + afterMs - this.clock.nowMs());
    this.shard.tick();
  }

  get told(): unknown[] {
    return this.shard.rows.map(({ ts, rule: id, state, value }) => [(ts - T0) / HOUR, id, state, value]);
  }
}

for (const label of ["start", "end"] as const) {
  test(`hours hold for the time in which an interval used its energy, labelled by its ${label}`, () => {
    const load = rule({ id: "night", on: "rate", schedule: nights });
    const intervals = new Intervals(label, HOUR, load, rule({ ...load, id: "amount", on: "delta" }));
    for (let hour = 20; hour <= 32; hour++) intervals.ends(hour * HOUR, hour);
    assert.deepEqual(intervals.told, [
      [23, "night", "firing", 23],
      [23, "amount", "firing", 23],
      [30, "night", "resolved", 30],
      [30, "amount", "resolved", 30],
    ]);
  });

  test(`a period that held little is judged when its last interval has come, labelled by its ${label}`, () => {
    const intervals = new Intervals(label, 15 * MINUTE, rule({ id: "little", on: "hour", op: "<", threshold: 4 }));
    for (let quarter = 1; quarter <= 4; quarter++) intervals.ends(quarter * 15 * MINUTE, 0.5);
    assert.deepEqual(intervals.told, [[1, "little", "firing", 2]]);
    for (let quarter = 5; quarter <= 8; quarter++) intervals.ends(quarter * 15 * MINUTE, 2);
    assert.deepEqual(intervals.told.slice(1), [[2, "little", "resolved", 8]]);
  });

  test(`a condition lasts from the end of its interval on, also over a restart, labelled by its ${label}`, () => {
    const intervals = new Intervals(label, HOUR, rule({ id: "lasting", on: "delta", forMs: 30 * MINUTE }));
    intervals.ends(HOUR, 11);
    intervals.shard.snapshot();
    intervals.shard.restart();
    intervals.tick(1.5 * HOUR - 2000);
    assert.deepEqual(intervals.told, []);
    intervals.tick(1.5 * HOUR);
    assert.deepEqual(intervals.told, [[1.5, "lasting", "firing", 11]]);
  });
}

test("levels stay at the instant that the label says", () => {
  const intervals = new Intervals("start", HOUR, rule({ id: "level" }));
  intervals.ends(5 * HOUR, 11);
  assert.deepEqual(intervals.told, [[4, "level", "firing", 11]]);
});
