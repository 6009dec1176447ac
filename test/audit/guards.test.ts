import assert from "node:assert/strict";
import test from "node:test";
import { MeterstormError } from "../../engine/base/errors.js";
import { defaultSettings } from "../../engine/base/settings.js";
import { MemoryShard, type StoredRows } from "../support/memory-shard.js";
import { looked } from "./looked.js";

const HOUR = 3_600_000;
const FIRST = Date.parse("2026-01-01T00:00:00Z");
const WRONG = (rows: StoredRows): StoredRows => ({ ...rows, consumption: rows.consumption.map((row) => ({ ...row, value: 7 })) });

/** Three days of hourly readings of each meter, stored; the auditor has not looked at anything yet. */
async function threeDays(random: () => number = () => 0, meters: readonly string[] = ["m"]): Promise<MemoryShard> {
  const shard = new MemoryShard(new Map([["*", defaultSettings("UTC")]]));
  for (const meter of meters) for (let i = 0; i <= 74; i++) shard.give(meter, { ts: FIRST + HOUR + i * HOUR, value: i });
  shard.store();
  shard.audit(random);
  await shard.restart();
  return shard;
}

function daysOf(shard: MemoryShard): [meter: string, day: number][] {
  return shard.audited.map(({ meter, from }) => [shard.applier.directory.meter(meter), (from - FIRST) / (24 * HOUR)]);
}

test("what is only there once is nothing: a difference counts when a second look finds it too", async () => {
  const shard = await threeDays();
  let reads = 0;
  shard.tamper = (rows) => (++reads <= 2 ? WRONG(rows) : rows);
  await looked(shard, 4);
  assert.deepEqual(shard.warnings, []);
  assert.deepEqual(daysOf(shard).slice(0, 3), [
    ["m", 0],
    ["m", 0],
    ["m", 1],
  ]);
  await shard.close();
});

test("a look is thrown away when a repair of its meter comes in between", async () => {
  const shard = await threeDays();
  shard.tamper = (rows) => {
    shard.auditor?.changed(0);
    return WRONG(rows);
  };
  await shard.turns(300);
  assert.ok(shard.audited.length > 10);
  assert.deepEqual([shard.warnings, shard.auditor?.days], [[], 0]);
  shard.tamper = (rows) => {
    shard.auditor?.changed(1);
    return WRONG(rows);
  };
  await looked(shard, 3);
  assert.equal(shard.auditor?.mismatches, 3, "a repair of another meter is none of its business");
  await shard.close();
});

test("nothing is asked while late inputs wait or the store is in trouble, and goes on after that", async () => {
  const shard = await threeDays();
  await looked(shard, 1);
  shard.give("other", { ts: FIRST + 4 * HOUR, value: 1 });
  shard.give("other", { ts: FIRST + 5 * HOUR, value: 1 });
  shard.give("other", { ts: FIRST + 6 * HOUR, value: 1 });
  shard.give("other", { ts: FIRST, value: 1 });
  // A look may be under way; the repair waits for the store, which takes nothing.
  await shard.turns(50);
  const asked = shard.audited.length;
  await shard.turns(300);
  assert.equal(shard.audited.length, asked);
  await shard.settle();
  shard.store();
  await looked(shard, 2);
  assert.ok(shard.audited.length > asked);
  assert.deepEqual(shard.warnings, []);
  await shard.close();
});

test("a store that does not answer is asked again later, and nothing is concluded from it", async () => {
  const shard = await threeDays();
  let refused = 0;
  shard.tamper = () => {
    refused++;
    throw new MeterstormError("store_unavailable", "gone");
  };
  await shard.turns(200);
  assert.ok(refused > 1);
  assert.deepEqual([shard.auditor?.days, shard.auditor?.mismatches, shard.warnings], [0, 0, []]);
  shard.tamper = (rows) => rows;
  await looked(shard, 3);
  assert.deepEqual([shard.auditor?.days, shard.auditor?.mismatches, shard.warnings], [3, 0, []]);
  await shard.close();
});

test("it ends, and says so, when something went wrong that is no answer of a store", async () => {
  const shard = await threeDays();
  shard.tamper = () => {
    throw new Error("out of order");
  };
  await shard.turns(100);
  assert.deepEqual(shard.warnings, ["the audit of stored rows has ended until the next start: out of order"]);
  await shard.close();
});

test("meters take turns, each goes on with the day after its last one; where it begins is left to chance", async () => {
  const shard = await threeDays(() => 0.5, ["a", "b", "c"]);
  await looked(shard, 9);
  assert.deepEqual(daysOf(shard).slice(0, 9), [
    ["b", 1],
    ["c", 1],
    ["a", 1],
    ["b", 2],
    ["c", 2],
    ["a", 2],
    ["b", 0],
    ["c", 0],
    ["a", 0],
  ]);
  await shard.close();
});

test("a register that is never in order is left out where it would have to be judged from long ago", async () => {
  const shard = new MemoryShard(new Map([["*", defaultSettings("UTC")]]));
  const count = 50 * 24 * 60;
  // Below its high-water mark ever since: no row says where that stands.
  const inputs = Array.from({ length: count }, (_, i) => ({
    meter: "m",
    input: { ts: FIRST + HOUR + i * 60_000, value: i === 0 ? 5 : 4.999 - (i % 2) / 1000 },
  }));
  shard.giveAll(inputs);
  shard.store();
  shard.audit(() => 0.99);
  await shard.restart();
  await looked(shard, 1);
  const asked = daysOf(shard).map(([, day]) => day);
  assert.deepEqual(asked.slice(0, 5), [49, 49, 49, 49, 0]);
  assert.deepEqual([shard.auditor?.days, shard.warnings], [1, []]);
  await shard.close();
});
