import assert from "node:assert/strict";
import { test } from "node:test";
import { runRecovery, smallRecovery } from "../../bench/recovery.js";

test("a small recovery reads a snapshot and the journal behind it, and goes on where the shard stood", async () => {
  const result = await runRecovery(smallRecovery);
  assert.deepEqual(result.wrong, []);
  assert.ok(result.snapshotBytes > smallRecovery.meters * 100, `${result.snapshotBytes} bytes`);
  assert.ok(result.replayedBytes > 0 && result.replayedBytes < result.journalBytes / 2, `${result.replayedBytes} bytes`);
  assert.ok(result.replayedReadings > 1000 && result.readingsPerSecond > 0);
});
