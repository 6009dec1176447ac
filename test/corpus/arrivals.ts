import { DAY_MS, HOUR_MS } from "../../engine/base/zone.js";
import { period, row, sent, type Trace, traceOf } from "./trace.js";

const TENTHS = { decimals: 1 };

/** Tenths of a kWh that a school draws in each quarter of a day. */
const WORKDAY = [21, 52, 79, 28];
const WEEKEND = [12, 19, 20, 9];
const WEEK = [WORKDAY, WORKDAY, WORKDAY, WORKDAY, WORKDAY, WEEKEND, WEEKEND];
const MONDAY = Date.parse("2026-01-05T00:00+01:00");

/** The register starts at 48,000; five days bring 18.0 each, two 6.0 each. */
const weekReadings = WEEK.flat().reduce(
  (rows, tenths) => {
    const last = rows[rows.length - 1]!;
    const value = (Math.round(last.value * 10) + tenths) / 10;
    rows.push({ ts: last.ts + 6 * HOUR_MS, value, rev: 0, delta: tenths / 10, flags: 0 });
    return rows;
  },
  [{ ...row("00:00", 48000, null, "FIRST"), ts: MONDAY }],
);

/** The register is right; when its readings arrive, or what time they bear, is not. */
export const arrivals: readonly Trace[] = [
  traceOf({
    name: "two readings in the same millisecond",
    origin: "A datalogger that waited for its clock stamps the whole buffer with the moment at which it got it.",
    settings: TENTHS,
    arrivals: [sent("00:00", 210), sent("00:15", 210.4), sent("00:15", 210.1), sent("00:30", 211)],
    readings: [row("00:00", 210, null, "FIRST"), row("00:15", 210.4, 0.4, "CONFLICT"), row("00:30", 211, 0.6)],
    flowed: 1,
    why: "211 − 210.",
    others: { relative: 1, eighth: 1.3, everyDrop: 211.4, toZero: 1 },
  }),
  traceOf({
    name: "a correction downwards after the next reading",
    origin: "The operator's validation replaces a reading, with a greater rev.",
    settings: TENTHS,
    arrivals: [sent("00:00", 210), sent("00:15", 214), sent("00:30", 211), sent("00:15", 210.4, 1)],
    readings: [row("00:00", 210, null, "FIRST"), { ...row("00:15", 210.4, 0.4, "CONFLICT"), rev: 1 }, row("00:30", 211, 0.6)],
    flowed: 1,
    why: "211 − 210.",
    others: { relative: 0.4, eighth: 4, everyDrop: 425.4, toZero: 0.4 },
  }),
  traceOf({
    name: "a batch that was acked and comes again",
    origin: "A datalogger loses its connection before the ack, or its count of what was acked.",
    arrivals: [
      ...[sent("00:00", 200), sent("00:15", 200.5), sent("00:30", 201)],
      ...[sent("00:00", 200), sent("00:15", 200.5), sent("00:30", 201)],
      sent("00:45", 201.5),
    ],
    readings: [row("00:00", 200, null, "FIRST"), row("00:15", 200.5, 0.5), row("00:30", 201, 0.5), row("00:45", 201.5, 0.5)],
    flowed: 1.5,
    why: "201.5 − 200.",
    others: { relative: 1.5, eighth: 2.5, everyDrop: 202.5, toZero: 1.5 },
  }),
  traceOf({
    name: "half an hour that comes after the live reading",
    origin: "A gateway back on line sends the present first and the backlog after it.",
    arrivals: [sent("00:00", 100), sent("00:15", 101), sent("01:00", 104), sent("00:30", 102), sent("00:45", 103)],
    readings: [
      row("00:00", 100, null, "FIRST"),
      row("00:15", 101, 1),
      row("00:30", 102, 1),
      row("00:45", 103, 1),
      row("01:00", 104, 1),
    ],
    consumption: [period("hour", "00:00", 4, 1, 4)],
    flowed: 4,
    why: "104 − 100.",
    others: { relative: 3, eighth: 5, everyDrop: 107, toZero: 3 },
  }),
  traceOf({
    name: "a restart's 0 that comes late",
    origin: "The same gateway, with a 0 from its own restart in the backlog.",
    arrivals: [sent("00:00", 50), sent("00:30", 52), sent("00:15", 0), sent("00:45", 53)],
    readings: [row("00:00", 50, null, "FIRST"), row("00:15", 0, 0, "SPIKE"), row("00:30", 52, 2), row("00:45", 53, 1)],
    flowed: 3,
    why: "53 − 50.",
    others: { relative: 55, eighth: 55, everyDrop: 55, toZero: 55 },
  }),
  traceOf({
    name: "newest first for a week",
    origin: "A datalogger keeps its backlog as a stack and empties it from the top after a week without connection.",
    settings: { ...TENTHS, timezone: "Europe/Madrid", maxGapMs: 6 * HOUR_MS, periods: ["day"] },
    arrivals: weekReadings.map(({ ts, value }) => ({ ts, value })).reverse(),
    readings: weekReadings,
    consumption: [18, 18, 18, 18, 18, 6, 6].map((value, day) => ({
      ...period("day", "00:00", value, 1, 4),
      ts: MONDAY + day * DAY_MS,
    })),
    flowed: 102,
    why: "48,102 − 48,000: five days of 18 and two of 6.",
    others: { relative: -102, eighth: 0, everyDrop: 1345605.8, toZero: -102 },
  }),
  traceOf({
    name: "a clock that jumps a day ahead and back",
    origin: "A datalogger takes a wrong date from its network, gets the right one, and sends its last reading again.",
    settings: { ...TENTHS, maxGapMs: DAY_MS, periods: ["day"] },
    arrivals: [
      ...[sent("00:00", 500), sent("00:15", 500.5)],
      // Read at 00:30 and 00:45 of the first day.
      ...[sent("1 00:30", 501), sent("1 00:45", 501.6)],
      ...[sent("00:15", 500.5), sent("01:00", 502.1), sent("12:00", 520), sent("1 00:00", 539.5), sent("1 00:15", 540)],
      ...[sent("1 00:30", 540.4), sent("1 00:45", 540.9), sent("1 01:00", 541.3), sent("2 00:00", 560)],
    ],
    // Of two values at one instant the greater stands, so the true ones of the second day do.
    readings: [
      row("00:00", 500, null, "FIRST"),
      row("00:15", 500.5, 0.5),
      row("01:00", 502.1, 1.6),
      row("12:00", 520, 17.9),
      row("1 00:00", 539.5, 19.5),
      row("1 00:15", 540, 0.5),
      row("1 00:30", 540.4, 0.4, "CONFLICT"),
      row("1 00:45", 540.9, 0.5, "CONFLICT"),
      row("1 01:00", 541.3, 0.4),
      row("2 00:00", 560, 18.7),
    ],
    consumption: [period("day", "00:00", 39.5, 1, 4), period("day", "1 00:00", 20.5, 1, 5, "CONFLICT")],
    flowed: 60,
    why: "560 − 500: 39.5 on the first day, 20.5 on the second.",
    others: { relative: 60, eighth: 61.1, everyDrop: 561.6, toZero: 60 },
  }),
  traceOf({
    name: "a clock that jumps a day ahead, between readings",
    origin: "The same datalogger, seven minutes off: what it stamped ahead falls between the next day's readings.",
    settings: { ...TENTHS, maxGapMs: DAY_MS, periods: ["day"] },
    arrivals: [
      ...[sent("00:00", 500), sent("1 00:07", 500.5), sent("1 00:22", 501), sent("00:00", 500), sent("12:00", 520)],
      ...[sent("1 00:00", 539.5), sent("1 00:15", 540), sent("1 00:30", 540.4), sent("2 00:00", 560)],
    ],
    readings: [
      row("00:00", 500, null, "FIRST"),
      row("12:00", 520, 20),
      row("1 00:00", 539.5, 19.5),
      row("1 00:07", 500.5, 0, "SPIKE"),
      row("1 00:15", 540, 0.5),
      row("1 00:22", 501, 0, "SPIKE"),
      row("1 00:30", 540.4, 0.4),
      row("2 00:00", 560, 19.6),
    ],
    consumption: [period("day", "00:00", 39.5, 1, 2), period("day", "1 00:00", 20.5, 1, 3, "SPIKE")],
    flowed: 60,
    why: "560 − 500: 39.5 on the first day, 20.5 on the second.",
    others: { relative: 60, eighth: 61, everyDrop: 561, toZero: 60 },
  }),
];
