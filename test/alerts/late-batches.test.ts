import assert from "node:assert/strict";
import { test } from "node:test";
import { EntryWriter } from "../../engine/base/entries.js";
import type { Rule, TenantPlan } from "../../engine/base/settings.js";
import { AlertBook } from "../../workers/state/alerts.js";
import { SimClock } from "../support/sim-clock.js";
import { ModelShard } from "./model-shard.js";
import { rule, settings } from "./reading-along.js";

const MINUTE = 60_000;
const T0 = Date.UTC(2026, 0, 5);
const gauge = settings({ kind: "gauge" });

function plan(...rules: Rule[]): TenantPlan {
  const meters = [{ match: "*", settings: gauge }];
  return { id: "acme", timezone: "UTC", meters, rules, maxMeters: 10, maxDataloggers: 10 };
}

test("levels of readings that come behind a tick lie one after the other, and the end behind them", () => {
  const levels = [
    { severity: "warning", threshold: 10 },
    { severity: "critical", threshold: 20 },
  ] as const;
  const clock = new SimClock(T0);
  const hot = rule({ id: "hot", forMs: 5 * MINUTE, levels });
  const shard = new ModelShard(clock, plan(hot));
  shard.reading("m", T0, 11);
  clock.advance(5 * MINUTE);
  shard.tick();
  // A logger that sends ten minutes at once: time has gone on without it.
  clock.advance(5 * MINUTE);
  for (const [minute, value] of [21, 11, 22, 12].entries()) shard.reading("m", T0 + (minute + 1) * MINUTE, value);
  // Hours that leave out what made it fire end it, no earlier than what was said last.
  shard.adopt(plan({ ...hot, schedule: { days: [7], fromMinute: 0, toMinute: 0 } }));
  clock.advance(2 * MINUTE);
  shard.tick();
  assert.deepEqual(
    shard.rows.map(({ ts, state, severity }) => [ts - T0 - 5 * MINUTE, state, severity]),
    [
      [0, "firing", "warning"],
      [1, "firing", "critical"],
      [2, "firing", "warning"],
      [3, "firing", "critical"],
      [4, "firing", "warning"],
      [4, "resolved", "warning"],
    ],
  );
});

test("a clock that was set back a little makes nobody look again and again", () => {
  const book = new AlertBook();
  const out = new EntryWriter(1 << 12);
  book.setRules(0, "acme", [rule({ on: "nodata", threshold: null, forMs: 5000 })]);
  book.startClock(T0);
  book.open(0, 0, "m", gauge, T0 - 30_000);
  const before = book.bytes;
  for (let second = -30; second < -25; second++)
    assert.equal(
      book.tick(T0 + second * 1000, out, () => 0),
      0,
    );
  assert.equal(book.isBehind, false);
  assert.ok(book.bytes < before + 4096, `${book.bytes} bytes, before ${before}`);
  assert.equal(
    book.tick(T0 + 1000, out, () => 0),
    1,
  );
});
