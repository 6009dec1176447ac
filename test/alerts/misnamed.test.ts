import assert from "node:assert/strict";
import { test } from "node:test";
import type { TenantPlan } from "../../engine/base/settings.js";
import { SimClock } from "../support/sim-clock.js";
import { ModelShard } from "./model-shard.js";
import { rule, settings } from "./reading-along.js";

const MINUTE = 60_000;
const T0 = Date.UTC(2026, 0, 5);
const silent = rule({ id: "silent", on: "nodata", threshold: null, forMs: 10 * MINUTE });

/** A configuration that names these meters one by one. */
function naming(...names: string[]): TenantPlan {
  const meters = [...names, "*"].map((match) => ({ match, settings: settings({ kind: "gauge" }) }));
  return { id: "acme", timezone: "UTC", meters, rules: [silent], maxMeters: 10, maxDataloggers: 10 };
}

function pass(shard: ModelShard, clock: SimClock, minutes: number): void {
  clock.advance(minutes * MINUTE);
  shard.tick();
}

const told = ({ rows }: ModelShard) => rows.map(({ meter, ts, state }) => [meter, (ts - T0) / MINUTE, state]);
const FIRED = ["tyop", 10, "firing"];

for (const [how, between] of [
  ["", () => undefined],
  [", over a restart", (shard: ModelShard) => shard.restart()],
  [
    ", over a snapshot and a restart",
    (shard: ModelShard) => {
      shard.snapshot();
      shard.restart();
    },
  ],
] as const) {
  test(`a meter that nobody has sent is missed no more once the configuration names another one${how}`, () => {
    const clock = new SimClock(T0);
    const shard = new ModelShard(clock, naming("tyop"));
    pass(shard, clock, 11);
    assert.deepEqual(told(shard), [FIRED]);
    shard.adopt(naming("typo"));
    between(shard);
    pass(shard, clock, 1);
    const ended = told(shard).slice(1);
    assert.deepEqual(
      ended.map(([meter, , state]) => [meter, state]),
      [["tyop", "resolved"]],
    );
    between(shard);
    pass(shard, clock, 60);
    assert.deepEqual(
      told(shard)
        .slice(2)
        .map(([meter, , state]) => [meter, state]),
      [["typo", "firing"]],
    );
  });
}

test("named again it is missed again, from then on; and once sent it is missed whatever is named", () => {
  const clock = new SimClock(T0);
  const shard = new ModelShard(clock, naming("m"));
  shard.adopt(naming());
  pass(shard, clock, 60);
  shard.restart();
  assert.deepEqual(told(shard), []);
  shard.adopt(naming("m"));
  pass(shard, clock, 9);
  assert.deepEqual(told(shard), []);
  pass(shard, clock, 2);
  assert.deepEqual(told(shard), [["m", 70, "firing"]]);
  shard.adopt(naming());
  pass(shard, clock, 1);
  shard.reading("m", clock.nowMs(), 1);
  shard.snapshot();
  shard.restart();
  pass(shard, clock, 11);
  assert.deepEqual(
    told(shard).map(([, , state]) => state),
    ["firing", "resolved", "firing"],
  );
});
