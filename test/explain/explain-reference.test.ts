import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { flagNames } from "../../engine/base/flags.js";
import { reference } from "../reference/reference.js";
import { aSeries, type Series } from "../support/series-generator.js";
import { periodOf, readingOf, recordsOf } from "./figures.js";
import { recomputedDelta, recomputedPeriod } from "./recompute.js";

/** Rows of one series that are explained: each costs a run over all of it. */
const MOST_PERIODS = 60;

/** -0 and 0 are the same amount, in JSON too. */
function plain<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

const seenCases = new Set<string>();

function addsUp({ settings, inputs }: Series): void {
  const records = recordsOf(settings, inputs);
  const rows = reference(settings, inputs);
  for (const { ts, value, delta, flags, rev } of rows.readings) {
    const explained = readingOf(settings, records, ts);
    assert.ok(explained !== null, `no reading at ${ts}`);
    seenCases.add(`${settings.kind} ${explained.rule.case}`);
    assert.deepEqual(explained.figure, plain({ ts: new Date(ts).toISOString(), value, delta, flags: flagNames(flags), rev }));
    assert.deepEqual(plain(recomputedDelta(explained)), plain(delta), explained.rule.text);
    assert.deepEqual(
      explained.flags.map(({ flag }) => flag),
      flagNames(flags),
    );
    assert.ok(explained.flags.every(({ why }) => why !== ""));
    assert.doesNotMatch(JSON.stringify(explained), /NaN|Infinity|undefined/);
  }
  const step = Math.ceil(rows.consumption.length / MOST_PERIODS);
  for (const { ts, period, flags, ...row } of rows.consumption.filter((_, i) => i % step === 0)) {
    const explained = periodOf(settings, records, period, ts);
    assert.ok(explained !== null, `no ${period} at ${ts}`);
    const figure = plain({ ...row, flags: flagNames(flags) });
    assert.deepEqual(explained.figure, figure, `${period} ${ts}`);
    assert.deepEqual(plain(recomputedPeriod(explained)), figure, `${period} ${ts} recomputed`);
    assert.equal(explained.running, false);
    assert.deepEqual(
      explained.flags.map(({ flag }) => flag),
      figure.flags,
    );
    assert.ok(explained.flags.every(({ why }) => why !== ""));
    assert.doesNotMatch(JSON.stringify(explained), /NaN|Infinity|undefined/);
  }
}

/** As `addsUp`, what is explained alone: what lies on the other side of a change is counted by other settings. */
function isExplained({ timeline, inputs }: Series): void {
  const records = recordsOf(timeline, inputs);
  const rows = reference(timeline, inputs);
  for (const { ts, value, delta, flags, rev } of rows.readings) {
    const explained = readingOf(timeline, records, ts);
    assert.deepEqual(explained?.figure, plain({ ts: new Date(ts).toISOString(), value, delta, flags: flagNames(flags), rev }));
    assert.ok(explained?.flags.every(({ why }) => why !== ""));
    assert.doesNotMatch(JSON.stringify(explained), /NaN|Infinity|undefined/);
  }
  const step = Math.ceil(rows.consumption.length / MOST_PERIODS);
  for (const { ts, period, flags, ...row } of rows.consumption.filter((_, i) => i % step === 0)) {
    const explained = periodOf(timeline, records, period, ts);
    assert.deepEqual(explained?.figure, plain({ ...row, flags: flagNames(flags) }), `${period} ${ts}`);
    assert.ok(explained?.flags.every(({ why }) => why !== ""));
    assert.doesNotMatch(JSON.stringify(explained), /NaN|Infinity|undefined/);
  }
}

test("every figure is what its explanation adds up to", () => {
  fc.assert(fc.property(aSeries({ longGaps: false }), addsUp), { numRuns: 100 });
});

test("every case of the rules is met and explained", () => {
  for (const series of fc.sample(aSeries({ longGaps: false }), { numRuns: 250, seed: 20_260_329 })) addsUp(series);
  for (const name of [
    "first",
    "counted",
    "backward",
    "rollover",
    "reset",
    "reset_unknown",
    "return",
    "spike",
    "exchange_undeclared",
  ]) {
    assert.ok(seenCases.has(`counter ${name}`), `no counter met ${name}`);
  }
  for (const name of ["interval interval", "power line", "power first", "gauge line"]) assert.ok(seenCases.has(name), name);
});

test("years of gaps, too", () => {
  fc.assert(fc.property(aSeries({ maxSteps: 8 }), addsUp), { numRuns: 30 });
});

test("settings that change from an instant on, too", () => {
  const numRuns = Number(process.env["RUNS"] ?? 100);
  fc.assert(fc.property(aSeries({ longGaps: false, changes: "all" }), isExplained), { numRuns });
});
