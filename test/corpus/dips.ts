import { period, quarterly, type Trace, traceOf } from "./trace.js";

const TENTHS = { decimals: 1 };

/** The register was right all the time; what was read of it was not. */
export const dips: readonly Trace[] = [
  traceOf({
    name: "3.737 → 0 → 3.746 kWh",
    origin: "A smart plug answers with 0 once after it lost its Wi-Fi, until it has read its own flash.",
    // 0 lies below both neighbours, and these agree with one another.
    ...quarterly("00:00", [3.737, null, "FIRST"], [0, 0, "SPIKE"], [3.746, 0.009]),
    flowed: 0.009,
    why: "The register goes on where it was: 3.746 − 3.737.",
    others: { relative: 3.746, eighth: 3.746, everyDrop: 3.746, toZero: 3.746 },
  }),
  traceOf({
    name: "a restart that reports 0 once",
    origin: "A meter gateway publishes its registers before the first answer from the bus; the total has been running for years.",
    settings: TENTHS,
    ...quarterly("00:00", [48210.4, null, "FIRST"], [48210.9, 0.5], [0, 0, "SPIKE"], [48211.2, 0.3], [48211.8, 0.6]),
    consumption: [period("hour", "00:00", 1.4, 1, 3, "SPIKE")],
    flowed: 1.4,
    why: "48,211.8 − 48,210.4.",
    others: { relative: 48212.3, eighth: 48212.3, everyDrop: 48212.3, toZero: 48212.3 },
  }),
  traceOf({
    name: "a restart that reports 0 twice",
    origin: "The same smart plug, polled faster than it wakes up.",
    // No neighbour of the first 0 takes it back, so it opens an epoch; 3.746 fits what was left and ends it.
    ...quarterly(
      "00:00",
      [3.737, null, "FIRST"],
      [0, null, "RESET", "QUESTIONABLE"],
      [0, 0],
      [3.746, 0.009, "RESET"],
      [3.75, 0.004],
    ),
    // 00:00–00:15 is in no segment: 45 minutes of 60.
    consumption: [period("hour", "00:00", 0.013, 0.75, 4, "RESET", "PARTIAL", "QUESTIONABLE")],
    flowed: 0.013,
    why: "3.75 − 3.737; what was unknown at the first 0 is settled when the register comes back.",
    others: { relative: 3.75, eighth: 3.75, everyDrop: 3.75, toZero: 3.75 },
  }),
  traceOf({
    name: "a restart that counts on from 0 before it remembers",
    origin: "A wallbox counts its session from 0 while its controller starts, then adds what it holds in flash.",
    // 120.9 − 120.5 = 0.4, of which 0.2 have been counted since.
    ...quarterly(
      "00:00",
      [120.5, null, "FIRST"],
      [0, null, "RESET", "QUESTIONABLE"],
      [0.2, 0.2],
      [120.9, 0.2, "RESET"],
      [121.3, 0.4],
    ),
    consumption: [period("hour", "00:00", 0.8, 0.75, 4, "RESET", "PARTIAL", "QUESTIONABLE")],
    flowed: 0.8,
    why: "121.3 − 120.5: the register that came back holds what was counted meanwhile.",
    others: { relative: 121.3, eighth: 121.3, everyDrop: 121.3, toZero: 121.3 },
  }),
  traceOf({
    name: "a restart that reports 0.1 once",
    origin: "A sub-meter that has counted one pulse by the time it is asked, before its total is restored.",
    settings: TENTHS,
    ...quarterly("00:00", [812.4, null, "FIRST"], [0.1, 0, "SPIKE"], [812.9, 0.5]),
    flowed: 0.5,
    why: "812.9 − 812.4.",
    others: { relative: 812.9, eighth: 812.9, everyDrop: 812.9, toZero: 0.5 },
  }),
  traceOf({
    name: "10, 20, 15, 40",
    origin: "The textbook case: nobody can say whether 20 is too high or 15 too low.",
    // 15 agrees with 10, and 20 lies above both: a peak.
    ...quarterly("00:00", [10, null, "FIRST"], [20, 0, "SPIKE"], [15, 5], [40, 25]),
    flowed: 30,
    why: "Whichever of the two is wrong, the register moved from 10 to 40.",
    others: { relative: 50, eighth: 50, everyDrop: 50, toZero: 30 },
  }),
  traceOf({
    name: "a dip of 0.1 under a running total",
    origin: "A gateway rounds a finer register to 0.1 kWh, now up and now down; the meter is configured with its step.",
    settings: { step: 0.1 },
    ...quarterly("00:00", [3598, null, "FIRST"], [3597.9, 0, "BACKWARD"], [3597.9, 0, "BACKWARD"], [3598.1, 0.1], [3598.4, 0.3]),
    consumption: [period("hour", "00:00", 0.4, 1, 4, "BACKWARD")],
    flowed: 0.4,
    why: "3,598.4 − 3,598: the highest value stands until it is passed.",
    others: { relative: 0.4, eighth: 0.5, everyDrop: 3598.4, toZero: 0.4 },
  }),
  traceOf({
    name: "a dip of 0.1 where the step is not configured",
    origin: "The same gateway, left with the default step of 0.001: the dip is a hundred steps deep.",
    // An epoch that 3,598.1 takes back: 0.2 up is more than half of 0.1 down, and it agrees with 3,598.
    ...quarterly(
      "00:00",
      [3598, null, "FIRST"],
      [3597.9, null, "RESET", "QUESTIONABLE"],
      [3597.9, 0],
      [3598.1, 0.1, "RESET"],
      [3598.4, 0.3],
    ),
    consumption: [period("hour", "00:00", 0.4, 0.75, 4, "RESET", "PARTIAL", "QUESTIONABLE")],
    flowed: 0.4,
    why: "3,598.4 − 3,598, as with the step.",
    others: { relative: 0.4, eighth: 0.5, everyDrop: 3598.4, toZero: 0.4 },
  }),
  traceOf({
    name: "two sources that lag behind one another",
    origin: "A pair of redundant pollers writes one series; the second is a tenth behind.",
    settings: TENTHS,
    ...quarterly(
      "00:00",
      [50, null, "FIRST"],
      [50.4, 0.4],
      [50.3, 0, "BACKWARD"],
      [50.8, 0.4],
      [50.7, 0, "BACKWARD"],
      [51.2, 0.4],
    ),
    // Of the first four segments; what ends at 01:15 is in the next hour.
    consumption: [period("hour", "00:00", 0.8, 1, 4, "BACKWARD")],
    flowed: 1.2,
    why: "51.2 − 50.",
    others: { relative: 1.2, eighth: 1.4, everyDrop: 102.4, toZero: 1.2 },
  }),
  traceOf({
    name: "a register that creeps back while nothing flows",
    origin: "A heat meter whose temperature sensors drift: 0.1 down at a time, in summer.",
    settings: TENTHS,
    // Two steps down are jitter; at three the next value, which agrees with 77.3 again, shows that it was a dip.
    ...quarterly("00:00", [77.3, null, "FIRST"], [77.2, 0, "BACKWARD"], [77.1, 0, "BACKWARD"], [77, 0, "SPIKE"], [77.4, 0.1]),
    consumption: [period("hour", "00:00", 0.1, 1, 3, "BACKWARD", "SPIKE")],
    flowed: 0.1,
    why: "77.4 − 77.3: what was counted stays counted.",
    others: { relative: 0.1, eighth: 0.4, everyDrop: 231.7, toZero: 0.1 },
  }),
];
