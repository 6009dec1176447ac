import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultSettings, parseTimeline, stepAt, timelineFor, timelineText } from "../../engine/base/settings.js";
import { parseConfig } from "../../engine/config/load.js";
import { tenantPlans } from "../../engine/config/tenants.js";

const SHA = "ab".repeat(32);

test("entries with a from become steps of a meter's timeline: the latest decides, of equal ones the first", () => {
  const meters = [
    { match: "main-*", maxRate: 40, from: "2026-03-01T00:00:00+01:00" },
    { match: "*", kind: "gauge", from: "2026-03-01T00:00:00+01:00" },
    { match: "main-*", maxRate: 9, unit: "kWh" },
    { match: "main-*", maxRate: 9, unit: "MWh", from: Date.UTC(2026, 0, 1) },
    { match: "x", maxRate: 3 },
  ];
  const result = parseConfig({ tenants: [{ id: "a", timezone: "Europe/Madrid", meters }] }, "x");
  assert.ok("config" in result);
  const plan = tenantPlans(result.config)[0]!;
  const said = (meter: string) =>
    timelineFor(plan, meter).map(({ from, settings }) => [from, settings.kind, settings.maxRate, settings.unit]);
  const march = Date.UTC(2026, 1, 28, 23);
  const ever = Number.NEGATIVE_INFINITY;
  // What decides no row begins no step.
  assert.deepEqual(said("main-1"), [
    [ever, "counter", 9, "MWh"],
    [march, "counter", 40, ""],
  ]);
  assert.deepEqual(said("x"), [
    [ever, "counter", 3, ""],
    [march, "gauge", null, ""],
  ]);
  assert.deepEqual(said("other"), [
    [ever, "counter", null, ""],
    [march, "gauge", null, ""],
  ]);
  assert.equal(timelineFor(plan, "main-1"), timelineFor(plan, "main-2"));
  assert.equal(stepAt(timelineFor(plan, "x"), march).settings.kind, "gauge");
  assert.equal(stepAt(timelineFor(plan, "x"), march - 1).settings.kind, "counter");
  for (const meter of ["main-1", "x"]) {
    const timeline = timelineFor(plan, meter);
    assert.deepEqual(parseTimeline(timelineText(timeline)), timeline);
  }
});

test("settings as journals of older versions hold them are a timeline of one step", () => {
  const settings = defaultSettings("UTC");
  assert.deepEqual(parseTimeline(JSON.stringify(settings)), [{ from: Number.NEGATIVE_INFINITY, settings }]);
});

test("entries with a from that stand in others' way are warned about", () => {
  const keys = [{ id: "k", sha256: SHA, role: "admin" }];
  const from = "2026-03-01T00:00:00Z";
  const warnings = (...meters: object[]) => {
    const result = parseConfig({ tenants: [{ id: "a", keys, meters: meters.map((meter) => ({ maxRate: 9, ...meter })) }] }, "x");
    assert.ok("config" in result);
    return result.warnings.map(({ path, message }) => `${path.replace("tenants[0].", "")}: ${message}`);
  };
  assert.deepEqual(warnings({ match: "*" }, { match: "*", from, multiplier: 10 }), []);
  assert.deepEqual(warnings({ match: "main-*" }, { match: "*" }, { match: "main-1*", from }), []);
  assert.deepEqual(warnings({ match: "main-*", from }, { match: "*", from }, { match: "main-*" }, { match: "*" }), []);
  assert.deepEqual(warnings({ match: "*" }, { match: "*", from }, { match: "a", from }), [
    "meters[2]: never reached: meters[1] matches every meter, from the same instant on",
  ]);
  assert.deepEqual(warnings({ match: "a*" }, { match: "ab*" }, { match: "*" }), [
    "meters[1]: never reached: meters[0] matches all that it matches",
  ]);
  assert.deepEqual(warnings({ match: "a-*" }, { match: "*" }, { match: "*", from }), [
    'meters[2]: decides from 2026-03-01T00:00:00.000Z on for the meters of meters[0] ("a-*") too, since its "from" is the latest: where they are to stay as they are, repeat that entry with the same "from" before this one',
  ]);
  assert.deepEqual(warnings({ match: "a", from }), [
    'meters[0]: in force from 2026-03-01T00:00:00.000Z on, and no entry without "from" matches all of its meters: before that, those that none matches have the defaults',
    'meters: no entry "*": meters that match none are counters without maxRate, which billing needs, in the tenant\'s time zone',
  ]);
});
