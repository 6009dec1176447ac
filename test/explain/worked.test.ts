import assert from "node:assert/strict";
import test from "node:test";
import { defaultSettings, type MeterSettings } from "../../engine/base/settings.js";
import { explanationText } from "../../engine/commands/explain-text.js";
import type { Input } from "../reference/history.js";
import { periodOf, readingOf, recordsOf } from "./figures.js";

/** Cases small enough to be worked out with a pencil, and what a person is told of them. */

interface Meter {
  settings: MeterSettings;
  inputs: Input[];
}

function meter(settings: Partial<MeterSettings>, inputs: Input[]): Meter {
  const periods = ["quarter", "hour", "day"] as const;
  return { settings: { ...defaultSettings("UTC"), unit: "kWh", periods, ...settings }, inputs };
}

function readings(...list: [ts: string, value: number][]): Input[] {
  return list.map(([ts, value]) => ({ ts: Date.parse(ts), value }));
}

function explained({ settings, inputs }: Meter, period: "reading" | "quarter" | "hour" | "day", time: string): string[] {
  const records = recordsOf(settings, inputs);
  const ts = Date.parse(time);
  const explanation = period === "reading" ? readingOf(settings, records, ts) : periodOf(settings, records, period, ts);
  assert.ok(explanation !== null);
  return explanationText(explanation);
}

const HOUR_MS = 3_600_000;

const EXCHANGED = meter({ maxRate: 40, maxGapMs: 6 * HOUR_MS }, [
  ...readings(["2026-01-10T00:00Z", 100], ["2026-01-10T06:00Z", 103]),
  { ts: Date.parse("2026-01-10T12:00Z"), exchange: { final: 104, start: 10 } },
  ...readings(["2026-01-10T18:00Z", 12], ["2026-01-11T06:00Z", 15], ["2026-01-11T12:00Z", 15]),
]);

const DAILY = meter(
  { timezone: "Europe/Madrid", maxGapMs: 26 * HOUR_MS },
  readings(["2026-03-28T11:00Z", 100], ["2026-03-29T10:00Z", 123], ["2026-03-30T10:00Z", 147], ["2026-03-31T10:00Z", 147]),
);

/** 1000, a restart that counts to 1.5, and then 1002 again. */
const RESTARTED = meter(
  { maxRate: 40 },
  readings(
    ["2026-01-10T08:00Z", 1000],
    ["2026-01-10T08:15Z", 1],
    ["2026-01-10T08:30Z", 1.5],
    ["2026-01-10T08:45Z", 1002],
    ["2026-01-10T09:00Z", 1002.5],
    ["2026-01-10T09:15Z", 1003],
  ),
);

const GAUGE = meter(
  { kind: "gauge", unit: "°C", decimals: 1 },
  readings(["2026-01-10T09:50Z", 20], ["2026-01-10T10:10Z", 21], ["2026-01-10T10:40Z", 21], ["2026-01-10T11:10Z", 20.4]),
);

const INTERVALS = meter(
  { kind: "interval", interval: "1d", timezone: "Europe/Madrid", multiplier: 0.5 },
  readings(["2026-03-28T23:00Z", 11], ["2026-03-29T22:00Z", 12.5], ["2026-03-30T22:00Z", 14]),
);

/** Stretches of 80 days to an exchange that was withdrawn, and from it: neighbours of it have rows, though nothing is known. */
const WITHDRAWN = meter({}, [
  ...readings(["2026-01-01T00:00Z", 5]),
  { ts: Date.parse("2026-03-22T00:00Z"), exchange: null },
  ...readings(["2026-06-10T00:00Z", 7], ["2026-06-10T01:00Z", 8]),
]);

test("a day with an exchange: both stretches, and half of the one that runs into the next day", () => {
  assert.deepEqual(explained(EXCHANGED, "day", "2026-01-10T00:00Z"), [
    "m, day 2026-01-10: 7.5 kWh",
    "2026-01-10 00:00 +00:00 to 2026-01-11 00:00 +00:00 (UTC), 1 d; 75 % covered, 2 readings",
    "",
    "time                     register  counted  in this day                   why",
    "2026-01-10 00:00 +00:00       100                                         where the first stretch begins",
    "2026-01-10 06:00 +00:00       103        3                             3  d = 103 − 100 = 3 lies between 0 and the bound 240.001: counted",
    "2026-01-10 12:00 +00:00       104        1                             1  exchange declared: the old register's last value 104 − 103 = 1 is counted; the new register begins at 10 [EXCHANGE]",
    "2026-01-10 18:00 +00:00        12        2                             2  d = 12 − 10 = 2 lies between 0 and the bound 240.001: counted; the baseline is what the exchange declared before it says [EXCHANGE]",
    "2026-01-11 06:00 +00:00        15        3  1.5 (6 h of 12 h, estimated)  d = 15 − 12 = 3 lies between 0 and the bound 480.001: counted",
    "sum                                                                  7.5",
    "",
    "EXCHANGE: 2 times, the first: an exchange of the meter was declared.",
    "ESTIMATED: a stretch that reaches into it is 12 h long, longer than maxGap 6 h: its share is an estimate.",
    "PARTIAL: 18 h of 1 d are covered.",
    "",
    "Add the parts: 3000 + 1000 + 2000 + 1500 = 7500 units of 10^-3. × 1 ÷ 1000 = 7.5 kWh.",
  ]);
});

test("a reading behind an exchange: what the old register closed is added", () => {
  assert.deepEqual(explained(EXCHANGED, "reading", "2026-01-10T18:00Z"), [
    "m, delta of the reading at 2026-01-10 18:00 +00:00 (UTC): 3 kWh",
    "",
    "before   2026-01-10 12:00 +00:00  10",
    "reading  2026-01-10 18:00 +00:00  12",
    "next     2026-01-11 06:00 +00:00  15",
    "",
    "d = 12 − 10 = 2 lies between 0 and the bound 240.001: counted; the baseline is what the exchange declared before it says.",
    "Exchange declared at 2026-01-10 12:00 +00:00: the old register's last value 104 − 103 = 1 is counted; the new register begins at 10.",
    "",
    "EXCHANGE: an exchange of the meter was declared since the reading before.",
    "",
    "2000 counted by the rule + 1000 closed by the exchange = 3000 units of 10^-3. × 1 ÷ 1000 = 3 kWh.",
  ]);
});

test("a day of 23 hours gets its share of two stretches", () => {
  assert.deepEqual(explained(DAILY, "day", "2026-03-29T12:00Z"), [
    "m, day 2026-03-29: 23 kWh",
    "2026-03-29 00:00 +01:00 to 2026-03-30 00:00 +02:00 (Europe/Madrid), 23 h; 100 % covered, 1 reading",
    "",
    "time                     register  counted  in this day        why",
    "2026-03-28 12:00 +01:00       100                              where the first stretch begins",
    "2026-03-29 12:00 +02:00       123       23  11 (11 h of 23 h)  d = 123 − 100 = 23 is not negative: counted",
    "2026-03-30 12:00 +02:00       147       24  12 (12 h of 1 d)   d = 147 − 123 = 24 is not negative: counted",
    "sum                                                        23",
    "",
    "Add the parts: 11000 + 12000 = 23000 units of 10^-3. × 1 ÷ 1000 = 23 kWh.",
  ]);
});

test("an hour in which a register restarted and came back", () => {
  assert.deepEqual(explained(RESTARTED, "hour", "2026-01-10T08:00Z"), [
    "m, hour of 2026-01-10 08:00 +00:00: 2.5 kWh",
    "2026-01-10 08:00 +00:00 to 2026-01-10 09:00 +00:00 (UTC), 1 h; 100 % covered, 4 readings",
    "",
    "time                     register  counted  in this hour  why",
    "2026-01-10 08:00 +00:00      1000                         where the first stretch begins",
    "2026-01-10 08:15 +00:00         1        1             1  d = -999 is negative and 1 is no more than the bound 40.001: the register restarted at 0; 1 is counted, the least that it can be [RESET]",
    "2026-01-10 08:30 +00:00       1.5      0.5           0.5  d = 1.5 − 1 = 0.5 lies between 0 and the bound 40.001: counted",
    "2026-01-10 08:45 +00:00      1002      0.5           0.5  back in the register that showed 1000 before it seemed to change: 1002 − 1000 − 1.5 counted since = 0.5, counted [RESET]",
    "2026-01-10 09:00 +00:00    1002.5      0.5           0.5  d = 1002.5 − 1002 = 0.5 lies between 0 and the bound 40.001: counted",
    "sum                                                  2.5",
    "",
    "RESET: 2 times, the first: the register fell: it restarted.",
    "",
    "Add the parts: 1000 + 500 + 500 + 500 = 2500 units of 10^-3. × 1 ÷ 1000 = 2.5 kWh.",
  ]);
});

test("the reading with which it came back", () => {
  assert.deepEqual(explained(RESTARTED, "reading", "2026-01-10T08:45Z"), [
    "m, delta of the reading at 2026-01-10 08:45 +00:00 (UTC): 0.5 kWh",
    "",
    "before   2026-01-10 08:30 +00:00     1.5",
    "reading  2026-01-10 08:45 +00:00    1002",
    "next     2026-01-10 09:00 +00:00  1002.5",
    "",
    "back in the register that showed 1000 before it seemed to change: 1002 − 1000 − 1.5 counted since = 0.5, counted.",
    "",
    "RESET: the register is back where it was before it seemed to restart.",
    "",
    "500 units of 10^-3. × 1 ÷ 1000 = 0.5 kWh.",
  ]);
});

test("an hour of a gauge: the lines, cut where the hour begins and ends", () => {
  assert.deepEqual(explained(GAUGE, "hour", "2026-01-10T10:00Z"), [
    "m, hour of 2026-01-10 10:00 +00:00: 20.891666666666666 °C",
    "2026-01-10 10:00 +00:00 to 2026-01-10 11:00 +00:00 (UTC), 1 h; 100 % covered, 2 readings",
    "least 20.5, most 21, on the lines between readings within the hour",
    "",
    "time                     value  in this hour                   why",
    "2026-01-10 09:50 +00:00     20                                 where the first stretch begins",
    "2026-01-10 10:10 +00:00     21  mean 20.75 (10 min of 20 min)  a straight line from 20 to 21 over 20 min",
    "2026-01-10 10:40 +00:00     21  mean 21                        a straight line from 21 to 21 over 30 min",
    "2026-01-10 11:10 +00:00   20.4  mean 20.8 (20 min of 30 min)   a straight line from 21 to 20.4 over 30 min",
    "",
    "Add the parts (areas below the lines, in half units × ms): 249000000 + 756000000 + 499200000 = 1504200000. × 1 ÷ (2 × 3600000 ms × 10) = 20.891666666666666 °C.",
  ]);
});

test("a day that is one interval, of 23 hours", () => {
  assert.deepEqual(explained(INTERVALS, "day", "2026-03-29T12:00Z"), [
    "m, day 2026-03-29: 6.25 kWh",
    "2026-03-29 00:00 +01:00 to 2026-03-30 00:00 +02:00 (Europe/Madrid), 23 h; 100 % covered, 1 reading",
    "amounts are the register's × 0.5",
    "",
    "time                     value  counted  in this day  why",
    "2026-03-30 00:00 +02:00   12.5     6.25         6.25  12.5 is the energy of an interval of 23 h",
    "sum                                             6.25",
    "",
    "ESTIMATED: a stretch that reaches into it is 23 h long, longer than maxGap 2 h: its share is an estimate.",
    "",
    "Add the parts: 12500 units of 10^-3. × 5 ÷ 10000 = 6.25 kWh.",
  ]);
});

test("an hour of that interval", () => {
  assert.deepEqual(explained(INTERVALS, "hour", "2026-03-29T12:00Z"), [
    "m, hour of 2026-03-29 14:00 +02:00: 0.272 kWh",
    "2026-03-29 14:00 +02:00 to 2026-03-29 15:00 +02:00 (Europe/Madrid), 1 h; 100 % covered, 0 readings",
    "amounts are the register's × 0.5",
    "",
    "time                     value  counted  in this hour                    why",
    "2026-03-30 00:00 +02:00   12.5     6.25  0.272 (1 h of 23 h, estimated)  12.5 is the energy of an interval of 23 h",
    "sum                                                               0.272",
    "",
    "ESTIMATED: a stretch that reaches into it is 23 h long, longer than maxGap 2 h: its share is an estimate.",
    "",
    "Add the parts: 544 units of 10^-3. × 5 ÷ 10000 = 0.272 kWh.",
  ]);
});

test("a withdrawn exchange is no part of a figure, but its neighbours have one", () => {
  assert.deepEqual(explained(WITHDRAWN, "day", "2026-02-10T00:00Z"), [
    "m, day 2026-02-10: unknown",
    "2026-02-10 00:00 +00:00 to 2026-02-11 00:00 +00:00 (UTC), 1 d; 0 % covered, 0 readings",
    "",
    "time  register  counted  in this day  why",
    "",
    "PARTIAL: 0 s of 1 d are covered.",
    "",
    "No stretch with a known amount reaches into the period: the figure is unknown.",
  ]);
});
