import assert from "node:assert/strict";
import { test } from "node:test";
import type { Rule, TenantPlan } from "../../engine/base/settings.js";
import { SimClock } from "../support/sim-clock.js";
import { ModelShard } from "./model-shard.js";
import { rule, settings } from "./reading-along.js";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const T0 = Date.UTC(2026, 0, 5);

/** Counters whose deltas wait for the next reading. */
function plan(...rules: Rule[]): TenantPlan {
  return {
    ...{ id: "acme", timezone: "UTC", meters: [{ match: "*", settings: settings() }] },
    ...{ rules, maxMeters: 10, maxDataloggers: 10 },
  };
}

class Counter {
  readonly clock = new SimClock(T0);
  readonly shard: ModelShard;
  #value = 0;

  constructor(...rules: Rule[]) {
    this.shard = new ModelShard(this.clock, plan(...rules));
  }

  counts(afterMs: number, ...deltas: number[]): void {
    for (const delta of deltas) {
      this.clock.advance(afterMs);
      this.#value += delta;
      this.shard.reading("m", this.clock.nowMs(), this.#value);
    }
  }

  adopt(...rules: Rule[]): void {
    this.shard.adopt(plan(...rules));
  }

  get told(): unknown[] {
    return this.shard.rows.map(({ ts, rule: id, state, value }) => [(ts - T0) / MINUTE, id, state, value]);
  }
}

const load = rule({ id: "load", on: "delta" });
const level = rule({ id: "level", threshold: 1e9 });

for (const [beside, rules] of [
  ["no other rule", []],
  ["another rule", [level]],
] as const) {
  test(`a rule that was gone at a snapshot comes back to what it would have found without a restart: ${beside}`, () => {
    const counter = new Counter(load, ...rules);
    counter.counts(MINUTE, 0, 20, 20);
    counter.adopt(...rules);
    // A reading ends the incident before a tick does.
    counter.counts(MINUTE, 30);
    counter.shard.snapshot();
    counter.counts(MINUTE, 30);
    counter.adopt(load, ...rules);
    counter.counts(MINUTE, 0);
    counter.shard.restart();
    counter.counts(MINUTE, 0);
    assert.deepEqual(counter.told, [
      [2, "load", "firing", 20],
      [3, "load", "resolved", 20],
      [5, "load", "firing", 30],
      [6, "load", "resolved", 0],
    ]);
  });
}

test("what waited for rules that went is not judged by those that come weeks later", () => {
  const counter = new Counter(level, rule({ id: "far", on: "delta", threshold: 1000 }), rule({ id: "hours", on: "hour" }));
  counter.counts(30 * MINUTE, 0, 4, 4, 4, 4, 20);
  counter.adopt(level);
  counter.counts(30 * DAY, 1, 1);
  counter.adopt(level, load, rule({ id: "hour", on: "hour" }));
  counter.counts(MINUTE, 0, 0, 0);
  assert.deepEqual(counter.told, []);
});
