import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBytes, parseDurationMs } from "../../engine/config/quantity.js";

const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;

test("durations are read to the millisecond", () => {
  const expected: [unknown, number][] = [
    ["15m", 15 * MINUTE],
    ["1h30m", 90 * MINUTE],
    ["1d", DAY],
    ["2w1d", 15 * DAY],
    ["1w2d3h4m5s6ms", 9 * DAY + 3 * HOUR + 4 * MINUTE + 5006],
    ["250ms", 250],
    ["90m", 90 * MINUTE],
    ["0s", 0],
    ["0", 0],
    [0, 0],
  ];
  for (const [text, ms] of expected) assert.equal(parseDurationMs(text), ms, String(text));
});

test("what is no duration is not guessed at", () => {
  for (const text of [
    "",
    "15",
    "m",
    "1.5h",
    "-1m",
    "30m1h",
    "1h1h",
    "1h 30m",
    " 1h",
    "1h ",
    "1H",
    "1y",
    15,
    null,
    undefined,
    [],
    "9999999999999w",
    "999999999999w",
  ])
    assert.equal(parseDurationMs(text), undefined, String(text));
});

test("sizes are read to the byte", () => {
  const expected: [unknown, number][] = [
    ["10GiB", 10 * 2 ** 30],
    ["512MiB", 512 * 2 ** 20],
    ["1KiB", 1024],
    ["2TiB", 2 * 2 ** 40],
    ["1.5GiB", 1.5 * 2 ** 30],
    ["2GB", 2e9],
    ["3MB", 3e6],
    ["4kB", 4000],
    ["4KB", 4000],
    ["64 MiB", 64 * 2 ** 20],
    ["7B", 7],
    [4096, 4096],
    [0, 0],
  ];
  for (const [text, bytes] of expected) assert.equal(parseBytes(text), bytes, String(text));
});

test("what is no size is not guessed at", () => {
  for (const text of [
    "",
    "10",
    "GiB",
    "10G",
    "10gib",
    "-1GiB",
    "1e3MiB",
    "10iB",
    "1.GiB",
    -1,
    1.5,
    Number.NaN,
    2 ** 60,
    null,
    undefined,
    {},
    "99999999TiB",
  ])
    assert.equal(parseBytes(text), undefined, String(text));
});
