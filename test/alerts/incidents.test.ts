import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { EntryWriter } from "../../engine/base/entries.js";
import { Flag } from "../../engine/base/flags.js";
import type { MeterSettings, Rule } from "../../engine/base/settings.js";
import type { AlertBook } from "../../workers/state/alerts.js";
import { Harness, rule, settings, type Transition } from "./reading-along.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const T0 = Date.UTC(2026, 0, 5); // a Monday
const DELTA_PER_HOUR = { spanMs: HOUR };

function harness(rules: Rule[], meterSettings: MeterSettings = settings({ kind: "gauge" }), id = "m1"): Harness {
  const made = new Harness();
  made.book.setRules(0, "acme", rules);
  made.book.open(0, 0, id, meterSettings);
  return made;
}

const short = (transitions: Transition[]) => transitions.map(({ ts, state, value }) => [(ts - T0) / MINUTE, state, value]);

/** Feeds values one a step and returns the transitions in short. */
function values(made: Harness, series: number[], stepMs = 5 * MINUTE) {
  return series.flatMap((value, index) => short(made.live(0, { ts: T0 + index * stepMs, value })));
}

test("a level fires at once and resolves at once, with all its columns", () => {
  const made = harness([rule({ id: "hot", threshold: 30, severity: "critical" })]);
  assert.deepEqual(made.live(0, { ts: T0, value: 30 }), []);
  const incident = createHash("sha256")
    .update(`acme\0m1\0hot\0${T0 + MINUTE}`)
    .digest()
    .readBigUInt64LE(0)
    .toString(16)
    .padStart(16, "0");
  const common = { meter: 0, rule: "hot", threshold: 30, severity: "critical", incident };
  assert.deepEqual(made.live(0, { ts: T0 + MINUTE, value: 30.001 }), [
    { ...common, ts: T0 + MINUTE, state: "firing", value: 30.001 },
  ]);
  assert.deepEqual(made.live(0, { ts: T0 + 2 * MINUTE, value: 31 }), []);
  assert.deepEqual(made.live(0, { ts: T0 + 3 * MINUTE, value: 29 }), [
    { ...common, ts: T0 + 3 * MINUTE, state: "resolved", value: 29 },
  ]);
  assert.equal(made.book.transitions, 2);
});

test("each op is what it says", () => {
  const fired = (op: Rule["op"]) =>
    [9, 10, 11].map((value) => harness([rule({ op, threshold: 10 })]).live(0, { ts: T0, value }).length === 1);
  assert.deepEqual(fired(">"), [false, false, true]);
  assert.deepEqual(fired(">="), [false, true, true]);
  assert.deepEqual(fired("<"), [true, false, false]);
  assert.deepEqual(fired("<="), [true, true, false]);
});

test("between threshold and clear nothing changes", () => {
  const made = harness([rule({ threshold: 40, clear: 30 })]);
  assert.deepEqual(values(made, [35, 41, 35, 31, 30, 35, 41]), [
    [5, "firing", 41],
    [20, "resolved", 30],
    [30, "firing", 41],
  ]);
  const least = harness([rule({ op: "<=", threshold: 2, clear: 5 })]);
  assert.deepEqual(values(least, [3, 2, 3, 5, 5.001, 3]), [
    [5, "firing", 2],
    [20, "resolved", 5.001],
  ]);
});

test("a condition that does not last goes silently, one that lasts belongs to its beginning", () => {
  const made = harness([rule({ forMs: 10 * MINUTE })]);
  assert.deepEqual(values(made, [11, 11, 9, 11, 11]), []);
  const [fired] = made.live(0, { ts: T0 + 25 * MINUTE, value: 12 });
  const id = createHash("sha256")
    .update(`acme\0m1\0r\0${T0 + 15 * MINUTE}`)
    .digest();
  assert.equal(fired!.incident, id.readBigUInt64LE(0).toString(16).padStart(16, "0"));
  assert.equal(fired!.ts, T0 + 25 * MINUTE);
});

test("between threshold and clear a pending condition keeps waiting, and only a true reading makes it fire", () => {
  const made = harness([rule({ threshold: 40, clear: 30, forMs: 10 * MINUTE })]);
  assert.deepEqual(values(made, [41, 35, 35, 35, 41]), [[20, "firing", 41]]);
});

test("what comes back while it is kept firing is the same incident", () => {
  const made = harness([rule({ keepFiringMs: 10 * MINUTE })]);
  assert.deepEqual(values(made, [11, 9, 11, 9, 9, 9]), [
    [0, "firing", 11],
    [25, "resolved", 9],
  ]);
});

test("thresholds are in real units: the multiplier counts, and exactly", () => {
  const made = harness([rule({ threshold: 0.3 })], settings({ kind: "gauge", decimals: 1, multiplier: 3 }));
  assert.deepEqual(values(made, [0.1, 0.2]), [[5, "firing", 0.6]]);
  const fine = harness([rule({ threshold: 1.005 })], settings({ kind: "gauge", decimals: 0, multiplier: 0.0335 }));
  assert.deepEqual(values(fine, [30, 31]), [[5, "firing", 1.0385]]);
});

test("only the meters that a rule names are watched", () => {
  const made = harness([rule({ meters: "main-*" })], settings({ kind: "gauge" }), "main-1");
  made.book.open(1, 0, "sub-1", settings({ kind: "gauge" }));
  made.book.open(2, 7, "main-1", settings({ kind: "gauge" }));
  assert.deepEqual(
    [0, 1, 2].map((meter) => made.book.watches(meter)),
    [true, false, false],
  );
  assert.equal(made.live(0, { ts: T0, value: 99 }).length, 1);
  assert.deepEqual(made.live(1, { ts: T0, value: 99 }), []);
});

test("a rate is per hour, over at least a minute", () => {
  const made = harness([rule({ on: "rate", threshold: 40 })], settings({ maxRate: 1000 }));
  const rate = (minute: number, delta: number, spanMs: number) =>
    short(made.live(0, { ts: T0 + minute * MINUTE, delta, spanMs }));
  assert.deepEqual(rate(0, Number.NaN, Number.NaN), []);
  assert.deepEqual(rate(15, 10, 15 * MINUTE), []);
  assert.deepEqual(rate(30, 10.5, 15 * MINUTE), [[30, "firing", 42]]);
  assert.deepEqual(rate(30.5, 0.5, MINUTE / 2), [[30.5, "resolved", 30]]);
});

test("without maxRate a counter's delta counts when the next reading has come, with its own time", () => {
  const made = harness([rule({ on: "delta", threshold: 5 })], settings());
  const live = (minute: number, delta: number, previousFlags = 0) =>
    short(made.live(0, { ts: T0 + minute * MINUTE, delta, previousFlags, ...DELTA_PER_HOUR }));
  assert.deepEqual(live(0, Number.NaN), []);
  assert.deepEqual(live(15, 9), []);
  assert.deepEqual(live(30, 1), [[15, "firing", 9]]);
  assert.deepEqual(live(45, 8), [[30, "resolved", 1]]);
  assert.deepEqual(live(60, 9, Flag.SPIKE), [], "the reading at 45 was a spike: it had no delta");
  assert.deepEqual(live(75, 0), [[60, "firing", 9]]);
});

test("with maxRate only what follows a reset or an exchange waits", () => {
  const made = harness([rule({ on: "delta", threshold: 5 })], settings({ maxRate: 100 }));
  const live = (minute: number, delta: number, flags = 0, previousFlags = 0) =>
    short(made.live(0, { ts: T0 + minute * MINUTE, delta, flags, previousFlags, ...DELTA_PER_HOUR }));
  assert.deepEqual(live(0, 6), [[0, "firing", 6]]);
  assert.deepEqual(live(15, 1), [[15, "resolved", 1]]);
  assert.deepEqual(live(30, 50, Flag.RESET), []);
  assert.deepEqual(live(45, 1, 0, Flag.RESET), [
    [30, "firing", 50],
    [45, "resolved", 1],
  ]);
  assert.deepEqual(live(60, 60, Flag.EXCHANGE), []);
  assert.deepEqual(live(75, 2, 0, Flag.SPIKE), []);
});

test("a correction of the newest reading takes the place of the one that waited", () => {
  const made = harness([rule({ on: "delta", threshold: 5 })], settings());
  const live = (minute: number, delta: number) => short(made.live(0, { ts: T0 + minute * MINUTE, delta, ...DELTA_PER_HOUR }));
  assert.deepEqual([...live(0, 1), ...live(15, 9), ...live(15, 2), ...live(30, 1), ...live(45, 1)], []);
});

test("an unknown delta says nothing: what fires goes on", () => {
  const made = harness([rule({ on: "delta", threshold: 5 })], settings({ kind: "power" }));
  const live = (minute: number, delta: number) => short(made.live(0, { ts: T0 + minute * MINUTE, delta, ...DELTA_PER_HOUR }));
  assert.deepEqual(
    [...live(0, 9), ...live(15, Number.NaN), ...live(30, 9), ...live(45, 0)],
    [
      [0, "firing", 9],
      [45, "resolved", 0],
    ],
  );
});

test("an hour's energy fires as soon as the running sum passes it, and ends with the hour", () => {
  const made = harness([rule({ on: "hour", threshold: 10 })], settings({ maxRate: 100 }));
  const live = (minute: number, hour: number) => short(made.live(0, { ts: T0 + minute * MINUTE, hour }));
  assert.deepEqual([...live(30, 8), ...live(45, 12)], [[45, "firing", 12]]);
  made.book.period(0, 1, T0, 16);
  assert.deepEqual(live(60, 16), []);
  assert.deepEqual(live(75, 3), [[75, "resolved", 3]]);
});

test("an hour that passed unseen is judged when it has closed, at its end", () => {
  const made = harness([rule({ on: "hour", threshold: 10 })], settings({ maxRate: 100 }));
  for (const [hour, energy] of [5, 11, 12, 4].entries()) made.book.period(0, 1, T0 + hour * HOUR, energy);
  assert.deepEqual(short(made.live(0, { ts: T0 + 250 * MINUTE, hour: 1 })), [
    [120, "firing", 11],
    [240, "resolved", 4],
  ]);
});

test("too little energy is judged when the period has closed, never by a running sum", () => {
  const made = harness([rule({ on: "day", op: "<", threshold: 5 })], settings({ maxRate: 100, timezone: "Europe/Madrid" }));
  const midnight = T0 - HOUR;
  assert.deepEqual(made.live(0, { ts: T0, day: 0 }), []);
  made.book.period(0, 2, midnight, 4.5);
  assert.deepEqual(short(made.live(0, { ts: midnight + 24 * HOUR + 5 * MINUTE, day: 9 })), [[23 * 60, "firing", 4.5]]);
  made.book.period(0, 2, midnight + 24 * HOUR, 5);
  assert.deepEqual(short(made.live(0, { ts: midnight + 48 * HOUR, day: 0 })), [[47 * 60, "resolved", 5]]);
});

test("a period is judged once, with what it holds once its reading is settled", () => {
  const made = harness([rule({ on: "hour", op: "<", threshold: 5 })], settings());
  made.book.period(0, 1, T0, 2);
  assert.deepEqual(made.live(0, { ts: T0 + HOUR }), [], "the reading that closed it may still be a spike");
  made.book.period(0, 1, T0, 7);
  assert.deepEqual(made.live(0, { ts: T0 + 61 * MINUTE, previousFlags: Flag.SPIKE }), [], "it was");
  made.book.period(0, 1, T0, 8);
  assert.deepEqual(made.live(0, { ts: T0 + 62 * MINUTE }), []);
  made.book.period(0, 1, T0, 1);
  assert.deepEqual(made.live(0, { ts: T0 + 63 * MINUTE }), [], "a rewritten row does not judge it again");
});

test("rows of consumption are found among the entries of a unit", () => {
  const made = harness([rule({ on: "quarter", threshold: 10 })], settings({ maxRate: 100 }));
  const out = new EntryWriter(512);
  out.period(9, 0, T0, 99, Number.NaN, Number.NaN, 1, 1, 0);
  out.reading(2, 0, T0, 1, 1, 0, 0);
  out.period(0, 1, T0, 99, Number.NaN, Number.NaN, 1, 1, 0);
  out.period(0, 0, T0, 11, Number.NaN, Number.NaN, 1, 1, 0);
  assert.equal(made.book.watchesPeriods(0), true);
  made.book.periodsIn(0, out.bytes());
  assert.deepEqual(short(made.live(0, { ts: T0 + 16 * MINUTE, quarter: 0 })), [
    [15, "firing", 11],
    [16, "resolved", 0],
  ]);
});

test("judge asks its source for the reading and, where rules need them, for the rows", () => {
  const made = harness([rule({ on: "hour", threshold: 10 })], settings({ maxRate: 100 }));
  const out = new EntryWriter(512);
  const asked: string[] = [];
  const source = {
    observe: (meter: number, into: { ts: number; at: number; hour: number }) => {
      asked.push(`observe ${meter}`);
      into.ts = into.at = T0 + 90 * MINUTE;
      into.hour = 2;
    },
    reportPeriods: (meter: number, book: Pick<AlertBook, "period">) => {
      asked.push(`periods ${meter}`);
      book.period(meter, 1, T0, 11);
    },
  };
  made.book.judge(0, source, out, () => 0);
  assert.deepEqual(asked, ["periods 0", "observe 0"]);
  assert.equal(made.book.transitions, 2);
});

test("a schedule over midnight belongs to the day on which it begins; energy to the time before its reading", () => {
  const nights = { days: [5], fromMinute: 22 * 60, toMinute: 6 * 60 };
  const friday = T0 + 4 * 24 * HOUR;
  const at = (on: Rule["on"], hour: number) =>
    harness([rule({ on, threshold: 1, schedule: nights })], settings({ kind: "power" })).live(0, {
      ts: friday + hour * HOUR,
      value: 2,
      delta: 2,
      ...DELTA_PER_HOUR,
    }).length;
  const hours = [-1, 5, 21, 22, 23, 24, 29, 30, 31, 46];
  assert.deepEqual(
    hours.map((hour) => at("value", hour)),
    [0, 0, 0, 1, 1, 1, 1, 0, 0, 0],
  );
  assert.deepEqual(
    hours.map((hour) => at("delta", hour)),
    [0, 0, 0, 0, 1, 1, 1, 1, 0, 0],
  );
});

test("leaving the schedule clears, between threshold and clear too and with nothing known, at the instant at which it ends", () => {
  const schedule = { days: [1, 2, 3, 4, 5, 6, 7], fromMinute: 0, toMinute: 10 };
  assert.deepEqual(values(harness([rule({ threshold: 40, clear: 30, schedule })]), [41, 35, 35]), [
    [0, "firing", 41],
    [10, "resolved", 35],
  ]);
  const made = harness([rule({ on: "delta", threshold: 1, schedule })], settings({ kind: "power" }));
  assert.equal(made.live(0, { ts: T0 + 5 * MINUTE, delta: 2 }).length, 1);
  assert.deepEqual(short(made.live(0, { ts: T0 + 15 * MINUTE })), [[10, "resolved", 2]]);
});
