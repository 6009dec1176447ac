import { at, period, quarterly, row, sent, type Trace, traceOf } from "./trace.js";

const TENTHS = { decimals: 1 };

/** The register itself has become another one: restarted, restored, exchanged. */
export const resets: readonly Trace[] = [
  traceOf({
    name: "a register that drops 5 % for good",
    origin: "A panel's firmware calibrates its counters while it runs.",
    ...quarterly("00:00", [10000, null, "FIRST"], [9500, null, "RESET", "QUESTIONABLE"], [9501, 1], [9502, 1], [9503, 1]),
    consumption: [period("hour", "00:00", 3, 0.75, 4, "RESET", "PARTIAL", "QUESTIONABLE")],
    flowed: 3,
    unknowable: 1,
    why: "9,503 − 9,500; the quarter of an hour of the drop is lost.",
    others: { relative: -497, eighth: 3, everyDrop: 9503, toZero: -497 },
  }),
  traceOf({
    name: "a register that drops 11 % for good",
    origin: "The same firmware elsewhere: more than a tenth and less than an eighth.",
    ...quarterly("00:00", [1000, null, "FIRST"], [890, null, "RESET", "QUESTIONABLE"], [891, 1], [892, 1]),
    flowed: 2,
    unknowable: 1,
    why: "892 − 890; the quarter of an hour of the drop is lost.",
    others: { relative: 892, eighth: 2, everyDrop: 892, toZero: -108 },
  }),
  traceOf({
    name: "a register that drops 20 % for good",
    origin: "A software meter restored from a backup that is months old.",
    ...quarterly("00:00", [1000, null, "FIRST"], [800, null, "RESET", "QUESTIONABLE"], [801, 1], [802, 1]),
    flowed: 2,
    unknowable: 1,
    why: "802 − 800; what flowed since the last reading before it is lost.",
    others: { relative: 802, eighth: 802, everyDrop: 802, toZero: -198 },
  }),
  traceOf({
    name: "a power cut that costs the last few pulses",
    origin: "A pulse counter saves its total every hour and wakes up with the last one that it saved.",
    settings: { ...TENTHS, maxRate: 12 },
    // It climbs past 1,000.8 again, but by steps that each take back less than half of what was lost: no return.
    ...quarterly(
      "00:00",
      [1000, null, "FIRST"],
      [1000.8, 0.8],
      [999.5, null, "RESET", "QUESTIONABLE"],
      [1000.3, 0.8],
      [1000.9, 0.6],
      [1001.5, 0.6],
    ),
    consumption: [period("hour", "00:00", 2.2, 0.75, 4, "RESET", "PARTIAL", "QUESTIONABLE")],
    flowed: 2.8,
    unknowable: 1,
    why: "0.8 before the cut and 1,001.5 − 999.5 after it; what flowed around it is lost.",
    others: { relative: 1.5, eighth: 2.8, everyDrop: 1002.3, toZero: 1.5 },
  }),
  traceOf({
    name: "a daily register whose 0 is never seen",
    origin: "A heat pump's energy of today, which starts again at midnight and is read every quarter of an hour.",
    settings: { ...TENTHS, maxRate: 10 },
    ...quarterly("23:45", [18.1, null, "FIRST"], [18.4, 0.3], [0.2, 0.2, "RESET"], [0.5, 0.3]),
    // The last quarter of an hour before midnight: of an hour, and of a day (15 of 1,440 minutes).
    consumption: [
      period("hour", "23:00", 0.3, 0.25, 2, "FIRST", "PARTIAL"),
      period("day", "00:00", 0.3, 0.010416666667, 2, "FIRST", "PARTIAL"),
    ],
    flowed: 0.8,
    why: "18.4 at midnight is the whole day, so 0.3 before it and 0.5 after it.",
    others: { relative: 0.8, eighth: 0.8, everyDrop: 0.8, toZero: -17.6 },
  }),
  traceOf({
    name: "a daily register that is read twice a day",
    origin: "The same register over a connection that is paid by the message.",
    settings: { ...TENTHS, maxRate: 5, periods: ["day"] },
    arrivals: [sent("06:00", 4), sent("18:00", 12), sent("1 06:00", 3), sent("1 18:00", 11)],
    readings: [row("06:00", 4, null, "FIRST"), row("18:00", 12, 8), row("1 06:00", 3, 3, "RESET"), row("1 18:00", 11, 8)],
    // 8 until 18:00 and half of the 3 until 06:00; no stretch is short enough to count as covered.
    consumption: [period("day", "00:00", 9.5, 0, 2, "FIRST", "RESET", "ESTIMATED", "PARTIAL")],
    flowed: null,
    why: "What was counted from 18:00 to midnight is nowhere in the trace: 19 is the least that flowed.",
    others: { relative: 19, eighth: 19, everyDrop: 19, toZero: 7 },
  }),
  traceOf({
    name: "a restart that reports 0 for three hours",
    origin: "A plug of 3 kW hangs in its boot loader and then remembers.",
    settings: { maxRate: 3 },
    // The epoch that began at 00:15 is more than maxGap ago at 03:15, and 3.746 kWh are too much for a quarter of an hour.
    arrivals: [
      ...[sent("00:00", 3.737), sent("00:15", 0), sent("01:00", 0), sent("02:00", 0), sent("03:00", 0)],
      ...[sent("03:15", 3.746), sent("03:30", 3.75)],
    ],
    readings: [
      row("00:00", 3.737, null, "FIRST"),
      row("00:15", 0, 0, "RESET"),
      row("01:00", 0, 0),
      row("02:00", 0, 0),
      row("03:00", 0, 0),
      row("03:15", 3.746, null, "EXCHANGE"),
      row("03:30", 3.75, 0.004),
    ],
    flowed: null,
    why: "After so long nobody can tell a register that came back from one that was set by hand.",
    others: { relative: 3.75, eighth: 3.75, everyDrop: 3.75, toZero: 3.75 },
  }),
  traceOf({
    name: "a new meter that starts at 35,000",
    origin: "A fitter exchanges the meter for a used one and tells nobody. The fuse allows 40 kW.",
    settings: { maxRate: 40 },
    ...quarterly("00:00", [100, null, "FIRST"], [101, 1], [35000, null, "EXCHANGE"], [35001, 1], [35002, 1]),
    consumption: [period("hour", "00:00", 3, 0.75, 4, "EXCHANGE", "PARTIAL")],
    flowed: 3,
    unknowable: 1,
    why: "1 on the old meter and 2 on the new one; the quarter of an hour of the exchange is on neither reading.",
    others: { relative: 34902, eighth: 34902, everyDrop: 34902, toZero: 34902 },
  }),
  traceOf({
    name: "a new meter that starts at 35,000, declared",
    origin: "The same fitter fills in the form: 501.5 on the old meter, 35,000 on the new one, at 00:20.",
    arrivals: [
      ...[sent("00:00", 500), sent("00:15", 501), { ts: at("00:20"), exchange: { final: 501.5, start: 35000 } }],
      ...[sent("00:30", 35001), sent("00:45", 35002), sent("01:00", 35003)],
    ],
    readings: [
      row("00:00", 500, null, "FIRST"),
      row("00:15", 501, 1),
      row("00:30", 35001, 1.5, "EXCHANGE"),
      row("00:45", 35002, 1),
      row("01:00", 35003, 1),
    ],
    consumption: [period("hour", "00:00", 4.5, 1, 4, "EXCHANGE")],
    flowed: 4.5,
    why: "1.5 on the old meter, 3 on the new one.",
    others: { relative: 34503, eighth: 34503, everyDrop: 34503, toZero: 34503 },
  }),
  traceOf({
    name: "an exchange that is declared a day late",
    origin: "The form of a fitter who took 501.5 down and began the new meter at 10 arrives by post.",
    settings: TENTHS,
    arrivals: [
      ...[sent("00:00", 500), sent("00:15", 501), sent("00:30", 10.2), sent("00:45", 11), sent("01:00", 12)],
      { ts: at("00:20"), exchange: { final: 501.5, start: 10 } },
    ],
    // 0.5 until 00:20 on the old meter and 0.2 from then on.
    readings: [
      row("00:00", 500, null, "FIRST"),
      row("00:15", 501, 1),
      row("00:30", 10.2, 0.7, "EXCHANGE"),
      row("00:45", 11, 0.8),
      row("01:00", 12, 1),
    ],
    consumption: [period("hour", "00:00", 3.5, 1, 4, "EXCHANGE")],
    flowed: 3.5,
    why: "1.5 on the old meter, 2 on the new one.",
    others: { relative: 13, eighth: 13, everyDrop: 13, toZero: -488 },
  }),
];
