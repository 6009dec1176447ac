import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { Flag } from "../../engine/base/flags.js";
import { defaultSettings, type MeterSettings } from "../../engine/base/settings.js";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../engine/base/zone.js";
import type { Input } from "../reference/history.js";
import { byIdentity, changedRows, type MeterRows, rowsOf } from "../reference/meter-rows.js";
import { MemoryShard } from "../support/memory-shard.js";
import { aSeries, inSomeOrder } from "../support/series-generator.js";
import { rowCount, saidBy, TakenInputs } from "./repair-rows.js";

const CADENCE_MS = 15 * MINUTE_MS;
const START_MS = Date.UTC(2025, 0, 1);
/** What a repair may read around its late input, whatever lies before and after. */
const MOST_ROWS_ASKED = 1000;
/** Days on both sides of a late input within which all that it changes must lie. */
const AROUND_MS = 15 * DAY_MS;

interface Late {
  name: string;
  settings?: Partial<MeterSettings>;
  /** The history as it comes in time, made of what a quiet meter sends: a value each quarter of an hour. */
  history?: (quiet: readonly Input[]) => Input[];
  late: Input;
  /** What it is there to show: flags that a row has after it and had not before, or the other way round. */
  gives?: [ts: number, flag: number];
  heals?: [ts: number, flag: number];
  rows?: number;
}

/** 10 days into the history, at 08:00. */
const AT = START_MS + 10 * DAY_MS + 8 * HOUR_MS;
const QUARTERS_BEFORE = (AT - START_MS) / CADENCE_MS;
const SEVEN_MINUTES = 7 * MINUTE_MS;

function quietMeter(days: number, settings: MeterSettings): Input[] {
  const isLevel = settings.kind !== "counter";
  return Array.from({ length: (days * DAY_MS) / CADENCE_MS }, (_, i) => ({
    ts: START_MS + i * CADENCE_MS,
    value: isLevel ? 20 + (i % 7) / 4 : 1000 + i / 8,
  }));
}

/** The register shows something else from AT on. */
function shifted(quiet: readonly Input[], by: number, from = AT): Input[] {
  return quiet.map((input) => (input.ts >= from && "value" in input ? { ...input, value: input.value + by } : input));
}

/** Its reading at an instant of the cadence. */
const valueAt = (ts: number) => 1000 + (ts - START_MS) / CADENCE_MS / 8;

const COUNTERS: readonly Late[] = [
  { name: "a plain one", late: { ts: AT + SEVEN_MINUTES, value: valueAt(AT) + 0.05 }, rows: 4 },
  { name: "a duplicate", late: { ts: AT, value: valueAt(AT) }, rows: 0 },
  { name: "a correction by rev", late: { ts: AT, value: valueAt(AT) - 0.02, rev: 1 }, gives: [AT, Flag.CONFLICT] },
  { name: "a correction that loses", late: { ts: AT, value: valueAt(AT) - 0.02 }, gives: [AT, Flag.CONFLICT] },
  {
    name: "one that turns its neighbour into a spike",
    history: (quiet) => shifted(quiet, 4000),
    late: { ts: AT + SEVEN_MINUTES, value: valueAt(AT) + 0.05 },
    gives: [AT, Flag.SPIKE],
  },
  {
    name: "one that is a spike itself",
    late: { ts: AT + SEVEN_MINUTES, value: 0 },
    gives: [AT + SEVEN_MINUTES, Flag.SPIKE],
  },
  {
    name: "one that heals a reset",
    // A dip of two readings, and nothing more until it is too late to be taken back.
    history: (quiet) =>
      quiet
        .filter(({ ts }) => ts < AT + 2 * CADENCE_MS || ts >= AT + 4 * HOUR_MS)
        .map((input) => (input.ts === AT || input.ts === AT + CADENCE_MS ? { ts: input.ts, value: 0 } : input)),
    late: { ts: AT + HOUR_MS, value: valueAt(AT + HOUR_MS) },
    gives: [AT + HOUR_MS, Flag.RESET],
  },
  {
    name: "one that makes a reset a spike",
    history: (quiet) => shifted(quiet, -valueAt(AT)),
    late: { ts: AT + SEVEN_MINUTES, value: valueAt(AT) + 0.05 },
    heals: [AT, Flag.RESET],
  },
  {
    name: "an exchange",
    history: (quiet) => shifted(quiet, 5 - valueAt(AT)),
    late: { ts: AT - SEVEN_MINUTES, exchange: { final: valueAt(AT) - 0.1, start: 4.9 } },
    heals: [AT, Flag.RESET],
  },
  {
    name: "a withdrawn exchange",
    history: (quiet) => {
      const declared = { ts: AT - SEVEN_MINUTES, exchange: { final: valueAt(AT) - 0.1, start: 4.9 } };
      return shifted(quiet, 5 - valueAt(AT)).toSpliced(QUARTERS_BEFORE, 0, declared);
    },
    late: { ts: AT - SEVEN_MINUTES, exchange: null },
    gives: [AT, Flag.RESET],
  },
  { name: "one before all others", late: { ts: START_MS - SEVEN_MINUTES, value: 999.9 }, heals: [START_MS, Flag.FIRST] },
  {
    name: "one that a rate forbids",
    settings: { maxRate: 40 },
    late: { ts: AT + SEVEN_MINUTES, value: valueAt(AT) + 500 },
    gives: [AT + SEVEN_MINUTES, Flag.SPIKE],
  },
  {
    name: "one at the end of a chain of steps back",
    // Every other reading a step lower than the one before, for half a day.
    history: (quiet) =>
      quiet.map((input, i) => {
        const inChain = input.ts >= AT && input.ts < AT + 12 * HOUR_MS;
        return inChain ? { ts: input.ts, value: Number((valueAt(AT) - (i % 2) / 1000).toFixed(3)) } : input;
      }),
    late: { ts: AT - SEVEN_MINUTES, value: valueAt(AT) + 0.001 },
  },
];

const OTHERS: readonly Late[] = (["interval", "power", "gauge"] as const).flatMap((kind) => {
  const settings = { kind, interval: CADENCE_MS };
  return [
    { name: `${kind}: a plain one`, settings, late: { ts: AT + SEVEN_MINUTES, value: 20.5 } },
    {
      ...{ name: `${kind}: one that was missing`, settings, late: { ts: AT, value: 20.5 } },
      history: (quiet: readonly Input[]) => quiet.filter(({ ts }) => ts !== AT),
    },
    { name: `${kind}: a duplicate`, settings, late: { ts: AT, value: 20 + (QUARTERS_BEFORE % 7) / 4 }, rows: 0 },
    { name: `${kind}: a correction by rev`, settings, late: { ts: AT, value: 3, rev: 2 }, gives: [AT, Flag.CONFLICT] },
    { name: `${kind}: one before all others`, settings, late: { ts: START_MS - SEVEN_MINUTES, value: 3 } },
  ];
});

/** Rows that differ because of a late input: found in what lies around it, where all of them must lie. */
function changedBy(settings: MeterSettings, history: readonly Input[], late: Input): Map<string, string> {
  const near = history.filter(({ ts }) => Math.abs(ts - late.ts) < AROUND_MS);
  const changed = changedRows(rowsOf(settings, near), rowsOf(settings, [...near, late]));
  for (const identity of changed.keys()) {
    const ts = Date.parse(identity.split(" ")[1]!);
    assert.ok(Math.abs(ts - late.ts) < AROUND_MS - 5 * DAY_MS, `${identity} is too far away to tell`);
  }
  return changed;
}

/** The late input comes after all that is in the history, and all of that is stored. */
async function repairWritesWhatDiffers(days: number, each: Late): Promise<void> {
  const settings = { ...defaultSettings("Europe/Madrid"), maxGapMs: 2 * HOUR_MS, ...each.settings };
  const quiet = quietMeter(days, settings);
  const history = each.history?.(quiet) ?? quiet;
  const shard = new MemoryShard(new Map([["m", settings]]));
  try {
    for (let from = 0; from < history.length; from += 500) {
      shard.giveAll(history.slice(from, from + 500).map((input) => ({ meter: "m", input })));
    }
    shard.store();
    await shard.settle();
    assert.equal(shard.rowsAsked, 0);
    const repairs: MeterRows[] = [];
    shard.onUnit = (unit) => {
      const said = saidBy(unit);
      if (said.isRepair) repairs.push(said.rows);
      else assert.equal(said.late, 1, "it is not late");
    };
    const before = byIdentity({ ...shard.rowsOf("m"), exchanges: [] });
    shard.give("m", each.late);
    await shard.settle();
    assert.equal(repairs.length, 1);
    const [rows] = repairs;
    const expected = changedBy(settings, history, each.late);
    assert.deepEqual(sorted(byIdentity(rows!)), sorted(expected));
    assert.equal(rowCount(rows!), expected.size, "a row is written twice");
    if (each.rows !== undefined) assert.equal(expected.size, each.rows);
    else assert.ok(expected.size >= 2 && expected.size < 100, `${expected.size} rows differ`);
    assert.ok(shard.rowsAsked > 0 && shard.rowsAsked < MOST_ROWS_ASKED, `${shard.rowsAsked} rows were read`);
    assertFlags(each, before, expected);
  } finally {
    await shard.close();
  }
}

function assertFlags({ gives, heals }: Late, before: Map<string, string>, after: Map<string, string>): void {
  const has = (rows: Map<string, string>, [ts, flag]: [number, number]) => {
    const row = rows.get(`reading ${new Date(ts).toISOString()}`);
    const { flags = 0 } = Object.fromEntries(JSON.parse(row ?? "[]") as [string, number][]) as { flags?: number };
    return (flags & flag) !== 0;
  };
  if (gives !== undefined) assert.deepEqual([has(before, gives), has(after, gives)], [false, true]);
  if (heals !== undefined) assert.deepEqual([has(before, heals), has(after, heals)], [true, false]);
}

function sorted(rows: Map<string, string>): [string, string][] {
  return [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
}

for (const each of [...COUNTERS, ...OTHERS]) {
  test(`a late input among two months writes the rows that differ and no others: ${each.name}`, () =>
    repairWritesWhatDiffers(61, each));
}

for (const each of [COUNTERS[0]!, COUNTERS[6]!, OTHERS[1]!, OTHERS[5]!]) {
  test(`among a year it writes and reads no more: ${each.name}`, () => repairWritesWhatDiffers(365, each));
}

type Happening = "store" | "turns" | "restart";

const arrivals = aSeries({ longGaps: false, changes: "some" }).chain(({ timeline, inputs }) =>
  fc.record({
    timeline: fc.constant(timeline),
    arrivals: inSomeOrder(inputs),
    happenings: fc.array(fc.constantFrom<Happening[]>("store", "turns", "turns", "restart"), { maxLength: 2 * inputs.length }),
    knownRecords: fc.constantFrom(10_000, 0),
  }),
);

test("whatever comes late, every repair writes exactly the rows that differ", async () => {
  let repairs = 0;
  await fc.assert(
    fc.asyncProperty(arrivals, async ({ timeline, arrivals, happenings, knownRecords }) => {
      const shard = new MemoryShard(new Map([["m", timeline]]), knownRecords);
      const inputs = new TakenInputs();
      let input: Input;
      shard.onUnit = (unit) => {
        const said = saidBy(unit);
        if (!said.isRepair) {
          inputs.came(input, said);
          return;
        }
        repairs++;
        const before = rowsOf(timeline, inputs.taken);
        inputs.mended(said);
        const expected = changedRows(before, rowsOf(timeline, inputs.taken));
        try {
          assert.deepEqual(sorted(byIdentity(said.rows)), sorted(expected));
          assert.equal(rowCount(said.rows), expected.size, "a row is written twice");
        } catch (error) {
          shard.failure = error;
          throw error;
        }
      };
      try {
        for (const [i, each] of arrivals.entries()) {
          input = each;
          shard.give("m", each);
          const happening = happenings[i];
          if (happening === "store") shard.store();
          else if (happening === "turns") await shard.turns(3);
          else if (happening === "restart") await shard.restart();
        }
        await shard.settle();
        if (shard.failure !== null) throw shard.failure;
        assert.equal(inputs.taken.length, arrivals.length);
      } finally {
        await shard.close();
      }
    }),
    { numRuns: Number(process.env["RUNS"] ?? 300) },
  );
  assert.ok(repairs > 100, `only ${repairs} repairs`);
});
