import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TimerWheel } from "../../workers/state/timer-wheel.js";

const START_MS = Date.UTC(2026, 0, 1);
const SECOND = 1000;

function expired(wheel: TimerWheel): number[] {
  const slots: number[] = [];
  for (let slot = wheel.next(); slot >= 0; slot = wheel.next()) slots.push(slot);
  return slots.sort((a, b) => a - b);
}

test("a slot is looked at in the second in which its time has come, and once", () => {
  const wheel = new TimerWheel(START_MS);
  wheel.set(0, START_MS + 1);
  wheel.set(1, START_MS + 90 * SECOND);
  wheel.set(2, START_MS + 100_000 * SECOND);
  wheel.set(3, Number.POSITIVE_INFINITY);
  wheel.advance(START_MS + 999);
  assert.deepEqual(expired(wheel), []);
  wheel.advance(START_MS + SECOND);
  assert.deepEqual(expired(wheel), [0]);
  wheel.advance(START_MS + 90 * SECOND);
  assert.deepEqual(expired(wheel), [1]);
  wheel.advance(START_MS + 99_999 * SECOND);
  assert.deepEqual(expired(wheel), []);
  wheel.advance(START_MS + 200_000 * SECOND);
  assert.deepEqual(expired(wheel), [2]);
});

test("the earliest time counts, a later one is not remembered, and what is forgotten is not looked at", () => {
  const wheel = new TimerWheel(START_MS);
  wheel.set(5, START_MS + 5000 * SECOND);
  wheel.set(5, START_MS + 70 * SECOND);
  wheel.set(5, START_MS + 9000 * SECOND);
  wheel.set(6, START_MS + 70 * SECOND);
  wheel.forget(6);
  wheel.advance(START_MS + 70 * SECOND);
  assert.deepEqual(expired(wheel), [5]);
  wheel.advance(START_MS + 10_000 * SECOND);
  assert.deepEqual(expired(wheel), []);
});

test("whatever is set, passes and is forgotten, it does as a list of times would", () => {
  const ms = fc.oneof(fc.nat(3 * SECOND), fc.nat(200 * SECOND), fc.nat(10_000 * SECOND), fc.nat(40_000_000 * SECOND));
  const act = fc.oneof(
    fc.record({ kind: fc.constant("set" as const), slot: fc.nat(20), ms }),
    fc.record({ kind: fc.constant("forget" as const), slot: fc.nat(20), ms }),
    fc.record({
      kind: fc.constant("pass" as const),
      slot: fc.nat(20),
      ms: fc.oneof(fc.nat(5 * SECOND), fc.nat(100_000 * SECOND)),
    }),
  );
  let looks = 0;
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      const wheel = new TimerWheel(START_MS);
      const times = new Map<number, number>();
      let now = START_MS;
      for (const { kind, slot, ms } of acts) {
        if (kind === "forget") {
          wheel.forget(slot);
          times.delete(slot);
        } else if (kind === "set") {
          wheel.set(slot, now + ms);
          times.set(slot, Math.min(times.get(slot) ?? Number.POSITIVE_INFINITY, Math.ceil((now + ms) / SECOND)));
        } else {
          now += ms;
          wheel.advance(now);
          const due = [...times].filter(([, second]) => second <= Math.floor(now / SECOND)).map(([each]) => each);
          assert.deepEqual(
            expired(wheel),
            due.sort((a, b) => a - b),
          );
          for (const each of due) times.delete(each);
          looks += due.length;
        }
        assert.equal(wheel.isSetBefore(slot, Number.POSITIVE_INFINITY), times.has(slot));
      }
    }),
    { numRuns: 500 },
  );
  assert.ok(looks > 100, `only ${looks} were looked at`);
});
