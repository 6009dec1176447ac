import assert from "node:assert/strict";
import test from "node:test";
import { calendarFor } from "../../engine/base/calendar.js";
import { Flag } from "../../engine/base/flags.js";
import { defaultSettings, type MeterSettings } from "../../engine/base/settings.js";
import { MemoryShard, type StoredRows } from "../support/memory-shard.js";
import { looked } from "./looked.js";

const MADRID = "Europe/Madrid";
/** Midnight of Saturday; the clock changes on Sunday morning. */
const FIRST = Date.parse("2026-03-28T00:00:00+01:00");
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const counter: MeterSettings = { ...defaultSettings(MADRID), periods: ["quarter", "hour", "day"], maxRate: 40 };

/** Nearly four days of a counter that is read each 15 minutes, audited from the oldest day on; all is stored. */
async function fourDays(): Promise<MemoryShard> {
  const shard = new MemoryShard(new Map([["m", counter]]));
  shard.audit();
  await shard.restart();
  for (let i = 0; i < 4 * 96 - 6; i++) shard.give("m", { ts: FIRST + i * 15 * MINUTE, value: i / 4 });
  shard.store();
  return shard;
}

test("every settled day is looked at, one after the other, and round again", async () => {
  const shard = await fourDays();
  try {
    await looked(shard, 9);
    const dates = shard.audited.map(({ from }) => calendarFor(MADRID).localDate(from));
    // The first reading stands at the beginning of the first day and belongs to the one before, which has no row; the last day is not over.
    const round = ["2026-03-27", "2026-03-28", "2026-03-29", "2026-03-30"];
    assert.deepEqual(dates.slice(0, 9), [...round, ...round, "2026-03-27"]);
    const lengths = shard.audited.slice(0, 4).map(({ from, to }) => (to + 1 - from) / HOUR);
    assert.deepEqual(lengths, [24, 24, 23, 24]);
    assert.equal(shard.auditor?.mismatches, 0);
    // A day of 24 hours: its readings, quarters, hours and itself; one of 23; and the very first reading.
    const whole = 96 + 96 + 24 + 1;
    const short = 92 + 92 + 23 + 1;
    assert.equal(shard.auditor?.rows, 2 * (1 + whole + short + whole) + 1);
    assert.deepEqual(shard.warnings, []);
  } finally {
    await shard.close();
  }
});

interface Planted {
  name: string;
  tamper(rows: StoredRows): StoredRows;
  /** The days that differ, and how the first warning goes on. */
  days: number;
  told: string;
}

const NOON = Date.parse("2026-03-29T12:00:00+02:00");
const noon = new Date(NOON).toISOString();

function reading(rows: StoredRows, ts: number, change: object): StoredRows {
  return { ...rows, readings: rows.readings.map((row) => (row.ts === ts ? { ...row, ...change } : row)) };
}

function period(rows: StoredRows, name: string, ts: number, change: object): StoredRows {
  const consumption = rows.consumption.map((row) => (row.period === name && row.ts === ts ? { ...row, ...change } : row));
  return { ...rows, consumption };
}

const planted: Planted[] = [
  {
    name: "a delta",
    tamper: (rows) => reading(rows, NOON, { delta: 0.251 }),
    days: 1,
    told: `reading ${noon}: delta is 0.251 and should be 0.25 (and 1 more)`,
  },
  {
    name: "a delta that is no whole number of units, too little to be seen in a sum of doubles",
    tamper: (rows) => reading(rows, NOON, { delta: 0.25 + 2 ** -52 }),
    days: 1,
    told: `reading ${noon}: delta is 0.2500000000000002 and should be 0.25`,
  },
  {
    name: "a flag",
    tamper: (rows) => reading(rows, NOON, { flags: Flag.BACKWARD }),
    days: 1,
    told: `reading ${noon}: flags is BACKWARD and should be none`,
  },
  {
    name: "an hour's value",
    tamper: (rows) => period(rows, "hour", NOON, { value: 1.1 }),
    days: 1,
    told: `hour ${noon}: value is 1.1 and should be 1 (and 2 more)`,
  },
  {
    name: "a quarter's coverage, readings and flags",
    tamper: (rows) => period(rows, "quarter", NOON, { coverage: 0.5, readings: 2, flags: Flag.PARTIAL }),
    days: 1,
    told: `quarter ${noon}: coverage is 0.5 and should be 1, readings is 2 and should be 1, flags is PARTIAL and should be none`,
  },
  {
    name: "a day's value that is NULL",
    tamper: (rows) => period(rows, "day", Date.parse("2026-03-29T00:00:00+01:00"), { value: null }),
    days: 1,
    told: "day 2026-03-28T23:00:00.000Z: value is NULL and should be 23 (and 2 more)",
  },
  {
    name: "an hour's row that is missing",
    tamper: (rows) => ({
      ...rows,
      consumption: rows.consumption.filter(({ period: name, ts }) => name !== "hour" || ts !== NOON),
    }),
    days: 1,
    told: `hour ${noon} is missing, its value should be 1 (and 2 more)`,
  },
  {
    name: "a row that should not be there",
    tamper: (rows) => {
      const extra = rows.consumption.find(({ period: name, ts }) => name === "hour" && ts === NOON)!;
      return { ...rows, consumption: [...rows.consumption, { ...extra, ts: NOON + 1 }] };
    },
    days: 1,
    told: "hour 2026-03-29T10:00:00.001Z is stored and should not be there (and 2 more)",
  },
  {
    name: "a raw value",
    tamper: (rows) => reading(rows, NOON, { value: 35.376 }),
    days: 1,
    // 100 units up to noon too many, and as many too few in the quarter after.
    told: "reading 2026-03-29T10:00:00.000Z: delta is 0.25 and should be ",
  },
  {
    name: "a raw value at the end of a day, which two days hang on",
    tamper: (rows) => reading(rows, Date.parse("2026-03-29T00:00:00+01:00"), { value: 24.001 }),
    days: 2,
    told: "reading 2026-03-28T23:00:00.000Z: delta is 0.25 and should be 0.251",
  },
  {
    name: "a reading that is gone",
    tamper: (rows) => ({ ...rows, readings: rows.readings.filter(({ ts }) => ts !== NOON) }),
    days: 1,
    told: "reading 2026-03-29T10:15:00.000Z: delta is 0.25 and should be 0.5",
  },
  {
    name: "a value that is NULL",
    tamper: (rows) => reading(rows, NOON, { value: Number.NaN }),
    days: 1,
    told: `reading ${noon} is stored without a value`,
  },
];

for (const { name, tamper, days, told } of planted) {
  test(`planted in the store, it is found, told once, and forgotten when it was put right: ${name}`, async () => {
    const shard = await fourDays();
    try {
      shard.tamper = tamper;
      await looked(shard, 30);
      assert.equal(shard.auditor?.mismatches, days);
      assert.equal(shard.warnings.length, days, shard.warnings.join("\n"));
      const warning = shard.warnings.find((text) => text.includes(told));
      assert.ok(warning !== undefined, shard.warnings.join("\n"));
      assert.match(warning, /^stored rows of meter "m" of acme on 2026-03-2[89] are not what follows from its readings: /);
      shard.tamper = (rows) => rows;
      await looked(shard, 30);
      assert.equal(shard.auditor?.mismatches, 0);
      assert.equal(shard.warnings.length, days);
    } finally {
      await shard.close();
    }
  });
}
