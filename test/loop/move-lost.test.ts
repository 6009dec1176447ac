import assert from "node:assert/strict";
import { test } from "node:test";
import { createRing, RingConsumer, RingProducer } from "../../engine/memory/ring.js";
import { moveShards } from "../../workers/loop/move-shards.js";
import { type OpenShard, openShard } from "../../workers/loop/open-shard.js";
import { NoSink } from "../../workers/sinks/none.js";
import { acme, give } from "../doctor/shard-maker.js";
import { SimClock } from "../support/sim-clock.js";
import { SimDisk } from "../support/sim-disk.js";
import { SIZES } from "./move-shards-of.js";

const KEEP_MS = 60_000;

/** A disk with one old shard, of which everything is moved to one new shard; `keeps`: the old one still kept its rows. */
async function moved(keeps: boolean): Promise<{ disk: SimDisk; open: () => Promise<OpenShard> }> {
  const [clock, disk] = [new SimClock(), new SimDisk({ seed: 1, maxTurns: 0 })];
  const open = (directory: string) =>
    openShard({
      ...{ clock, disk, directory, name: "shard 0 of 1", plans: [acme], splitTenants: new Set<string>(), sizes: SIZES },
      ...{ input: new RingConsumer(createRing(65_536)), output: new RingProducer(createRing(65_536)), claims: null },
      ...{ ack: "durable" as const, journalMaxBytes: 1 << 25, journalKeepMs: KEEP_MS, audits: false, succession: null },
      isHome: () => true,
      onDurable: () => undefined,
      openSink: () => new NoSink(),
      onFailed: (error) => assert.fail(error),
      random: () => 0.5,
      warn: () => undefined,
    });
  const old = await open("old");
  for (let seq = 1; seq <= 3; seq++) await give(old, seq, 50);
  await old.journal.close();
  const most = keeps ? 1 << 25 : 0;
  let isOver = false;
  const moving = moveShards(
    { shards: 1, spread: {}, directories: ["old"] },
    { shards: 1, spread: {}, directories: ["new"] },
    { plans: [acme], journalMaxBytes: most, journalKeepMs: KEEP_MS, sizes: SIZES },
    {
      ...{ clock, disk, openSink: () => new NoSink(), tell: () => Promise.resolve() },
      ...{ progress: () => undefined, warn: (text) => assert.fail(text) },
    },
  ).finally(() => {
    isOver = true;
  });
  for (let round = 0; !isOver && round < 1_000; round++) {
    for (let i = 0; i < 30; i++) await Promise.resolve();
    clock.advance(20);
  }
  await moving;
  return { disk, open: () => open("new") };
}

for (const keeps of [true, false]) {
  test(`a shard that was moved ${keeps ? "with rows" : "without any row"} does not start without the snapshot that alone says what it is`, async () => {
    const { disk, open } = await moved(keeps);
    const whole = await open();
    assert.equal(whole.applier.directory.meterCount, 1);
    await whole.journal.close();
    const snapshots = disk.paths().filter((path) => path.startsWith("new/snapshot-"));
    assert.equal(snapshots.length, 1);
    await disk.remove(snapshots[0]!);
    await assert.rejects(open(), { code: "journal_gap" });
  });
}
