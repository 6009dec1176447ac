import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { Disk } from "../../engine/base/disk.js";
import type { MeterstormError } from "../../engine/base/errors.js";
import { nodeDisk } from "../../engine/base/node-disk.js";
import { Journal } from "../../workers/journal/journal.js";
import type { JournalOptions } from "../../workers/journal/journal.js";
import { SimClock } from "../support/sim-clock.js";
import { SimDisk } from "../support/sim-disk.js";
import { concat, gathered, unit } from "./units.js";

interface Opened {
  journal: Journal;
  durable: number[];
  failed: MeterstormError[];
}

async function opened(disk: Disk, directory: string, options: Partial<JournalOptions> = {}): Promise<Opened> {
  const durable: number[] = [];
  const failed: MeterstormError[] = [];
  const journal = await Journal.open({
    disk,
    clock: new SimClock(),
    directory,
    onDurable: (position) => durable.push(position),
    onFailed: (error) => failed.push(error),
    ...options,
  });
  return { journal, durable, failed };
}

/** Runs the same test on the real disk and on a simulated one. */
function onBothDisks(name: string, run: (disk: Disk, directory: string) => Promise<void>): void {
  it(`${name} (real disk)`, async () => {
    const directory = await mkdtemp(join(tmpdir(), "meterstorm-journal-"));
    try {
      await run(nodeDisk, directory);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
  it(`${name} (simulated disk)`, () => run(new SimDisk({ maxTurns: 3 }), "data/shard-0"));
}

const small = { blockBytes: 512, segmentBytes: 4096, memoryBytes: 2048 };

describe("journal", () => {
  onBothDisks("gives back what was committed, in the same run and after a restart", async (disk, directory) => {
    const units = [unit(1), unit(2, 3), unit(3, 0)];
    const all = concat(units);
    const { journal, durable } = await opened(disk, directory);
    assert.equal(journal.durable, 0);
    assert.equal(journal.append(concat(units.slice(0, 2))), units[0]!.length + units[1]!.length);
    assert.equal(journal.append(units[2]!), all.length);
    assert.equal(journal.appended, all.length);
    await journal.committed(all.length);
    assert.deepEqual(durable, [all.length]);
    assert.deepEqual(await gathered(journal.replay(0)), all);
    await journal.close();

    const again = await opened(disk, directory);
    assert.equal(again.journal.durable, all.length);
    assert.equal(again.journal.appended, all.length);
    assert.deepEqual(await gathered(again.journal.replay(0)), all);
    assert.deepEqual(await gathered(again.journal.replay(units[0]!.length)), all.subarray(units[0]!.length));
    const more = unit(4, 2);
    again.journal.append(more);
    await again.journal.committed(again.journal.appended);
    assert.deepEqual(await gathered(again.journal.replay(0)), concat([all, more]));
    await again.journal.close();
    assert.deepEqual((await disk.list(directory)).length, 2);
  });

  onBothDisks("rolls into new files, and reads the same from memory and from disk", async (disk, directory) => {
    const units = Array.from({ length: 300 }, (_, i) => unit(i + 1, i % 5));
    const roomy = await opened(disk, directory, { ...small, memoryBytes: 1 << 20 });
    for (const [i, each] of units.entries()) {
      roomy.journal.append(each);
      if (i % 3 === 2) await roomy.journal.committed(roomy.journal.appended);
    }
    const all = concat(units);
    const fromMemory = await readAll(roomy.journal, 300);
    await roomy.journal.close();
    const { journal } = await opened(disk, directory, small);
    const fromDisk = await readAll(journal, 300);
    assert.deepEqual(concat(fromMemory), all);
    assert.deepEqual(concat(fromDisk), all);
    for (const pieces of [fromMemory, fromDisk]) for (const piece of pieces) assert.equal(piece.byteOffset % 8, 0);
    const names = (await disk.list(directory)).filter((name) => name.endsWith(".seg"));
    assert.ok(names.length > 5, `${names.length} files`);
    let size = 0;
    for (const name of names) size += (await disk.read(`${directory}/${name}`))?.length ?? 0;
    assert.equal(journal.bytesOnDisk, size);
    await journal.close();
  });
});

async function readAll(journal: Journal, maxBytes: number): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  for (let at = 0; at < journal.durable; ) {
    const { pieces, end } = await journal.read(at, maxBytes);
    assert.equal(end, at + pieces.reduce((sum, piece) => sum + piece.length, 0));
    assert.ok(end > at);
    assert.ok(end - at <= maxBytes || pieces.length === 1);
    all.push(...pieces);
    at = end;
  }
  return all;
}
