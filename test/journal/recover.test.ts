import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { crc32 } from "node:zlib";
import { SimDisk } from "../support/sim-disk.js";
import { turns } from "./crash-run.js";
import { opened, small } from "./opened.js";
import { concat, gathered, unit } from "./units.js";

const first = "j/journal-0000000000000000.seg";

interface Made {
  disk: SimDisk;
  units: Uint8Array[];
  /** Where units end that end a block: position, and byte in the file. */
  ends: { position: number; offset: number }[];
}

/** One file: two groups, the second of several blocks, its last unit larger than a block. */
async function oneFile(): Promise<Made> {
  const disk = new SimDisk();
  const { journal } = await opened(disk, "j", { ...small, segmentBytes: 1 << 20 });
  const units = [unit(1, 2), unit(2), unit(3, 9), unit(4, 8), unit(5, 7), unit(6, 30)];
  journal.append(concat(units.slice(0, 2)));
  await journal.committed(journal.appended);
  journal.append(concat(units.slice(2)));
  await journal.committed(journal.appended);
  const payloads = [concat(units.slice(0, 2)), ...units.slice(2)].map((bytes) => bytes.length);
  const ends = [{ position: 0, offset: 64 }];
  for (const bytes of payloads) {
    const { position, offset } = ends.at(-1)!;
    const blocks = Math.ceil(bytes / (small.blockBytes - 40));
    ends.push({ position: position + bytes, offset: offset + bytes + blocks * 40 });
  }
  assert.equal(disk.bytes(first).length, ends.at(-1)!.offset);
  return { disk, units, ends };
}

function whole(made: Made, position: number): Uint8Array {
  return concat(made.units).subarray(0, position);
}

describe("recovery of the journal", () => {
  it("cuts a tail torn at any byte, to the last whole unit, and goes on from there", async () => {
    const made = await oneFile();
    const file = made.disk.bytes(first);
    const more = unit(99, 3);
    for (let cut = 0; cut <= file.length; cut++) {
      // Torn in three ways: the file ends there, zeros follow, garbage follows. Nothing whole follows that a later sync would prove.
      for (const filler of [null, 0, 0x5a]) {
        const torn = filler === null ? file.slice(0, cut) : file.slice();
        if (filler !== null) torn.fill(filler, cut);
        const disk = new SimDisk();
        disk.put(first, torn);
        const { journal } = await opened(disk, "j", small);
        const same = filler === null ? cut : commonPrefix(file, torn);
        const expected = made.ends.findLast((end) => end.offset <= same)?.position ?? 0;
        assert.equal(journal.durable, expected, `cut at ${cut}, filled with ${filler}`);
        assert.deepEqual(await gathered(journal.replay(0)), whole(made, expected));
        journal.append(more);
        await journal.committed(journal.appended);
        const again = (await opened(disk.crash(), "j", small)).journal;
        assert.deepEqual(await gathered(again.replay(0)), concat([whole(made, expected), more]));
      }
    }
  });

  it("takes a hole in the last group for what it is: never acknowledged", async () => {
    const made = await oneFile();
    const [, afterFirst, second] = made.ends;
    const torn = made.disk.bytes(first);
    torn.fill(0, afterFirst!.offset, second!.offset);
    const disk = new SimDisk();
    disk.put(first, torn);
    const { journal } = await opened(disk, "j", small);
    assert.deepEqual(await gathered(journal.replay(0)), whole(made, afterFirst!.position));
  });

  it("refuses damage that whole, later-written blocks follow, and says what is lost", async () => {
    const made = await oneFile();
    made.disk.flip(first, 64 + 40 + 5, 3);
    await assert.rejects(opened(made.disk, "j", small), {
      code: "journal_damaged",
      message: new RegExp(
        `^The journal file ${first} is damaged at byte 64: positions 0 to ${made.ends[1]!.position} are lost, while a whole`,
      ),
    });
  });

  it("detects every flipped bit of a journal that was closed in good order", async () => {
    const disk = new SimDisk();
    const { journal } = await opened(disk, "j", { ...small, segmentBytes: 600 });
    for (let i = 0; i < 4; i++) {
      journal.append(unit(i + 1, i * 4));
      await journal.committed(journal.appended);
    }
    const all = await gathered(journal.replay(0));
    await journal.close();
    const paths = disk.paths();
    assert.equal(paths.length, 3);
    let refused = 0;
    for (const path of paths) {
      const size = disk.bytes(path).length;
      for (let offset = 0; offset < size; offset++) {
        for (let bit = 0; bit < 8; bit++) {
          const copy = new SimDisk();
          for (const each of paths) copy.put(each, disk.bytes(each));
          copy.flip(path, offset, bit);
          const outcome = await opened(copy, "j", small).catch((error: { code: string }) => error.code);
          if (typeof outcome === "string") {
            assert.equal(outcome, "journal_damaged");
            refused++;
            continue;
          }
          // The mark of a good end holds no units: without it nothing is lost.
          assert.ok(
            path === paths.at(-1) && offset >= size - 40,
            `a flip of bit ${bit} at byte ${offset} of ${path} was not seen`,
          );
          assert.deepEqual(await gathered(outcome.journal.replay(0)), all);
        }
      }
    }
    assert.ok(refused > 1000);
  });

  it("detects a bit that flips after the start, on the read that meets it", async () => {
    const made = await oneFile();
    const { journal } = await opened(made.disk, "j", small);
    made.disk.flip(first, 64 + 40 + 9, 1);
    await assert.rejects(gathered(journal.replay(0)), { code: "journal_damaged", message: /the block at position 0 was whole/ });
  });

  it("refuses a missing file between others, and a file that stands alone without what it held", async () => {
    const disk = new SimDisk();
    const { journal } = await opened(disk, "j", { segmentBytes: 200 });
    for (let i = 0; i < 3; i++) {
      journal.append(unit(i + 1));
      await journal.committed(journal.appended);
    }
    const [one, two, three] = disk.paths();
    const holed = new SimDisk();
    holed.put(one!, disk.bytes(one!));
    holed.put(three!, disk.bytes(three!));
    await assert.rejects(opened(holed, "j"), {
      code: "journal_damaged",
      message: /ends at position 80 and the next file begins at 160/,
    });
    const alone = new SimDisk();
    alone.put(two!, disk.bytes(two!).subarray(0, 70));
    await assert.rejects(opened(alone, "j"), { code: "journal_damaged", message: /everything from position 80 on is lost/ });
    const renamed = new SimDisk();
    renamed.put(two!, disk.bytes(three!));
    await assert.rejects(opened(renamed, "j"), { code: "journal_damaged", message: /by its name .* 80, by its header at 160/ });
  });

  it("refuses another version and another shard's files, in words", async () => {
    const disk = new SimDisk();
    const { journal } = await opened(disk, "j", { shard: "shard-3" });
    journal.append(unit(1));
    await journal.committed(journal.appended);
    await assert.rejects(opened(disk, "j", { shard: "shard-4" }), {
      code: "journal_foreign",
      message: /"shard-3", not to "shard-4"/,
    });

    const file = disk.bytes(first);
    const view = new DataView(file.buffer);
    view.setUint32(8, 7, true);
    view.setUint32(60, crc32(file.subarray(0, 60)), true);
    const newer = new SimDisk();
    newer.put(first, file);
    await assert.rejects(opened(newer, "j", { shard: "shard-3" }), {
      code: "journal_version",
      message: /version 7; this program reads version 2/,
    });
  });

  it("drops what came after the position that a predecessor reported", async () => {
    const made = await oneFile();
    const [, afterFirst] = made.ends;
    const kept = afterFirst!.position;
    const { journal } = await opened(made.disk.kill(), "j", { ...small, upTo: kept });
    assert.equal(journal.durable, kept);
    const other = unit(77, 4);
    journal.append(other);
    await journal.committed(journal.appended);
    assert.deepEqual(await gathered(journal.replay(0)), concat([whole(made, kept), other]));
  });

  it("drops whole files after that position, and refuses to start when it is not reached", async () => {
    const disk = new SimDisk();
    const { journal } = await opened(disk, "j", { segmentBytes: 200 });
    for (let i = 0; i < 3; i++) {
      journal.append(unit(i + 1));
      await journal.committed(journal.appended);
    }
    const next = disk.kill();
    await assert.rejects(opened(next, "j", { upTo: 248 }), {
      code: "journal_damaged",
      message: /ends at position 240, but was durable up to 248/,
    });
    assert.equal((await opened(next, "j", { upTo: 80 })).journal.durable, 80);
    assert.deepEqual(next.paths(), [first]);
    assert.equal((await opened(next, "j", { upTo: 0 })).journal.durable, 0);
    assert.deepEqual(next.paths(), []);
  });

  it("writes again what a failed sync may have left in the cache only", async () => {
    for (let seed = 1; seed <= 50; seed++) {
      const disk = new SimDisk({ seed });
      const { journal, failed } = await opened(disk, "j");
      journal.append(unit(1));
      await journal.committed(journal.appended);
      disk.failNext("sync");
      journal.append(unit(2));
      await journal.committed(journal.appended).catch(() => {});
      assert.equal(failed.length, 1);
      const restarted = disk.kill();
      const again = (await opened(restarted, "j")).journal;
      const { durable } = again;
      const after = (await opened(restarted.crash(), "j")).journal;
      assert.equal(after.durable, durable, `seed ${seed}`);
      assert.deepEqual(await gathered(after.replay(0)), concat([unit(1), unit(2)]), `seed ${seed}`);
    }
  });

  it("may itself be killed at any turn and then lose power", async () => {
    const expected = concat([unit(1), unit(2), unit(3)]);
    let unsettled = 0;
    for (let killedAfter = 0; killedAfter < 120; killedAfter++) {
      for (let seed = 1; seed <= 8; seed++) {
        const disk = new SimDisk({ seed });
        const { journal } = await opened(disk, "j");
        for (const number of [1, 2, 3]) {
          journal.append(unit(number));
          await journal.committed(journal.appended);
        }
        const restarted = disk.kill();
        let done = false;
        opened(restarted, "j").then(
          () => {
            done = true;
          },
          () => {},
        );
        await turns(killedAfter);
        if (!done) unsettled++;
        const third = restarted.kill();
        assert.equal((await opened(third, "j")).journal.durable, expected.length);
        const { journal: last } = await opened(third.crash(), "j");
        assert.deepEqual(await gathered(last.replay(0)), expected, `killed after ${killedAfter} turns, seed ${seed}`);
      }
    }
    assert.ok(unsettled > 100 && unsettled < 120 * 8, `${unsettled} recoveries were cut short`);
  });
});

function commonPrefix(a: Uint8Array, b: Uint8Array): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return at;
}
