import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { calendarFor } from "../../engine/base/calendar.js";
import { compileRule } from "../../workers/kernels/alert-rule.js";
import { scheduleChange, scheduled } from "../../workers/kernels/alert-schedule.js";
import { rule } from "../alerts/reading-along.js";
import { hoursChange, hoursOn } from "../alerts/wall-clock.js";

const DAY_MS = 86_400_000;
/** A day and a half before the clocks of these zones go forward, and before they go back. */
const CHANGES: [string, number][] = [
  ["Europe/Madrid", Date.UTC(2026, 2, 27, 13)],
  ["Europe/Madrid", Date.UTC(2026, 9, 23, 13)],
  ["Australia/Lord_Howe", Date.UTC(2026, 3, 3, 3)],
  ["Australia/Lord_Howe", Date.UTC(2026, 9, 2, 3)],
  ["America/Santiago", Date.UTC(2026, 8, 4, 16)],
];

test("hours begin and end where the wall clock says so, over every change of the clock", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...CHANGES),
      fc.nat(4 * DAY_MS),
      fc.subarray([1, 2, 3, 4, 5, 6, 7], { minLength: 1 }),
      fc.nat(95),
      fc.nat(96),
      ([zone, from], ms, days, fromQuarter, toQuarter) => {
        const schedule = { days, fromMinute: fromQuarter * 15, toMinute: toQuarter * 15 };
        const compiled = compileRule(rule({ schedule }), "acme", calendarFor(zone));
        // Asked again, it answers from what it has looked up.
        for (const at of [from + ms, from + ms + 1, from + ms + 90_000]) {
          assert.equal(scheduled(compiled, at), hoursOn(schedule, zone, at));
          assert.equal(scheduleChange(compiled, at), hoursChange(schedule, zone, at));
        }
      },
    ),
    { numRuns: 1500 },
  );
});

test("a rule without hours has none that change, and hours that are always on never end", () => {
  const always = { days: [1, 2, 3, 4, 5, 6, 7], fromMinute: 0, toMinute: 0 };
  for (const schedule of [null, always]) {
    const compiled = compileRule(rule({ schedule }), "acme", calendarFor("Europe/Madrid"));
    assert.equal(scheduled(compiled, CHANGES[0]![1]), true);
    assert.equal(scheduleChange(compiled, CHANGES[0]![1]), Number.POSITIVE_INFINITY);
  }
});
