import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { calendarFor } from "../../engine/base/calendar.js";
import { Flag } from "../../engine/base/flags.js";
import type { MeterSettings, Rule } from "../../engine/base/settings.js";
import type { AlertBook } from "../../workers/state/alerts.js";
import { alertsPlainly, type Told } from "./plainly.js";
import { Harness, rule, settings, type Transition } from "./reading-along.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const ZONE = "Europe/Madrid";
/** A day before the clocks go forward, a day before they go back, and a plain week. */
const BEGINNINGS = [Date.UTC(2026, 2, 28), Date.UTC(2026, 9, 24), Date.UTC(2026, 5, 1)];

const amount = fc.constantFrom(0, 1, 2, 3, 4, 5, 6);
const maybe = fc.oneof({ weight: 9, arbitrary: amount }, { weight: 1, arbitrary: fc.constant(Number.NaN) });

const schedules = fc.option(
  fc.record({
    days: fc.subarray([1, 2, 3, 4, 5, 6, 7], { minLength: 1 }),
    fromMinute: fc.nat(47).map((half) => half * 30),
    toMinute: fc.nat(48).map((half) => half * 30),
  }),
  { nil: null },
);

const rules: fc.Arbitrary<Rule> = fc
  .record({
    on: fc.constantFrom<Rule["on"][]>("value", "delta", "rate", "quarter", "hour", "day"),
    op: fc.constantFrom<Rule["op"][]>(">", ">=", "<", "<="),
    threshold: fc.constantFrom(2, 3, 4),
    band: fc.option(fc.constantFrom(0, 1, 2), { nil: null }),
    forMs: fc.constantFrom(0, 0, 10 * MINUTE, HOUR, 5 * HOUR),
    keepFiringMs: fc.constantFrom(0, 0, 30 * MINUTE, 3 * HOUR),
    schedule: schedules,
  })
  .map(({ band, ...fields }) =>
    rule({ ...fields, clear: band === null ? null : fields.threshold + (fields.op.startsWith(">") ? -band : band) }),
  );

interface Step {
  afterMs: number;
  value: number;
  delta: number;
  flags: number;
  spike: boolean;
  sums: number[];
  energies: number[];
}

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    afterMs: fc.constantFrom(30_000, 7 * MINUTE, 15 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 5 * HOUR, 26 * HOUR),
    value: amount,
    delta: maybe,
    flags: fc.constantFrom(0, 0, 0, Flag.RESET, Flag.EXCHANGE, Flag.BACKWARD),
    spike: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
    sums: fc.array(maybe, { minLength: 3, maxLength: 3 }),
    energies: fc.array(maybe, { minLength: 5, maxLength: 5 }),
  }),
  { minLength: 1, maxLength: 60 },
);

const meterKinds = fc.constantFrom<Partial<MeterSettings>[]>(
  { kind: "counter" },
  { kind: "counter", maxRate: 50 },
  { kind: "power" },
  { kind: "interval", interval: HOUR, label: "start" },
);

/** Puts the steps on the clock; every period that ends between two readings gets a row, and a spike's rows are rewritten by what comes next. */
function storyOf(startMs: number, list: readonly Step[], { kind }: MeterSettings): Told[] {
  const calendar = calendarFor(ZONE);
  // What is labelled by its start counts at its end.
  const countsMs = kind === "interval" ? HOUR : 0;
  let at = startMs;
  let again: Told["periods"] = [];
  return list.map(({ afterMs, value, delta, flags, spike, sums, energies }) => {
    const before = at;
    at += afterMs;
    const ts = at - countsMs;
    const periods: Told["periods"] = again.map((row, index) => ({ ...row, energy: energies[index % 5]! }));
    for (let period = 0; period < 3; period++) {
      for (let start = calendar.start(period, before); calendar.end(period, start) <= at; start = calendar.end(period, start)) {
        const end = calendar.end(period, start);
        if (end > before) periods.push({ period, start, end, energy: energies[(period + periods.length) % 5]! });
      }
    }
    again = spike ? periods : [];
    return { ts, at, value, delta, spanMs: afterMs, flags, spike, quarter: sums[0]!, hour: sums[1]!, day: sums[2]!, periods };
  });
}

function openWith(list: readonly Rule[], meters: readonly MeterSettings[]) {
  return (book: AlertBook) => {
    book.setRules(0, "acme", list);
    meters.forEach((meter, number) => {
      book.open(number, 0, `m${number}`, meter);
    });
  };
}

function feed(harness: Harness, meter: number, story: readonly Told[], index: number): Transition[] {
  const { periods, spike: _, ...seen } = story[index]!;
  for (const { period, start, energy } of periods) harness.book.period(meter, period, start, energy);
  return harness.live(meter, { ...seen, previousFlags: story[index - 1]?.spike ? Flag.SPIKE : 0 });
}

function expected(list: readonly Rule[], meters: readonly MeterSettings[], stories: readonly Told[][]): Transition[][] {
  return meters.flatMap((meterSettings, meter) =>
    list.map((one) =>
      alertsPlainly(one, meterSettings, stories[meter]!).map(({ ts, state, value, began }) => {
        const hash = createHash("sha256").update(`acme\0m${meter}\0${one.id}\0${began}`).digest();
        const incident = hash.readBigUInt64LE(0).toString(16).padStart(16, "0");
        return {
          meter,
          ts,
          value,
          threshold: one.threshold ?? Number.NaN,
          rule: one.id,
          state,
          severity: one.severity,
          incident,
        };
      }),
    ),
  );
}

const byRule = (transitions: readonly Transition[], list: readonly Rule[], meters: readonly MeterSettings[]) =>
  meters.flatMap((_, meter) => list.map(({ id }) => transitions.filter((found) => found.meter === meter && found.rule === id)));

const scenes = fc.record({
  list: fc.array(rules, { minLength: 1, maxLength: 4 }).map((list) => list.map((one, index) => ({ ...one, id: `r${index}` }))),
  kinds: fc.array(meterKinds, { minLength: 1, maxLength: 3 }),
  start: fc.constantFrom(...BEGINNINGS),
  moves: fc.array(steps, { minLength: 3, maxLength: 3 }),
});

function prepare({
  list,
  kinds,
  start,
  moves,
}: {
  list: Rule[];
  kinds: Partial<MeterSettings>[];
  start: number;
  moves: Step[][];
}) {
  const meters = kinds.map((fields) => settings({ ...fields, timezone: ZONE }));
  const stories = meters.map((each, meter) => storyOf(start, moves[meter]!, each));
  const turns = stories
    .flatMap((story, meter) => story.map(({ ts }, index) => ({ ts, meter, index })))
    .sort((a, b) => a.ts - b.ts);
  return { list, meters, stories, turns };
}

test("every rule on every meter goes as if it were alone and all were known beforehand", () => {
  let seen = 0;
  fc.assert(
    fc.property(scenes, (scene) => {
      const { list, meters, stories, turns } = prepare(scene);
      const harness = new Harness();
      openWith(list, meters)(harness.book);
      const found = turns.flatMap(({ meter, index }) => feed(harness, meter, stories[meter]!, index));
      assert.deepEqual(byRule(found, list, meters), expected(list, meters, stories));
      assert.equal(harness.book.transitions, found.length);
      seen += found.length;
    }),
    { numRuns: 600 },
  );
  assert.ok(seen > 2000, `only ${seen} transitions were compared`);
});

test("a restart anywhere, and rules that come and go beside them, change nothing", () => {
  const visitor = rule({ id: "visitor", on: "hour", forMs: HOUR });
  fc.assert(
    fc.property(scenes, fc.array(fc.nat(150), { maxLength: 6 }), (scene, breaks) => {
      const { list, meters, stories, turns } = prepare(scene);
      const harness = new Harness();
      openWith(list, meters)(harness.book);
      const found = turns.flatMap(({ meter, index }, turn) => {
        if (breaks.includes(turn)) harness.restart(openWith(list, meters));
        if (breaks.includes(turn + 1)) harness.book.setRules(0, "acme", [visitor, ...list].reverse());
        if (breaks.includes(turn + 2)) harness.book.setRules(0, "acme", list);
        return feed(harness, meter, stories[meter]!, index);
      });
      assert.deepEqual(byRule(found, list, meters), expected(list, meters, stories));
    }),
    { numRuns: 400 },
  );
});
