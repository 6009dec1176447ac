import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { StoreOutcome } from "../../engine/store/interface.js";
import { FEW_ROWS, isolate } from "../../workers/sinks/isolate.js";

/** Refuses what holds a bad row, by its line where it names one, and keeps what it took in order. */
function store(bad: ReadonlySet<number>, names: boolean) {
  const taken: number[] = [];
  const send = (from: number, to: number, without: ReadonlySet<number>): Promise<StoreOutcome> => {
    const rows = Array.from({ length: to - from }, (_, i) => from + i).filter((row) => !without.has(row));
    const first = rows.findIndex((row) => bad.has(row));
    if (first < 0) {
      taken.push(...rows);
      return Promise.resolve({ ok: true });
    }
    return Promise.resolve({ ok: false, kind: "refused", message: "bad", ...(names ? { line: first + 1 } : {}) });
  };
  return { taken, send };
}

test("exactly the rows that are refused by themselves are left out, all others arrive once and in order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 300 }),
      fc.uniqueArray(fc.nat(299), { maxLength: FEW_ROWS }),
      fc.boolean(),
      async (rows, some, names) => {
        const bad = new Set(some.filter((row) => row < rows));
        const { taken, send } = store(bad, names);
        const found = await isolate(rows, FEW_ROWS, send);
        assert.equal(found.failure, null);
        assert.deepEqual(
          found.rows.map(({ row }) => row),
          [...bad].sort((a, b) => a - b),
        );
        assert.deepEqual(
          taken,
          Array.from({ length: rows }, (_, row) => row).filter((row) => !bad.has(row)),
        );
      },
    ),
  );
});

test("more refused rows than are believed end it, and so does any other answer", async () => {
  const all = new Set(Array.from({ length: 100 }, (_, row) => row));
  for (const names of [true, false]) {
    const { taken, send } = store(all, names);
    const found = await isolate(100, FEW_ROWS, send);
    assert.equal(found.failure?.kind, "refused");
    assert.deepEqual(taken, []);
  }
  const found = await isolate(10, FEW_ROWS, () => Promise.resolve({ ok: false, kind: "doubtful", message: "cut" }));
  assert.equal(found.failure?.kind, "doubtful");
});
