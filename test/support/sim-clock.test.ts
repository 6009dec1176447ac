import assert from "node:assert/strict";
import { it } from "node:test";
import { SimClock } from "./sim-clock.js";

it("the simulated clock runs what falls due in order, each at its own moment, and nothing early or cancelled", () => {
  const clock = new SimClock(1000);
  const ran: [string, number][] = [];
  const note = (name: string) => () => {
    ran.push([name, clock.nowMs()]);
  };
  clock.after(30, note("third"));
  clock.after(10, () => {
    note("first")();
    clock.after(5, note("second"));
    clock.after(100, note("late"));
  });
  clock.after(20, note("never")).cancel();
  clock.after(30, note("fourth"));
  clock.advance(9);
  assert.deepEqual(ran, []);
  clock.advance(91);
  assert.deepEqual(ran, [
    ["first", 1010],
    ["second", 1015],
    ["third", 1030],
    ["fourth", 1030],
  ]);
  assert.deepEqual([clock.nowMs(), clock.monotonicMs(), clock.waiting], [1100, 100, 1]);
});
