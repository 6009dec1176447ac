import assert from "node:assert/strict";
import { mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { QuestDbConnection } from "../../engine/store/questdb-http.js";
import { ensureTables } from "../../engine/store/questdb-tables.js";
import { questDbSkip, startQuestDb } from "../support/questdb.js";
import { until } from "../support/servers.js";
import { SmallDisk } from "../support/small-disk.js";
import { addressOf, FedStore } from "./fed-store.js";

/** All but so much of what is free is taken. */
function fill(path: string, leaveBytes: number): void {
  const { bavail, bsize } = statfsSync(path);
  const piece = Buffer.alloc(1 << 20);
  for (let left = Number(bavail) * bsize - leaveBytes; left > 0; left -= piece.length) {
    writeFileSync(join(path, "ballast"), piece.subarray(0, Math.min(left, piece.length)), { flag: "a" });
  }
}

test("a store whose disk is full: told, nothing counts as stored that it does not show, and all is there once it has room", {
  skip: questDbSkip() || SmallDisk.skip(),
}, async (t) => {
  const disk = SmallDisk.mount(400);
  const dataDir = join(disk.path, "questdb");
  mkdirSync(dataDir);
  const options = { dataDir, env: { QDB_DEV_MODE_ENABLED: "true" } };
  let server = await startQuestDb(options);
  t.after(async () => {
    await server.kill();
    disk.unmount();
  });
  const connection = new QuestDbConnection(addressOf(server.httpUrl));
  t.after(() => connection.close());
  await ensureTables(connection);
  const fed = await FedStore.open(server.httpUrl);
  t.after(() => fed.close());
  await fed.feedMore(100);
  await fed.whole();

  fill(disk.path, 256 * 1024);
  await until("the store is in trouble", 20_000, async () => {
    await fed.feedMore(2_000);
    await fed.neverAhead().catch((error: unknown) => {
      // A server that has died of it cannot be asked.
      if (error instanceof assert.AssertionError) throw error;
    });
    return fed.pump.trouble !== "";
  });
  const stored = fed.pump.position;
  assert.ok(stored < fed.journal.durable);
  t.diagnostic(fed.troubles[0] ?? "");
  assert.match(fed.troubles.join("\n"), /errno\D+28|No space left|is suspended|no answer to a write|did not answer/);

  rmSync(join(disk.path, "ballast"));
  const isAlive = await connection.query("SELECT 1").then(
    () => true,
    () => false,
  );
  if (!isAlive) {
    await server.kill();
    server = await startQuestDb({ ...options, port: server.port });
  }
  const states = await connection.query("SELECT name FROM wal_tables() WHERE suspended");
  for (const [name] of states) await connection.query(`ALTER TABLE ${String(name)} RESUME WAL`);
  await fed.whole(20_000);
});
