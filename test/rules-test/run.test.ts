import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { Flag } from "../../engine/base/flags.js";
import { defaultSettings, type MeterSettings, type Rule, type TenantPlan } from "../../engine/base/settings.js";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../engine/base/zone.js";
import { rulesJson } from "../../engine/commands/rules-text.js";
import { table } from "../../engine/commands/text-table.js";
import type { TriedIncident } from "../../engine/rules-test/incidents.js";
import { type RunOptions, type RunResult, runRules } from "../../engine/rules-test/run.js";
import { FakeHistory } from "./fake-history.js";

const T0 = Date.UTC(2026, 2, 2); // a Monday

const rule = (fields: Partial<Rule>): Rule => ({
  ...{ id: "r", meters: "*", on: "value", op: ">", threshold: 10, clear: null, forMs: 0, keepFiringMs: 0 },
  ...{ schedule: null, severity: "warning", levels: [], flag: null },
  ...fields,
});

function planOf(rules: readonly Rule[], settings: Partial<MeterSettings> = { kind: "gauge" }): TenantPlan {
  const meters = [{ match: "*", settings: { ...defaultSettings("UTC"), ...settings } }];
  return { id: "acme", timezone: "UTC", meters, rules, maxMeters: 1_000_000, maxDataloggers: 10 };
}

function run(history: FakeHistory, plan: TenantPlan, options: Partial<RunOptions> = {}): Promise<RunResult> {
  return runRules({ history, plan, meters: "*", from: T0, to: T0 + 30 * DAY_MS, ...options });
}

/** Hours after the beginning, or null. */
const hour = (ts: number | null) => (ts === null ? null : (ts - T0) / HOUR_MS);
const short = ({ incidents }: { incidents: readonly TriedIncident[] }) =>
  incidents.map(({ ts, resolved, meter, value }) => [meter, hour(ts), hour(resolved), value]);

/** One value an hour, from some hour on. */
const hourly = (values: readonly number[], first = 0) => values.map((value, i) => [T0 + (first + i) * HOUR_MS, value] as const);

test("a rule over what is stored raises the incidents that it would have raised, with the ids that it would have given", async () => {
  const history = new FakeHistory().put("m1", hourly([1, 11, 12, 3, 4, 20])).put("m2", hourly([30, 2]));
  const result = await run(history, planOf([rule({})]));
  assert.deepEqual(short(result), [
    ["m2", 0, 1, 30],
    ["m1", 1, 3, 11],
    ["m1", 5, null, 20],
  ]);
  assert.deepEqual([result.meters, result.readings, result.refused], [2, 8, 0]);
  const hash = createHash("sha256")
    .update(`acme\0m1\0r\0${T0 + HOUR_MS}`)
    .digest();
  const half = (at: number) => hash.readUInt32LE(at).toString(16).padStart(8, "0");
  assert.equal(result.incidents[1]!.incident, half(4) + half(0));
  assert.deepEqual(result.incidents[1]!.transitions, [
    { ts: T0 + HOUR_MS, state: "firing", severity: "warning", value: 11, threshold: 10 },
    { ts: T0 + 3 * HOUR_MS, state: "resolved", severity: "warning", value: 3, threshold: 10 },
  ]);
});

test("only meters that a rule looks at are read", async () => {
  const history = new FakeHistory().put("m1", hourly([11])).put("other", hourly([11]));
  const few = await run(history, planOf([rule({ meters: "m*" })]), { meters: "*1" });
  assert.deepEqual([few.meters, short(few)], [1, [["m1", 0, null, 11]]]);
  assert.deepEqual(short(await run(history, planOf([rule({ meters: "m*" })]), { meters: "o*" })), []);
});

test("pages of any length end in the same incidents", async () => {
  const values = Array.from({ length: 200 }, (_, i) => (i * 7919) % 23);
  const history = new FakeHistory().put("m", hourly(values, -60));
  const plan = planOf([rule({ forMs: 2 * HOUR_MS, threshold: 8 }), rule({ id: "s", threshold: 15, keepFiringMs: HOUR_MS })]);
  const whole = await run(history, plan);
  assert.ok(whole.incidents.length > 10);
  for (const pageRows of [1, 2, 7, 199, 200, 201]) assert.deepEqual(await run(history, plan, { pageRows }), whole);
});

test("what came before the range decides how it begins, and is not counted", async () => {
  const history = new FakeHistory().put("m", hourly([1, 11, 12, 13, 2, 15], -3));
  const result = await run(history, planOf([rule({ forMs: HOUR_MS })]));
  assert.deepEqual(short(result), [
    ["m", -1, 1, 12],
    // Nothing comes any more, and time goes by.
    ["m", 3, null, 15],
  ]);
  assert.deepEqual(
    result.incidents.map(({ before }) => before),
    [true, false],
  );
  assert.equal(result.readings, 3);
  assert.deepEqual(short(await run(history, planOf([rule({})]), { from: T0 + 2 * HOUR_MS })), [["m", 2, null, 15]]);
});

test("what comes behind the range settles its last reading and opens nothing", async () => {
  const register = new FakeHistory().put("m", hourly([100, 101, 121, 122, 150]));
  const plan = planOf([rule({ on: "delta" })], {});
  assert.deepEqual(short(await run(register, plan, { to: T0 + 3 * HOUR_MS })), [["m", 2, null, 20]]);
  assert.deepEqual(short(await run(register, plan)), [["m", 2, 3, 20]], "nothing has settled the reading of the fourth hour");
});

test("a day's sum begins with its day, though the range begins later", async () => {
  const values = Array.from({ length: 30 }, (_, i) => 100 + i);
  const history = new FakeHistory().put("m", hourly(values, -1));
  const result = await run(history, planOf([rule({ on: "day", threshold: 15 })], { maxRate: 100 }), { from: T0 + 12 * HOUR_MS });
  assert.deepEqual(short(result), [["m", 16, 25, 16]]);
});

test("where few readings come the range begins as it would have begun after all that came before", async () => {
  const days = (...readings: [number, number][]) => readings.map(([at, value]) => [T0 + at * DAY_MS, value] as const);
  const energy = planOf([rule({ on: "delta" })], { maxRate: 1000 });
  const sum = planOf([rule({ on: "day" })], { maxRate: 1000 });
  const both = async (plan: TenantPlan, readings: readonly (readonly [number, number])[], from = T0) => {
    const history = new FakeHistory().put("m", readings);
    const whole = await run(history, plan, { from: T0 - 100 * DAY_MS });
    const short = await run(history, plan, { from });
    const found = (result: RunResult) =>
      result.incidents
        .filter(({ resolved }) => resolved === null || resolved >= from)
        .map(({ ts, resolved, value, transitions }) => ({ ts, resolved, value, transitions }));
    assert.deepEqual(found(short), found(whole));
    return short.incidents.length;
  };
  // One within what is read before the range, none within it.
  assert.equal(await both(energy, days([-6, 100], [-1, 200], [2, 201])), 1);
  assert.equal(await both(energy, days([-40, 100], [-11, 200], [2, 201])), 1);
  // A day's sum whose beginning a reading long before it decides.
  assert.equal(await both(sum, days([-4, 100], [0.4, 200], [0.55, 200.5], [0.8, 201]), T0 + DAY_MS / 2), 1);
  // One more in the same day.
  assert.equal(await both(sum, days([-4, 100], [-2.5, 175], [-2.3, 176], [0.5, 177]), T0 - 1.5 * DAY_MS), 1);
});

test("a rule that changes with each reading of a long range is run to its end", async () => {
  const count = 260_000;
  const swing = Array.from({ length: count }, (_, i) => [T0 + i * 1000, i % 2 === 0 ? 11 : 9] as const);
  const plan = planOf([rule({})]);
  const result = await run(new FakeHistory().put("m", swing), plan);
  const [report] = JSON.parse(rulesJson([{ plan, from: T0, to: T0 + 30 * DAY_MS, ...result }])) as [{ rules: unknown }];
  assert.deepEqual(report.rules, [{ id: "r", incidents: count / 2, meters: 1, firing: 0, longestMs: 1000 }]);
  assert.equal(table(result.incidents.map(({ meter }) => [meter, ""])).length, count / 2);
});

test("a declared exchange takes its place among the readings", async () => {
  const history = new FakeHistory().put("m", hourly([100, 101, 2, 3, 4]));
  const little = planOf([rule({ on: "delta", threshold: 0.5, op: "<=" })], { maxRate: 10 });
  assert.deepEqual(short(await run(history, little)), []);
  history.declare("m", { ts: T0 + HOUR_MS + 30 * MINUTE_MS, final: 101.25, start: 1.75, rev: 0 });
  // 0.25 up to the exchange and 0.25 from it on.
  assert.deepEqual(short(await run(history, little)), [["m", 2, 3, 0.5]]);
  assert.deepEqual(short(await run(history, little, { pageRows: 2 })), [["m", 2, 3, 0.5]]);
});

test("an incident climbs and falls through its levels", async () => {
  const levels = [
    { severity: "info", threshold: 10 },
    { severity: "critical", threshold: 20 },
  ] as const;
  const history = new FakeHistory().put("m", hourly([11, 25, 26, 15, 3]));
  const { incidents } = await run(history, planOf([rule({ levels, severity: "info" })]));
  assert.deepEqual(
    incidents.map(({ worst, transitions }) => [worst, transitions.map(({ ts, severity, state }) => [hour(ts), severity, state])]),
    [
      [
        "critical",
        [
          [0, "info", "firing"],
          [1, "critical", "firing"],
          [3, "info", "firing"],
          [4, "info", "resolved"],
        ],
      ],
    ],
  );
});

test("what time alone decides is decided at its instant, between readings and behind the last one", async () => {
  const nights = { days: [1, 2, 3, 4, 5, 6, 7], fromMinute: 22 * 60, toMinute: 6 * 60 };
  const history = new FakeHistory().put("m", hourly([12, 3, 12, 12, 12], 22).concat(hourly([2], 60)));
  const lasting = rule({ forMs: 90 * MINUTE_MS });
  const kept = rule({ id: "kept", keepFiringMs: 90 * MINUTE_MS });
  const night = rule({ id: "night", schedule: nights });
  const byRule = async (one: Rule) => short(await run(history, planOf([one])));
  assert.deepEqual(await byRule(lasting), [["m", 25.5, 60, 12]]);
  assert.deepEqual(await byRule(kept), [["m", 22, 61.5, 12]]);
  assert.deepEqual(await byRule(night), [
    ["m", 22, 23, 12],
    ["m", 24, 30, 12],
  ]);
});

test("a night ends once, though its last reading counts only when the next has come", async () => {
  const schedule = { days: [1, 2, 3, 4, 5, 6, 7], fromMinute: 22 * 60, toMinute: 6 * 60 };
  const history = new FakeHistory().put("m", hourly(Array.from({ length: 72 }, (_, i) => 100 + i)));
  const nights = rule({ on: "rate", threshold: 0.5, schedule });
  for (const maxRate of [null, 10]) {
    assert.deepEqual(
      short(await run(history, planOf([nights], { maxRate }))),
      [
        ["m", 1, 6, 1],
        ["m", 23, 30, 1],
        ["m", 47, 54, 1],
        ["m", 71, maxRate === null ? null : 78, 1],
      ].filter(([, opened]) => opened !== 71 || maxRate !== null),
    );
  }
});

test("intervals labelled by their start count, and arrive, at their end", async () => {
  const schedule = { days: [1, 2, 3, 4, 5, 6, 7], fromMinute: 22 * 60, toMinute: 6 * 60 };
  const nights = rule({ on: "delta", schedule });
  const lasting = rule({ id: "lasting", on: "delta", threshold: 20, forMs: 10 * MINUTE_MS });
  const silent = rule({ id: "silent", on: "nodata", threshold: null, forMs: 90 * MINUTE_MS });
  const amounts = Array.from({ length: 36 }, (_, i) => (i === 3 ? 30 : 11));
  const raised = async (label: "start" | "end") => {
    const history = new FakeHistory().put("m", hourly(amounts, label === "start" ? 0 : 1));
    return run(history, planOf([nights, lasting, silent], { kind: "interval", label }), { to: T0 + 40 * HOUR_MS });
  };
  const byEnd = await raised("end");
  assert.deepEqual(short(byEnd), [
    ["m", 1, 6, 11],
    ["m", 4 + 1 / 6, 5, 30],
    ["m", 23, 30, 11],
    ["m", 37.5, null, null],
  ]);
  assert.deepEqual((await raised("start")).incidents, byEnd.incidents);
});

test("missing data is missed from the last reading on, however long before the range that was", async () => {
  const silent = rule({ on: "nodata", threshold: null, forMs: 5 * HOUR_MS });
  const history = new FakeHistory().put("gap", hourly([1, 1], -2).concat(hourly([1, 1, 1], 8), hourly([1], 15)));
  history.put("long gone", [[T0 - 700 * DAY_MS, 1]]).put(
    "steady",
    hourly(
      Array.from({ length: 48 }, () => 1),
      -24,
    ),
  );
  const result = await run(history, planOf([silent]), { to: T0 + DAY_MS });
  assert.deepEqual(short(result), [
    ["long gone", -700 * 24 + 5, null, null],
    ["gap", 4, 8, null],
    ["gap", 20, null, null],
  ]);
  const named = planOf([silent]);
  const meters = [{ match: "never seen", settings: named.meters[0]!.settings }, ...named.meters];
  const withNamed = await run(new FakeHistory(), { ...named, meters }, { to: T0 + DAY_MS });
  assert.deepEqual(short(withNamed), [["never seen", 5, null, null]]);
});

test("a flag fires at its reading, that of two values for one instant too", async () => {
  const glitch = rule({ id: "reset", on: "flag", flag: "RESET", threshold: null });
  const conflict = rule({ id: "conflict", on: "flag", flag: "CONFLICT", threshold: null });
  const readings = hourly([100, 101, 3, 4, 5]).map(([ts, value], i) => [ts, value, i === 3 ? Flag.CONFLICT : 0] as const);
  const result = await run(new FakeHistory().put("m", readings), planOf([glitch, conflict], { maxRate: 10 }));
  assert.deepEqual(
    result.incidents.map(({ rule: id, ts, resolved }) => [id, hour(ts), hour(resolved)]),
    [
      ["reset", 2, 3],
      ["conflict", 3, null],
    ],
  );
});

test("records that the present settings refuse are left out and counted", async () => {
  const history = new FakeHistory().put("m", [...hourly([11]), [T0 + HOUR_MS, 1e15], ...hourly([12], 2)]);
  const result = await run(history, planOf([rule({})], { kind: "gauge", decimals: 9 }));
  assert.deepEqual([result.refused, short(result)], [1, [["m", 0, null, 11]]]);
});

test("a fault of the store ends the run with its words, and the thread with it", async () => {
  const history = new FakeHistory().put("m", hourly([1]));
  history.readings = () => Promise.reject(new Error("away"));
  await assert.rejects(run(history, planOf([rule({})])), /away/);
});
