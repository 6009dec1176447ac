import assert from "node:assert/strict";
import { test } from "node:test";
import { Pace } from "../../workers/loop/pace.js";
import { SimClock } from "../support/sim-clock.js";

function setUp() {
  const clock = new SimClock();
  const waiting = { sinceMs: Number.POSITIVE_INFINITY };
  const pace = new Pace({ clock, oldestLiveMs: () => waiting.sinceMs });
  /** Live frames that take so long, one every 10 ms. */
  const live = (tookMs: number, forMs: number) => {
    for (let ms = 0; ms < forMs; ms += 10) {
      clock.advance(10);
      pace.live(clock.nowMs() - tookMs);
    }
  };
  return { clock, waiting, pace, live };
}

test("late work takes all of the time while live frames do not feel it", () => {
  const { pace, live } = setUp();
  assert.equal(pace.restMs(2), 0);
  live(10, 5_000);
  assert.equal(pace.restMs(2), 0);
});

test("it gives way at once where live frames wait, and comes back once they do not", () => {
  const { pace, live } = setUp();
  live(11, 250);
  assert.ok(pace.share < 0.75, `${pace.share} of the time`);
  assert.ok(pace.restMs(2) > 0.6);
  live(11, 3_000);
  const least = pace.share;
  assert.ok(least < 0.05 && least > 0.01, `${least} of the time`);
  assert.ok(pace.restMs(2) <= 2 * (1 / least - 1));
  live(5, 1_000);
  assert.ok(pace.share > least && pace.share < 0.1, `${pace.share} of the time`);
  live(5, 6_000);
  assert.equal(pace.share, 1);
});

test("a live frame that is not durable yet counts as long as it has waited", () => {
  const { clock, waiting, pace, live } = setUp();
  live(1, 1_000);
  waiting.sinceMs = clock.nowMs();
  for (let i = 0; i < 10; i++) {
    clock.advance(100);
    pace.restMs(2);
  }
  assert.ok(pace.share < 0.1, `${pace.share} of the time`);
});

test("between rounds of live frames the share stays, and after a long time without any it is whole again", () => {
  const { clock, pace, live } = setUp();
  live(50, 3_000);
  const { share } = pace;
  for (let i = 0; i < 100; i++) {
    clock.advance(200);
    pace.restMs(2);
  }
  assert.equal(pace.share, share);
  for (let i = 0; i < 150; i++) {
    clock.advance(200);
    pace.restMs(2);
  }
  assert.equal(pace.share, 1);
});

test("those who send late readings are kept to the share together, and none for longer than a second", () => {
  const { clock, pace, live } = setUp();
  assert.equal(pace.takenUntil(5), clock.monotonicMs());
  live(50, 600);
  const rest = pace.restMs(5);
  const first = pace.takenUntil(5);
  assert.ok(Math.abs(first - clock.monotonicMs() - rest) < 1e-6);
  const second = pace.takenUntil(5);
  assert.ok(Math.abs(second - first - rest) < 1e-6);
  for (let i = 0; i < 1_000; i++) pace.takenUntil(5);
  assert.ok(pace.takenUntil(5) <= clock.monotonicMs() + 1_000);
});
