import assert from "node:assert/strict";
import { test } from "node:test";
import { EntryWriter } from "../../engine/base/entries.js";
import { Applier } from "../../workers/loop/applier.js";
import { SnapshotKeeper } from "../../workers/loop/snapshot-keeper.js";
import { opened, small } from "../journal/opened.js";
import { unit } from "../journal/units.js";
import { SimDisk } from "../support/sim-disk.js";

const MINUTE_MS = 60_000;
const KEEP_MS = 15 * MINUTE_MS;

/** A journal of several files, all of it durable, and who lets go of them; `store.position` is what the store has. */
async function keeping(maxBytes = 1 << 20) {
  const disk = new SimDisk();
  const { journal, clock } = await opened(disk, "shard", { ...small, reserve: false });
  const applier = new Applier([], new EntryWriter());
  applier.told.from = Number.POSITIVE_INFINITY;
  const store = { position: 0 };
  const options = { disk, clock, directory: "shard", journal, applier, keepMs: KEEP_MS, maxBytes, position: 0 };
  const keeper = new SnapshotKeeper({ ...options, stored: () => store.position });
  for (let i = 1; i <= 60; i++) await journal.committed(journal.append(unit(i, 10)));
  /** Written as one more is taken, and time passes. */
  const write = async () => {
    const written = keeper.write(store.position);
    let isOver = false;
    void written.then(() => {
      isOver = true;
    });
    for (let i = 0; i < 1000 && !isOver; i++) {
      await Promise.resolve();
      if (i % 50 === 0) clock.advance(1);
    }
    await written;
    assert.equal(keeper.trouble, "");
  };
  return { journal, clock, store, keeper, write };
}

test("what the store was away for is kept as long behind its answer as all else", async () => {
  const { journal, clock, store, keeper, write } = await keeping();
  await write();
  // Away for longer than anything is kept.
  for (let minute = 0; minute < 60; minute++) {
    clock.advance(MINUTE_MS);
    await keeper.release(store.position);
  }
  store.position = journal.durable;
  await keeper.release(store.position);
  for (let minute = 0; minute < 14; minute++) {
    clock.advance(MINUTE_MS);
    await keeper.release(store.position);
    assert.equal(journal.first, 0, `${minute + 1} minutes after the store has it, it is not kept any more`);
  }
  clock.advance(2 * MINUTE_MS);
  await keeper.release(store.position);
  assert.ok(journal.first > 0, "it is kept for ever");
});

test("a store that loses what it had begins to have it anew", async () => {
  const { journal, clock, store, keeper, write } = await keeping();
  await write();
  store.position = journal.durable;
  await keeper.release(store.position);
  clock.advance(KEEP_MS - MINUTE_MS);
  store.position = 0;
  await keeper.release(store.position);
  store.position = journal.durable;
  await keeper.release(store.position);
  clock.advance(2 * MINUTE_MS);
  await keeper.release(store.position);
  assert.equal(journal.first, 0);
  clock.advance(KEEP_MS);
  await keeper.release(store.position);
  assert.ok(journal.first > 0);
});

test("what the store lost while a snapshot was written is not let go of at its end", async () => {
  // Short of room: what nobody needs goes at once.
  const { journal, store, keeper, write } = await keeping(10_000);
  store.position = journal.durable;
  keeper.sliceBytes = 1;
  const writing = write();
  store.position = 0;
  await writing;
  assert.equal(keeper.position, journal.durable);
  assert.equal(journal.first, 0);
});
