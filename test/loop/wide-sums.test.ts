import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultSettings } from "../../engine/base/settings.js";
import { MeterBook } from "../../workers/state/book.js";
import type { Input } from "../reference/history.js";
import { reference } from "../reference/reference.js";
import { tablesOf } from "../state/tables.js";
import { MemoryShard } from "../support/memory-shard.js";

const START_MS = Date.UTC(2026, 0, 10, 0, 5);
const MINUTE_MS = 60_000;
const at = (i: number) => START_MS + i * 10 * MINUTE_MS;

/** A register that counts, within a day, from one end of what is taken to the other: so much is more than one double holds. */
function units(): number[] {
  const all = [-(2 ** 53)];
  for (let i = 1; i < 160; i++) all.push(i < 128 ? all[i - 1]! + 2 ** 47 + 1 : all[i - 1]!);
  return all;
}

for (const decimals of [0, 3]) {
  const settings = { ...defaultSettings("UTC"), decimals, step: 10 ** -decimals };
  const values = units().map((each) => each / 10 ** decimals);

  for (const snapshotAt of [-1, 100]) {
    for (const late of [false, true]) {
      test(`a day's energy beyond 2^53 units comes out the same after a restart: ${decimals} decimals, snapshot at ${snapshotAt}, ${late ? "one late" : "in order"}`, async () => {
        const shard = new MemoryShard(new Map([["m", settings]]));
        for (const [i, value] of values.entries()) {
          if (late && i === 10) continue;
          if (late && i === 30) {
            shard.give("m", { ts: at(10), value: values[10]! });
            await shard.settle();
          }
          if (i === snapshotAt) {
            shard.store();
            shard.snapshot();
          }
          shard.give("m", { ts: at(i), value });
        }
        await shard.settle();
        await shard.restart();
        await shard.settle();
        assert.equal(shard.failure, null);
      });
    }
  }

  test(`a day's energy beyond 2^53 units is what the rules say: ${decimals} decimals`, () => {
    const inputs: Input[] = values.map((value, i) => ({ ts: at(i), value }));
    const book = new MeterBook(1);
    book.open(0, settings);
    const { consumption } = tablesOf(book, 0, inputs).rows();
    const right = reference(settings, inputs).consumption;
    assert.ok(right.some(({ value }) => value !== null && value * 10 ** decimals > 2 ** 53));
    assert.deepEqual(consumption, right);
  });
}

test("lines of three days are spread as the rules say", () => {
  const periods = ["hour" as const];
  const settings = { ...defaultSettings("UTC"), kind: "power" as const, decimals: 0, step: 1, multiplier: 7_200_000 };
  for (let k = 0; k < 300; k++) {
    const given = { ...settings, maxGapMs: 72 * 3_600_000, periods };
    const from = Date.UTC(2026, 0, 1) + 12_345 + k * 77_777;
    const inputs: Input[] = [
      { ts: from, value: 1000 + k * 7 },
      { ts: from + given.maxGapMs - 1 - k, value: 3 + k * k },
    ];
    const book = new MeterBook(1);
    book.open(0, given);
    assert.deepEqual(tablesOf(book, 0, inputs).rows().consumption, reference(given, inputs).consumption);
  }
});
