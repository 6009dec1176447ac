import assert from "node:assert/strict";
import test from "node:test";
import { defaultSettings, type MeterSettings } from "../../engine/base/settings.js";
import type { Input } from "../reference/history.js";
import { reference } from "../reference/reference.js";
import { MemoryShard } from "../support/memory-shard.js";

/*
 * Repairs of a long history begin at a reading whose row says that nothing of before matters any more. What says so must be what the row
 * says now, and nothing that the late input may change.
 */

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MIDNIGHT = Date.parse("2026-01-20T00:00Z");

/** Ten days of a register that counts one an hour, up to and without midnight; `without` leaves hours before it out. */
function tenDays(without: number): Input[] {
  return Array.from({ length: 240 }, (_, i) => ({ ts: MIDNIGHT - (240 - i) * HOUR_MS, value: i + 1 })).filter(
    ({ ts }) => ts !== MIDNIGHT - without * HOUR_MS,
  );
}

const after = (hours: number, value: number): Input => ({ ts: MIDNIGHT + hours * HOUR_MS, value });

async function endsAsReference(
  settings: MeterSettings,
  batches: readonly (readonly Input[])[],
  knownRecords?: number,
): Promise<void> {
  const shard = new MemoryShard(new Map([["m", settings]]), knownRecords);
  try {
    for (const batch of batches) {
      for (const input of batch) shard.give("m", input);
      await shard.settle();
    }
    const plain = (rows: unknown): unknown => JSON.parse(JSON.stringify(rows));
    assert.deepEqual(plain(shard.rowsOf("m")), plain(reference(settings, batches.flat())));
  } finally {
    await shard.close();
  }
}

test("a reading that was the newest when its row was read, and has turned out a peak since, is no place to judge from", async () => {
  const settings: MeterSettings = { ...defaultSettings("UTC"), periods: ["day"] };
  const peak = after(24, 10_000);
  await endsAsReference(settings, [
    [...tenDays(3), after(0, 241), after(6, 242), after(12, 243), peak],
    // Makes the newest records known, the peak among them.
    [{ ts: MIDNIGHT - 3 * HOUR_MS, value: 238 }],
    [after(30, 244), after(36, 246), after(37, 247), after(42, 248), after(48, 249)],
    [{ ts: MIDNIGHT + DAY_MS + 8 * HOUR_MS, value: 245 }],
  ]);
});

test("a late reading is the look-ahead of the reading before a withdrawn exchange", async () => {
  const settings: MeterSettings = { ...defaultSettings("UTC"), periods: ["hour"] };
  await endsAsReference(
    settings,
    [
      [
        ...tenDays(0),
        after(7, 248),
        after(15, 1_256),
        { ts: MIDNIGHT + 19 * HOUR_MS, exchange: null },
        after(27, 1_268),
        after(28, 1_269),
      ],
      // After it the reading before the exchange is a peak.
      [after(23, 264)],
    ],
    0,
  );
});

test("a repair that ends in the live state has seen all that reaches into its open periods", async () => {
  const settings: MeterSettings = { ...defaultSettings("UTC"), kind: "interval", interval: "1d", periods: ["quarter"] };
  // Daily values that come every few minutes: each reaches a day back.
  await endsAsReference(
    settings,
    [
      [...tenDays(0), after(23.5, 7_000), after(23.8, 1.7), after(24.1, 2), after(29.5, 3), after(35, 4)],
      // Adds nothing to any row but its own period's.
      [after(24.3, 0)],
      [after(38.3, 6)],
    ],
    0,
  );
});
