import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SimDisk } from "../support/sim-disk.js";
import { opened, small } from "./opened.js";
import { concat, gathered, unit } from "./units.js";

const paths = ["j/journal-0000000000000000.seg", "j/journal-0000000000000160.seg", "j/journal-0000000000000320.seg"] as const;
const units = [1, 2, 3, 4, 5, 6].map((number) => unit(number));
const fileBytes = 64 + 2 * 120;

/** What each of three files holds: two groups of one unit of 80 bytes each. */
async function threeFiles(): Promise<Uint8Array[]> {
  const disk = new SimDisk();
  const { journal } = await opened(disk, "j", { segmentBytes: fileBytes, reserve: false });
  for (const each of units) {
    journal.append(each);
    await journal.committed(journal.appended);
  }
  assert.deepEqual(disk.paths(), paths);
  return paths.map((path) => disk.bytes(path));
}

function withZeros(bytes: Uint8Array, count: number): Uint8Array {
  return concat([bytes, new Uint8Array(count)]);
}

function diskOf(files: readonly Uint8Array[]): SimDisk {
  const disk = new SimDisk();
  for (const [i, bytes] of files.entries()) disk.put(paths[i]!, bytes);
  return disk;
}

describe("recovery of files that were reserved", () => {
  it("reads zeros as the end of a file, the last one or an earlier one, and cuts them", async () => {
    const files = await threeFiles();
    for (const counts of [
      [0, 0, 8],
      [0, 0, 5000],
      [5000, 0, 0],
      [0, 40, 0],
      [1, 3, 7],
      [5000, 39, 41],
    ]) {
      const disk = diskOf(files.map((bytes, i) => withZeros(bytes, counts[i]!)));
      const { journal } = await opened(disk, "j", small);
      assert.deepEqual(await gathered(journal.replay(0)), concat(units), counts.join());
      assert.equal(journal.bytesOnDisk, disk.usedBytes());
      for (const path of paths.slice(0, 2)) assert.equal(disk.bytes(path).length, fileBytes);
      const again = (await opened(disk.crash(), "j", small)).journal;
      assert.deepEqual(await gathered(again.replay(0)), concat(units));
    }
  });

  it("gives the name of a file back of which nothing but zeros became safe", async () => {
    const files = await threeFiles();
    for (const last of [new Uint8Array(5000), new Uint8Array(64), withZeros(files[2]!.subarray(0, 30), 5000)]) {
      const disk = diskOf([withZeros(files[0]!, 10), withZeros(files[1]!, 5000), last]);
      const { journal } = await opened(disk, "j", small);
      assert.deepEqual(await gathered(journal.replay(0)), concat(units.slice(0, 4)));
      assert.ok(!disk.paths().includes(paths[2]));
      journal.append(unit(9));
      await journal.committed(journal.appended);
      const again = (await opened(disk.crash(), "j", small)).journal;
      assert.deepEqual(await gathered(again.replay(0)), concat([...units.slice(0, 4), unit(9)]));
    }
    const fresh = diskOf([new Uint8Array(5000)]);
    assert.equal((await opened(fresh, "j")).journal.durable, 0);
    assert.deepEqual(fresh.paths(), []);
  });

  it("cuts an end that is torn before zeros, at any byte", async () => {
    const files = await threeFiles();
    for (let cut = 0; cut <= fileBytes; cut++) {
      const disk = diskOf([files[0]!, files[1]!, withZeros(files[2]!.subarray(0, cut), 5000)]);
      const { journal } = await opened(disk, "j", small);
      // The last byte of the last unit is a zero itself, as is much else.
      const kept = units.slice(0, journal.durable / 80);
      assert.ok(kept.length >= (cut < 64 + 120 ? 4 : cut < fileBytes ? 5 : 6), `${kept.length} units, cut at ${cut}`);
      assert.ok(kept.length <= (cut < 64 + 70 ? 4 : cut < 64 + 190 ? 5 : 6), `${kept.length} units, cut at ${cut}`);
      assert.deepEqual(await gathered(journal.replay(0)), concat(kept));
    }
  });

  it("takes a hole in the last group for what it is, with zeros behind it too", async () => {
    const disk = new SimDisk();
    const { journal } = await opened(disk, "j", { ...small, segmentBytes: 1 << 16 });
    const large = [unit(1), unit(2, 8), unit(3, 8), unit(4, 8)];
    journal.append(large[0]!);
    await journal.committed(journal.appended);
    journal.append(concat(large.slice(1)));
    await journal.committed(journal.appended);
    const bytes = disk.bytes(paths[0]).slice();
    bytes.fill(0, 64 + 120 + 10, 64 + 120 + 200);
    const torn = diskOf([withZeros(bytes, 5000)]);
    assert.deepEqual(await gathered((await opened(torn, "j", small)).journal.replay(0)), large[0]);
  });

  it("still tells damage: a flipped bit before what is known to be safe, or zeros where units were", async () => {
    const files = await threeFiles();
    const zeroed = files.map((bytes) => withZeros(bytes, 5000));
    for (const [i, path] of paths.entries()) {
      // The last group of the last file alone is not known to be safe.
      const end = i === 2 ? 64 + 120 : fileBytes;
      for (let offset = 0; offset < end; offset++) {
        const disk = diskOf(zeroed);
        disk.flip(path, offset, offset % 8);
        await assert.rejects(opened(disk, "j", small), { code: "journal_damaged" }, `${path} at ${offset}`);
      }
    }
    for (const [i, path] of paths.slice(0, 2).entries()) {
      for (const from of [0, 64, 64 + 120, fileBytes - 40]) {
        const bytes = zeroed[i]!.slice();
        bytes.fill(0, from);
        const disk = diskOf(zeroed);
        disk.put(path, bytes);
        await assert.rejects(
          opened(disk, "j", small),
          { code: "journal_damaged", message: / (is|are) lost/ },
          `${path} from ${from}`,
        );
      }
    }
  });

  it("goes through 64 MiB of zeros in a few large reads", async () => {
    const [bytes] = await threeFiles();
    const disk = diskOf([withZeros(bytes!, 64 * 1024 * 1024)]);
    let reads = 0;
    const inner = disk.readAt.bind(disk);
    disk.readAt = (path, offset, length) => {
      reads++;
      return inner(path, offset, length);
    };
    const { journal } = await opened(disk, "j");
    assert.equal(journal.durable, 160);
    assert.ok(reads < 30, `${reads} reads`);
  });
});
