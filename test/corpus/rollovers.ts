import { period, quarterly, row, sent, type Trace, traceOf } from "./trace.js";

/** The register passes its highest value and goes on from 0. */
export const rollovers: readonly Trace[] = [
  traceOf({
    name: "rollover at 838,860.7",
    origin: "A sensor for the pulses of a Ferraris meter holds 23 bits of tenths of a watt-hour.",
    settings: { decimals: 1, modulus: 838860.8 },
    // Without maxRate: from the last tenth of the range into the first. 838,860.8 + 0.4 − 838,860.7 = 0.5.
    ...quarterly("00:00", [838858, null, "FIRST"], [838860.7, 2.7], [0.4, 0.5, "ROLLOVER"], [1, 0.6]),
    flowed: 3.8,
    why: "2.8 up to the turn, 1 after it.",
    others: { relative: 3.7, eighth: 3.7, everyDrop: 3.7, toZero: -838857 },
  }),
  traceOf({
    name: "rollover at 99,999.9",
    origin: "A mechanical register with five digits and a decimal behind a fuse of 40 kW.",
    settings: { decimals: 1, modulus: 100000, maxRate: 40 },
    ...quarterly("00:00", [99998.2, null, "FIRST"], [99999.9, 1.7], [0.6, 0.7, "ROLLOVER"], [2.1, 1.5], [3.3, 1.2]),
    consumption: [period("hour", "00:00", 5.1, 1, 4, "ROLLOVER")],
    flowed: 5.1,
    why: "1.8 up to the turn, 3.3 after it.",
    others: { relative: 5, eighth: 5, everyDrop: 5, toZero: -99994.9 },
  }),
  traceOf({
    name: "rollover of a 16-bit pulse register",
    origin: "A water meter's pulses in a Modbus register of two bytes; 100 pulses an hour at most.",
    settings: { decimals: 0, modulus: 65536, maxRate: 100 },
    ...quarterly("00:00", [65530, null, "FIRST"], [65534, 4], [3, 5, "ROLLOVER"], [9, 6]),
    flowed: 15,
    why: "6 up to the turn, 9 after it.",
    others: { relative: 13, eighth: 13, everyDrop: 13, toZero: -65521 },
  }),
  traceOf({
    name: "a register that trembles at the turn",
    origin: "A register set to 0 by the fitter slips back by a tenth.",
    settings: { decimals: 1, modulus: 100000 },
    ...quarterly("00:00", [0, null, "FIRST"], [99999.9, 0, "SPIKE"], [0.1, 0.1]),
    flowed: 0.1,
    why: "It is at 0.1 and began at 0: no whole turn fits in half an hour.",
    others: { relative: 100000, eighth: 100000, everyDrop: 100000, toZero: 0.1 },
  }),
  traceOf({
    name: "a restart that reports 0 just before the turn",
    origin: "The mechanical register behind a gateway that restarts in its last hour before 100,000.",
    settings: { decimals: 1, modulus: 100000, maxRate: 40 },
    ...quarterly("00:00", [99998, null, "FIRST"], [0, 0, "SPIKE"], [99999.2, 1.2], [0.3, 1.1, "ROLLOVER"]),
    flowed: 2.3,
    why: "2 up to the turn, 0.3 after it.",
    others: { relative: 99999.5, eighth: 99999.5, everyDrop: 99999.5, toZero: 0.3 },
  }),
  traceOf({
    name: "a turn during a day without connection",
    origin: "The mechanical register, with its datalogger's SIM card blocked for a day.",
    settings: { decimals: 1, modulus: 100000, maxRate: 40, periods: ["day"] },
    arrivals: [sent("00:00", 99990), sent("1 00:00", 120.4), sent("1 01:00", 121.5)],
    // 130.4 is less than 40 kW bring in a day, and less than half a turn.
    readings: [row("00:00", 99990, null, "FIRST"), row("1 00:00", 120.4, 130.4, "ROLLOVER"), row("1 01:00", 121.5, 1.1)],
    consumption: [period("day", "00:00", 130.4, 0, 1, "ROLLOVER", "ESTIMATED", "PARTIAL")],
    flowed: 131.5,
    why: "10 up to the turn, 121.5 after it; the fuse allows no second turn.",
    others: { relative: 121.5, eighth: 121.5, everyDrop: 121.5, toZero: -99868.5 },
  }),
  traceOf({
    name: "a restart in the middle of a register that rolls over",
    origin: "The mechanical register's electronic successor has the same modulus, no fuse is configured, and it loses its total.",
    settings: { decimals: 1, modulus: 100000 },
    // Half the range away from the turn: this is none.
    ...quarterly("00:00", [50000, null, "FIRST"], [50001, 1], [30, null, "RESET", "QUESTIONABLE"], [31, 1], [32, 1]),
    consumption: [period("hour", "00:00", 3, 0.75, 4, "RESET", "PARTIAL", "QUESTIONABLE")],
    flowed: 3,
    unknowable: 1,
    why: "1 before the restart and 32 − 30 after it; where it began again, nobody knows.",
    others: { relative: 33, eighth: 33, everyDrop: 33, toZero: -49968 },
  }),
  traceOf({
    name: "100, then 5,000, and 5,100 after 90 days",
    origin: "An undeclared exchange just before a long outage. The fuse allows 40 kW.",
    settings: { maxRate: 40 },
    arrivals: [sent("00:00", 100), sent("00:15", 5000), sent("90 00:15", 5100)],
    // In 90 days 40 kW would bring 5,000 and more, but not in a quarter of an hour.
    readings: [row("00:00", 100, null, "FIRST"), row("00:15", 5000, null, "EXCHANGE"), row("90 00:15", 5100, 100)],
    flowed: 100,
    unknowable: 1,
    why: "5,100 − 5,000; the jump is more than 40 kW can bring in its time.",
    others: { relative: 5000, eighth: 5000, everyDrop: 5000, toZero: 5000 },
  }),
];
