import assert from "node:assert/strict";
import { test } from "node:test";
import type { NotifierStats } from "../../engine/notify/notifier.js";
import { ReadinessReport } from "../../engine/readiness.js";
import { SimClock } from "../support/sim-clock.js";

test("dead letters are seen for an hour, each new one anew; they take nobody out of service", () => {
  const clock = new SimClock();
  const stats = { delivered: 0, failed: 0, heldBack: 0, waiting: 0, failing: 0 };
  const webhooks: NotifierStats = { tenants: {}, trouble: "" };
  const quiet = { moving: () => "", storeTrouble: () => "", isDraining: () => false, redisTrouble: () => "" };
  const report = new ReadinessReport({ clock, shards: [], ...quiet, webhooks: () => webhooks });
  assert.deepEqual(report.now(), { ready: true, reasons: [], degraded: [] });
  webhooks.tenants = { acme: { ...stats, deadLetters: 1 }, other: { ...stats, deadLetters: 0 } };
  const one = ["webhooks: 1 transitions of acme were not taken by their webhooks and are dead letters"];
  assert.deepEqual(report.now(), { ready: true, reasons: [], degraded: one });
  clock.advance(3_600_000);
  assert.deepEqual(report.now().degraded, one);
  clock.advance(1);
  assert.deepEqual(report.now().degraded, []);
  webhooks.tenants["other"]!.deadLetters = 1;
  assert.match(report.now().degraded.join(), /^webhooks: 2 transitions of acme, other /);
  webhooks.trouble = "the disk is full";
  assert.equal(report.now().degraded[0], "webhooks: the disk is full");
});
