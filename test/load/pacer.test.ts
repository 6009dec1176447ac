import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../engine/base/clock.js";
import { Slices } from "../../engine/load/frame-maker.js";
import { Pacer } from "../../engine/load/pacer.js";
import type { LoadSender } from "../../engine/load/sender.js";

const START_MS = 1000;

/** A clock that stands until the test moves it; one timer at a time. */
class StandingClock implements Clock {
  monotonic = START_MS;
  task: (() => void) | null = null;
  nowMs(): number {
    return 0;
  }
  monotonicMs(): number {
    return this.monotonic;
  }
  after(_delayMs: number, task: () => void) {
    this.task = task;
    return { cancel: () => (this.task = null) };
  }
}

test("frames fall due at the asked rate, the dataloggers' evenly between one another, whatever became of those before", () => {
  const clock = new StandingClock();
  const slices = new Slices(30, 10);
  const senders = Array.from({ length: 4 }, () => ({
    allowedFrames: 0,
    pumped: 0,
    pump() {
      this.pumped++;
    },
  }));
  // 4 dataloggers with 10 readings a frame at 400 readings/s: each a frame in 100 ms, one of them every 25 ms.
  const pacer = new Pacer(clock, senders as unknown as LoadSender[], slices, 400, START_MS);
  const due = Array.from({ length: 12 }, (_, i) => pacer.dueMs(i % 4, Math.floor(i / 4)));
  assert.deepEqual(
    due,
    Array.from({ length: 12 }, (_, i) => START_MS + i * 25),
  );
  pacer.start();
  assert.deepEqual(
    senders.map((sender) => sender.allowedFrames),
    [1, 0, 0, 0],
  );
  clock.monotonic = START_MS + 50;
  clock.task?.();
  assert.deepEqual(
    senders.map((sender) => sender.allowedFrames),
    [1, 1, 1, 0],
  );
  // After a pause all that fell due meanwhile is let out.
  clock.monotonic = START_MS + 1024;
  clock.task?.();
  assert.deepEqual(
    senders.map((sender) => sender.allowedFrames),
    [11, 10, 10, 10],
  );
  assert.deepEqual(
    senders.map((sender) => sender.pumped),
    [11, 10, 10, 10],
  );
  pacer.stop();
  assert.equal(clock.task, null);
});
