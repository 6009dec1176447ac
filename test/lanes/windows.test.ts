import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "../../engine/base/limits.js";
import { Windows } from "../../engine/lanes/windows.js";

test("few connections get the largest window", () => {
  const windows = new Windows();
  const window = windows.open({ connections: 0 });
  assert.equal(windows.sizeOf(window), limits.maxWindowBytes);
});

test("with many connections of one client the windows shrink to what its lane holds", () => {
  const windows = new Windows();
  const lane = { connections: 0 };
  const opened = Array.from({ length: 128 }, () => windows.open(lane));
  const sizes = opened.map((window) => windows.sizeOf(window));
  assert.deepEqual(new Set(sizes), new Set([limits.maxLaneBytes / 128]));
  for (const window of opened.slice(32)) windows.close(window);
  assert.equal(windows.sizeOf(opened[0]!), limits.maxWindowBytes);
});

test("all windows together fit the pool, whatever the number of clients", () => {
  for (const clients of [1, 10, 300, 5000]) {
    const windows = new Windows();
    const opened = Array.from({ length: clients }, () => windows.open({ connections: 0 }));
    const total = opened.reduce((sum, window) => sum + windows.sizeOf(window), 0);
    assert.ok(total <= limits.poolBytes, `${clients} clients were offered ${total} bytes`);
  }
});

test("one frame may always be sent; beyond the largest window told and one frame more none is taken", () => {
  const windows = new Windows();
  const window = windows.open({ connections: 0 });
  for (let i = 0; i < 20_000; i++) windows.open({ connections: 0 });
  assert.ok(windows.sizeOf(window) < limits.maxFrameBytes);
  const largest = window.largest;
  assert.equal(windows.take(window, limits.maxFrameBytes), true);
  let taken = limits.maxFrameBytes;
  while (windows.take(window, 1000)) taken += 1000;
  assert.equal(taken, limits.maxFrameBytes + 1000 * Math.floor(largest / 1000));
  windows.give(window, taken);
  assert.equal(windows.take(window, limits.maxFrameBytes), true);
});

test("what is in flight is given back by acks and by the end of a connection", () => {
  const windows = new Windows();
  const window = windows.open({ connections: 0 });
  windows.take(window, 500);
  windows.take(window, 700);
  windows.give(window, 500);
  assert.equal(windows.inFlightBytes, 700);
  windows.close(window);
  assert.equal(windows.inFlightBytes, 0);
  assert.equal(windows.connections, 0);
});

test("with its memory full of frames in flight the node says that it has no room", () => {
  const windows = new Windows();
  const lanes = Array.from({ length: 4096 }, () => windows.open({ connections: 0 }));
  assert.equal(windows.hasRoom, true);
  for (const window of lanes) windows.take(window, limits.maxFrameBytes);
  assert.equal(windows.hasRoom, false);
});
