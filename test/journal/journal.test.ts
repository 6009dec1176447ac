import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { Disk } from "../../engine/base/disk.js";
import { nodeDisk } from "../../engine/base/node-disk.js";
import type { Journal } from "../../workers/journal/journal.js";
import { SimDisk } from "../support/sim-disk.js";
import { opened, small } from "./opened.js";
import { concat, gathered, unit } from "./units.js";

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

/** Reads everything from `from` on, checking what every single read promises. */
async function readAll(journal: Journal, maxBytes: number, from = 0): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  for (let at = from; at < journal.durable; ) {
    const { pieces, end } = await journal.read(at, maxBytes);
    assert.equal(end, at + pieces.reduce((sum, piece) => sum + piece.length, 0));
    assert.ok(end > at, "a read below the end returns a unit");
    assert.ok(end - at <= maxBytes || pieces.length === 1, "more than asked for only where one unit is larger");
    for (const piece of pieces) assert.equal(piece.byteOffset % 8, 0);
    all.push(...pieces);
    at = end;
  }
  return all;
}

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
    const names = ["journal-0000000000000000.seg", `journal-${String(all.length).padStart(16, "0")}.seg`];
    assert.deepEqual(await disk.list(directory), names);
  });

  onBothDisks("rolls into new files, and reads the same from memory and from disk", async (disk, directory) => {
    const units = Array.from({ length: 300 }, (_, i) => unit(i + 1, i % 5));
    const { journal } = await opened(disk, directory, { ...small, memoryBytes: 1 << 20 });
    for (const [i, each] of units.entries()) {
      journal.append(each);
      if (i % 3 === 2) await journal.committed(journal.appended);
    }
    const fromMemory = await readAll(journal, 300);
    await journal.close();
    const again = (await opened(disk, directory, small)).journal;
    for (const maxBytes of [1, 300, 5000, 1 << 20]) assert.deepEqual(concat(await readAll(again, maxBytes)), concat(units));
    assert.deepEqual(concat(fromMemory), concat(units));
    const names = await disk.list(directory);
    assert.ok(names.length > 5, `${names.length} files`);
    let size = 0;
    for (const name of names) {
      const bytes = (await disk.read(`${directory}/${name}`))?.length ?? 0;
      assert.ok(bytes <= small.segmentBytes + 40, `${name} has ${bytes} bytes`);
      size += bytes;
    }
    assert.equal(again.bytesOnDisk, size);
    await again.close();
  });

  onBothDisks("keeps units larger than a block whole, alone or among others", async (disk, directory) => {
    const units = [unit(1), unit(2, 100), unit(3), unit(4, 40), unit(5, 11), unit(6, 12), unit(7, 3)];
    const all = concat(units);
    const { journal } = await opened(disk, directory, { ...small, memoryBytes: 1 << 20 });
    journal.append(all);
    await journal.committed(all.length);
    assert.deepEqual(concat(await readAll(journal, 600)), all);
    await journal.close();
    const again = (await opened(disk, directory, small)).journal;
    assert.deepEqual(concat(await readAll(again, 600)), all);
    let at = 0;
    for (const each of units) {
      assert.deepEqual(await again.read(at, 1), { pieces: [each], end: at + each.length });
      at += each.length;
    }
    await again.close();
  });

  it("drops the oldest units from memory and reads them back from the disk, whatever is read meanwhile", async () => {
    const { journal } = await opened(new SimDisk(), "j", small);
    const units = Array.from({ length: 100 }, (_, i) => unit(i + 1, 2));
    const first = unit(0, 2);
    journal.append(first);
    await journal.committed(journal.appended);
    const lent = await journal.read(0, 1);
    for (const each of units) {
      journal.append(each);
      await journal.committed(journal.appended);
      assert.ok(journal.bytesHeld <= small.memoryBytes, `${journal.bytesHeld} bytes are held`);
    }
    assert.deepEqual(lent.pieces, [first], "what a reader was given stays as it was");
    assert.ok(journal.read(0, 1) instanceof Promise);
    assert.ok(!(journal.read(journal.durable - units[99]!.length, 1) instanceof Promise));
    assert.deepEqual(concat(await readAll(journal, 1000)), concat([first, ...units]));
    journal.released(journal.durable);
    assert.ok(journal.bytesHeld <= small.blockBytes);
    assert.deepEqual(concat(await readAll(journal, 1000)), concat([first, ...units]));
  });

  it("holds what is not durable yet, however much it is", async () => {
    const { journal } = await opened(new SimDisk(), "j", small);
    const units = Array.from({ length: 100 }, (_, i) => unit(i + 1, 2));
    for (const each of units) journal.append(each);
    assert.ok(journal.bytesHeld > small.memoryBytes);
    assert.deepEqual(journal.read(0, 1000), { pieces: [], end: 0 });
    await journal.committed(journal.appended);
    assert.ok(journal.bytesHeld <= small.memoryBytes);
    assert.deepEqual(concat(await readAll(journal, 1000)), concat(units));
  });

  it("commits in groups: what gathers while one is in flight becomes the next, with one sync each", async () => {
    const disk = new SimDisk();
    const { journal, durable } = await opened(disk, "j");
    const ends: number[] = [];
    for (let i = 0; i < 10; i++) {
      ends.push(journal.append(unit(i + 1)));
      journal.commit();
    }
    const uncommitted = journal.append(unit(11));
    await journal.committed(ends[9]!);
    // `committed` asks for everything that was appended by then.
    assert.deepEqual(durable, [ends[0], uncommitted]);
    assert.deepEqual([disk.calls.append, disk.calls.sync, disk.calls.create], [2, 2, 1]);
    journal.commit();
    journal.commit();
    assert.equal(disk.calls.append, 2, "nothing new costs nothing");
  });

  for (const fault of ["append", "sync", "create", "syncDirectory"] as const) {
    it(`reports a failed ${fault} once, and nothing as durable after it`, async () => {
      const disk = new SimDisk();
      const { journal, durable, failed } = await opened(disk, "j", { segmentBytes: 200, reserve: false });
      journal.append(unit(1));
      await journal.committed(journal.appended);
      const safe = journal.durable;
      disk.failNext(fault);
      journal.append(unit(2));
      const waiting = journal.committed(journal.appended);
      journal.append(unit(3));
      journal.commit();
      await assert.rejects(waiting, { code: "journal_failed" });
      await assert.rejects(journal.committed(journal.appended), { code: "journal_failed" });
      journal.commit();
      assert.throws(() => journal.append(unit(4)), { code: "journal_failed" });
      await assert.rejects(async () => journal.committed(journal.appended), { code: "journal_failed" });
      await journal.close();
      assert.deepEqual(durable, [safe]);
      assert.equal(journal.durable, safe);
      assert.equal(failed.length, 1);
      assert.match(failed[0]!.message, /could not be written: EIO.*Everything before position 80 is safe/);
      assert.deepEqual(await gathered(journal.replay(0)), unit(1), "what is durable can still be read");
    });
  }

  it("stops on a full disk and goes on after a restart with room", async () => {
    const disk = new SimDisk({ capacityBytes: 1000 });
    const { journal, failed } = await opened(disk, "j");
    const units: Uint8Array[] = [];
    while (journal.failure === null) {
      units.push(unit(units.length + 1, 3));
      journal.append(units.at(-1)!);
      await journal.committed(journal.appended).catch(() => {});
    }
    assert.match(failed[0]!.message, /ENOSPC/);
    assert.equal((failed[0]!.cause as NodeJS.ErrnoException).code, "ENOSPC");
    const next = disk.kill();
    next.capacityBytes = 10_000;
    const again = (await opened(next, "j", { upTo: journal.durable })).journal;
    assert.deepEqual(await gathered(again.replay(0)), concat(units.slice(0, -1)));
  });

  it("deletes only files that are wholly released, old enough and not the newest", async () => {
    const disk = new SimDisk();
    const { journal, clock } = await opened(disk, "j", { segmentBytes: 200, reserve: false });
    const ends: number[] = [];
    for (let i = 0; i < 5; i++) {
      ends.push(journal.append(unit(i + 1, 1)));
      await journal.committed(journal.appended);
      clock.advance(1000);
    }
    const [one, two, , , five] = ends;
    assert.equal(disk.paths().length, 5);
    const size = journal.bytesOnDisk;
    assert.equal(await journal.release(two! - 8, 0), 1);
    assert.equal(journal.first, one);
    assert.equal(journal.bytesOnDisk, size - size / 5);
    assert.equal(await journal.release(five!, 2500), 2, "the fourth was written 2 s ago");
    assert.deepEqual(await Promise.all([journal.release(five!, 0), journal.release(five!, 0)]), [1, 0]);
    assert.equal(disk.paths().length, 1);
    assert.equal(journal.first, ends[3]);
    const old = await opened(disk, "j");
    assert.equal(old.journal.durable, five, "the stream goes on where it was");
    await assert.rejects(async () => old.journal.read(0, 1), {
      code: "journal_position",
      message: /240 was|320 to 400; 0 was asked for/,
    });
  });

  it("remembers over a restart when a file was last written", async () => {
    const disk = new SimDisk();
    const { journal, clock } = await opened(disk, "j", { segmentBytes: 200 });
    for (let i = 0; i < 3; i++) {
      journal.append(unit(i + 1));
      await journal.committed(journal.appended);
    }
    clock.advance(500);
    const again = (await opened(disk.kill(), "j", { clock })).journal;
    assert.equal(await again.release(again.durable, 501), 0);
    assert.equal(await again.release(again.durable, 500), 2);
  });
});
