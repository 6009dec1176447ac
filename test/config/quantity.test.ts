import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBytes, parseDurationMs, parseInstantMs } from "../../engine/config/quantity.js";

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

test("instants are read to the millisecond, with their offset or as epoch milliseconds", () => {
  const expected: [unknown, number][] = [
    ["2026-01-01T00:00:00Z", Date.UTC(2026, 0, 1)],
    ["2026-01-01T00:00:00+01:00", Date.UTC(2025, 11, 31, 23)],
    ["2026-01-01 00:00:00-03:30", Date.UTC(2026, 0, 1, 3, 30)],
    ["2026-01-01t00:00:00.1239z", Date.UTC(2026, 0, 1) + 123],
    ["2024-02-29T12:00:00Z", Date.UTC(2024, 1, 29, 12)],
    [1_767_225_600_000, Date.UTC(2026, 0, 1)],
  ];
  for (const [value, ms] of expected) assert.equal(parseInstantMs(value), ms, String(value));
});

test("what is no instant is not guessed at", () => {
  for (const value of [
    ...["", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00Z", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z"],
    ...["2026-01-01T25:00:00Z", "2026-01-01T00:00:00+1", "1767225600000", " 2026-01-01T00:00:00Z"],
    ...[1.5, Number.NaN, null, undefined, [], {}],
  ])
    assert.equal(parseInstantMs(value), undefined, String(value));
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
