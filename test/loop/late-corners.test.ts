import assert from "node:assert/strict";
import test from "node:test";
import { defaultSettings, type MeterSettings } from "../../engine/base/settings.js";
import type { Input } from "../reference/history.js";
import { byIdentity, type MeterRows, rowsOf } from "../reference/meter-rows.js";
import { MemoryShard } from "../support/memory-shard.js";

/** Orders of arrival that a careful reader would not think of, each found by chance. */
interface Corner {
  name: string;
  settings?: Partial<MeterSettings>;
  arrivals: readonly Input[];
}

const at = (time: string) => Date.parse(`2026-01-${time}Z`);
const exchange = (time: string, final: number, start: number, rev = 0): Input => ({
  ts: at(time),
  exchange: { final, start },
  rev,
});
const withdrawn = (time: string): Input => ({ ts: at(time), exchange: null });
const reading = (time: string, value: number, rev = 0): Input => ({ ts: at(time), value, rev });

const corners: readonly Corner[] = [
  {
    name: "a withdrawn exchange of which nothing was declared, a day after the first reading",
    settings: { periods: ["day"] },
    arrivals: [reading("09T22:00", 0), reading("10T02:00", 0.003), withdrawn("10T06:00"), reading("10T10:00", 0)],
  },
  {
    name: "the same as a late batch",
    settings: { periods: ["day"] },
    arrivals: [reading("10T10:00", 0), reading("09T22:00", 0), reading("10T02:00", 0.003), withdrawn("10T06:00")],
  },
  {
    name: "a withdrawal that comes before the reading of its instant still stands against what is declared after",
    arrivals: [withdrawn("09T22:30"), reading("09T22:30", 0.003), exchange("09T22:30", 0, 0), reading("09T22:00", 0)],
  },
  {
    name: "the same amid readings",
    settings: { maxRate: 1000 },
    arrivals: [
      ...[reading("09T22:00", 500.4), reading("09T22:10", 500.5), withdrawn("09T22:20"), reading("09T22:20", 498.8)],
      ...[exchange("09T22:20", 500.6, 0), reading("09T22:30", 501), reading("09T22:25", 500.9)],
    ],
  },
  {
    name: "an exchange declared, withdrawn and declared again as the very first, at the end of an hour",
    arrivals: [
      ...[exchange("09T22:00", 5, 0), withdrawn("09T22:00"), exchange("09T22:00", 5, 0, 1)],
      ...[reading("09T22:10", 1), reading("09T23:10", 2), reading("09T23:20", 3)],
    ],
  },
  {
    name: "a correction of the second newest reading makes the one before it a spike",
    arrivals: [
      ...[reading("09T22:00", 56.85), reading("09T22:15", 1.342), reading("09T22:30", 46.276), reading("09T22:45", 46.3)],
      reading("09T22:30", 62.063, 1),
    ],
  },
  {
    name: "the same after a withdrawal behind it",
    arrivals: [
      ...[reading("09T22:00", 56.85), reading("09T22:15", 1.342), reading("09T22:30", 46.276)],
      ...[exchange("09T22:40", 46.3, 5), withdrawn("09T22:40"), reading("09T22:30", 62.063, 1), reading("09T23:00", 63)],
    ],
  },
  {
    name: "a correction behind an exchange of the same instant",
    arrivals: [
      ...[reading("09T22:00", 100), reading("09T22:15", 102), exchange("09T22:15", 103, 10), reading("09T22:15", 101, 1)],
      reading("09T22:30", 11),
    ],
  },
];

for (const { name, settings: given, arrivals } of corners) {
  for (const store of [false, true]) {
    test(`${name}${store ? ", each stored before the next" : ""}`, async () => {
      const settings = { ...defaultSettings("UTC"), ...given };
      const shard = new MemoryShard(new Map([["m", settings]]));
      try {
        for (const input of arrivals) {
          shard.give("m", input);
          if (store) await shard.settle();
        }
        await shard.settle();
        assert.deepEqual(rows(shard), byIdentity(rowsOf(settings, arrivals)));
      } finally {
        await shard.close();
      }
    });
  }
}

function rows(shard: MemoryShard): Map<string, string> {
  const orNull = (value: number) => (Number.isNaN(value) ? null : value);
  const exchanges: MeterRows["exchanges"] = shard
    .exchangesOf("m")
    .map(([ts, { final, start, rev }]) => ({ ts, final: orNull(final), start: orNull(start), rev }));
  return byIdentity({ ...shard.rowsOf("m"), exchanges });
}
