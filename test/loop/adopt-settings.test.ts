import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { EntryWriter, UnitType } from "../../engine/base/entries.js";
import { always, defaultSettings, type MeterSettings, type MeterTimeline, type Rule } from "../../engine/base/settings.js";
import { adoptSettings } from "../../workers/loop/adopt-settings.js";
import { Applier } from "../../workers/loop/applier.js";
import type { Input } from "../reference/history.js";
import { reference } from "../reference/reference.js";
import { MemoryShard } from "../support/memory-shard.js";

const MINUTE_MS = 60_000;
const START = Date.parse("2026-01-10T00:00Z");
const at = (minutes: number) => START + minutes * MINUTE_MS;
const first: MeterSettings = { ...defaultSettings("UTC"), periods: ["hour"], maxRate: 40 };

/** Other settings from `minutes` after midnight on. */
function changed(minutes: number, then: Partial<MeterSettings>): MeterTimeline {
  return [...always(first), { from: at(minutes), settings: { ...first, ...then } }];
}

const settingsOf = (settings: MeterSettings | MeterTimeline) => new Map([["m", settings]]);
const readings = (...given: [minutes: number, value: number][]): Input[] =>
  given.map(([minutes, value]) => ({ ts: at(minutes), value }));

function opened(t: TestContext, settings: MeterSettings | MeterTimeline = first): { shard: MemoryShard; units: () => number } {
  const shard = new MemoryShard(settingsOf(settings));
  let units = 0;
  shard.onUnit = () => {
    units++;
  };
  t.after(() => shard.close());
  return { shard, units: () => units };
}

test("an open period is cut where settings change that came to be known in its middle", async (t) => {
  const { shard } = opened(t);
  const inputs = readings([0, 1], [10, 2], [20, 3], [70, 8], [130, 9]);
  for (const input of inputs.slice(0, 3)) shard.give("m", input);
  const later = changed(30, { multiplier: 10 });
  await shard.restart(settingsOf(later));
  for (const input of inputs.slice(3)) shard.give("m", input);
  shard.store();
  const rows = shard.rowsOf("m");
  assert.deepEqual(rows, reference(later, inputs));
  assert.deepEqual(
    rows.consumption.map(({ ts, value }) => [(ts - START) / MINUTE_MS, value]),
    [
      [0, 3],
      [30, 30],
      [60, 18.33],
    ],
  );
});

test("what is adopted is journaled once, and replayed before what came after it", async (t) => {
  const { shard, units } = opened(t);
  const inputs = readings([0, 1], [60, 2], [90, 3], [120, 4]);
  for (const input of inputs.slice(0, 2)) shard.give("m", input);
  const later = changed(75, { decimals: 1, step: 0.1 });
  assert.equal(units(), 2);
  await shard.restart(settingsOf(later));
  assert.equal(units(), 3);
  await shard.restart();
  assert.equal(units(), 3);
  for (const input of inputs.slice(2)) shard.give("m", input);
  await shard.restart();
  shard.store();
  assert.equal(units(), 5);
  assert.deepEqual(shard.rowsOf("m"), reference(later, inputs));
});

test("a change that was planned can be put off, taken back and be another one as long as nothing has come behind it", async (t) => {
  const { shard } = opened(t);
  const inputs = readings([0, 1], [60, 2], [200, 3], [400, 4]);
  for (const input of inputs.slice(0, 2)) shard.give("m", input);
  await shard.restart(settingsOf(changed(90, { periods: ["quarter", "day"], kind: "gauge" })));
  shard.snapshot();
  await shard.restart(settingsOf(changed(100, { timezone: "Asia/Kathmandu" })));
  shard.snapshot();
  await shard.restart(settingsOf(first));
  shard.snapshot();
  await shard.restart();
  const last = changed(300, { maxRate: 9 });
  shard.give("m", inputs[2]!);
  await shard.restart(settingsOf(last));
  shard.give("m", inputs[3]!);
  shard.store();
  assert.deepEqual(shard.rowsOf("m"), reference(last, inputs));
});

test("up to the newest reading nothing may be other, in whatever step it stands", async (t) => {
  const known = changed(30, { multiplier: 10 });
  const { shard, units } = opened(t, known);
  for (const input of readings([0, 1], [60, 2])) shard.give("m", input);
  const before = units();
  const step = (minutes: number, then: Partial<MeterSettings>) => ({ from: at(minutes), settings: { ...first, ...then } });
  const others: MeterTimeline[] = [
    always(first),
    changed(30, { multiplier: 11 }),
    changed(31, { multiplier: 10 }),
    [...known, step(60, { multiplier: 5 })],
    [...always(first), step(20, { multiplier: 5 }), ...known.slice(1)],
  ];
  for (const other of others) {
    await assert.rejects(shard.restart(settingsOf(other)), {
      code: "settings_changed",
      message: /meter "m" of acme .*reach up to 2026-01-10T01:00:00\.000Z.*"from": "2026-01-10T01:00:00\.001Z" or later/s,
    });
  }
  assert.equal(units(), before);
  await shard.restart(settingsOf([...known, { from: at(60) + 1, settings: { ...first, multiplier: 5 } }]));
});

test("an interval labelled by its beginning has rows up to its end", async (t) => {
  const interval: MeterSettings = { ...first, kind: "interval", label: "start", interval: 60 * MINUTE_MS };
  const { shard } = opened(t, interval);
  shard.give("m", { ts: at(0), value: 1 });
  const from = (minutes: number) =>
    settingsOf([...always(interval), { from: at(minutes), settings: { ...interval, multiplier: 2 } }]);
  await assert.rejects(shard.restart(from(30)), { code: "settings_changed", message: /"from": "2026-01-10T01:00:00\.001Z"/ });
  await assert.rejects(shard.restart(from(60)), { code: "settings_changed" });
  await shard.restart(from(61));
});

test("a late reading from before a change is judged by what was in force then", async (t) => {
  const { shard } = opened(t);
  const inputs = readings([0, 1], [60, 2], [150, 30], [165, 31], [180, 32], [30, 1.5]);
  for (const input of inputs.slice(0, 2)) shard.give("m", input);
  const later = changed(100, { multiplier: 10, decimals: 0, step: 1 });
  await shard.restart(settingsOf(later));
  for (const input of inputs.slice(2)) shard.give("m", input);
  await shard.settle();
  assert.deepEqual(shard.rowsOf("m"), reference(later, inputs));
});

test("a meter of which nothing was taken takes whatever is configured", async (t) => {
  const { shard } = opened(t);
  assert.equal(shard.give("m", { ts: at(0), value: 1e300 }), false);
  const other = [...always({ ...first, kind: "gauge" as const }), { from: at(-600), settings: first }];
  await shard.restart(settingsOf(other));
  const inputs = readings([-700, 1], [-660, 3], [0, 5]);
  for (const input of inputs) shard.give("m", input);
  shard.store();
  assert.deepEqual(shard.rowsOf("m"), reference(other, inputs));
});

test("unit and expect change in place, in any step", async (t) => {
  const { shard, units } = opened(t, changed(30, { multiplier: 10 }));
  shard.give("m", { ts: at(60), value: 1 });
  const named = changed(30, { multiplier: 10, unit: "kWh", expectMs: 900_000 });
  await shard.restart(settingsOf(named));
  assert.equal(shard.applier.book.settings(0).unit, "kWh");
  await shard.restart();
  assert.equal(shard.applier.book.settings(0).unit, "kWh");
  assert.equal(units(), 2);
});

test("an exchange is taken while the meter is a counter, and no other", async (t) => {
  const { shard } = opened(t, changed(100, { kind: "gauge" }));
  const exchange = (minutes: number, given: { final: number; start: number } | null) =>
    shard.give("m", { ts: at(minutes), exchange: given });
  shard.give("m", { ts: at(0), value: 5 });
  assert.equal(exchange(50, { final: 6, start: 0 }), true);
  assert.equal(exchange(50, null), true);
  assert.equal(exchange(100, { final: 6, start: 0 }), false);
  assert.equal(exchange(101, null), false);
});

test("a value is within bounds by the resolution of its time", async (t) => {
  const { shard } = opened(t, changed(100, { decimals: 9, step: 1e-9 }));
  assert.equal(shard.give("m", { ts: at(0), value: 2 ** 40 }), true);
  assert.equal(shard.give("m", { ts: at(100), value: 2 ** 40 }), false);
});

test("rules go on over a change, with the values and the hours of what is in force", () => {
  const none = { schedule: null, clear: null, levels: [], flag: null } as const;
  const rule = { ...none, id: "r", meters: "*", forMs: 0, keepFiringMs: 0, severity: "warning" } as const;
  const rules: Rule[] = [
    { ...rule, id: "level", on: "value", op: ">", threshold: 100 },
    { ...rule, id: "hour", on: "hour", op: "<", threshold: 5 },
  ];
  const timeline = changed(90, { multiplier: 10 });
  const meters = timeline.map(({ from, settings }, i) => ({ match: "*", settings, ...(i > 0 && { from }) }));
  const plan = { id: "acme", timezone: "UTC", meters, rules, maxMeters: 10, maxDataloggers: 10 };
  const applier = new Applier([plan], new EntryWriter());
  const { out } = applier;
  out.beginUnit(UnitType.POST, START, 0, 0, 0, 0);
  applier.nameDatalogger("acme", "d");
  const meter = applier.meter(0, "m", 0, false);
  const states = (minutes: number, value: number) => {
    applier.reading(meter, at(minutes), value, 0, START + 86_400_000);
    return applier.alerts.states(meter).map(({ rule: { id }, since }) => `${id} since ${(since - START) / MINUTE_MS}`);
  };
  assert.deepEqual(states(0, 10), []);
  assert.deepEqual(states(60, 20), []);
  assert.deepEqual(states(85, 22), []);
  // The hour is cut at 90: what little it holds is judged once the reading behind it has come.
  assert.deepEqual(states(95, 22.5), ["level since 95", "hour since 90"]);
  assert.deepEqual(states(150, 30), ["level since 95"]);
});

test("a new life writes nothing where nothing has changed", () => {
  const plan = {
    id: "acme",
    timezone: "UTC",
    meters: [{ match: "*", settings: first }],
    rules: [],
    maxMeters: 10,
    maxDataloggers: 10,
  };
  const applier = new Applier([plan], new EntryWriter());
  applier.out.beginUnit(UnitType.POST, START, 0, 0, 0, 0);
  applier.nameDatalogger("acme", "d");
  applier.meter(0, "m", 0, false);
  adoptSettings(applier, [structuredClone(plan)], START, () => assert.fail("a unit was written"));
});
