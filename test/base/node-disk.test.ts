import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { nodeDisk, unwritten } from "../../engine/base/node-disk.js";
import { Random } from "../support/random.js";

describe("the machine's disk", () => {
  let root = "";
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "meterstorm-disk-"));
  });
  after(() => rm(root, { recursive: true }));

  it("makes directories with their parents, and takes an existing one", async () => {
    await nodeDisk.makeDirectory(`${root}/a/b/c`);
    await nodeDisk.makeDirectory(`${root}/a/b/c`);
    assert.deepEqual(await nodeDisk.list(`${root}/a`), ["b"]);
    assert.deepEqual(await nodeDisk.list(`${root}/nowhere`), []);
  });

  it("appends pieces in order, however many, and reads them back whole and in part", async () => {
    const path = `${root}/many`;
    const all = new Random(3).bytes(40_000);
    const pieces: Uint8Array[] = [];
    for (let at = 0, i = 0; at < all.length; at += i % 40, i++) pieces.push(all.subarray(at, at + (i % 40)));
    assert.ok(pieces.length > 1024, "more pieces than one system call takes");
    const file = await nodeDisk.create(path);
    await file.append(pieces.slice(0, 1500));
    await file.append([]);
    await file.append(pieces.slice(1500));
    await file.sync();
    await file.close();
    await nodeDisk.syncDirectory(root);
    assert.equal(Buffer.compare((await nodeDisk.read(path))!, all), 0);
    assert.deepEqual(await nodeDisk.readAt(path, 100, 50), all.subarray(100, 150));
    assert.deepEqual(await nodeDisk.readAt(path, 39_990, 50), all.subarray(39_990));
    assert.deepEqual(await nodeDisk.readAt(path, 50_000, 50), new Uint8Array(0));
    assert.equal((await nodeDisk.readAt(path, 3, 50)).byteOffset, 0);
  });

  it("opens a file for writing over it from its beginning, going on where the last write ended, and grows it", async () => {
    const path = `${root}/reserved`;
    const made = await nodeDisk.create(path);
    await made.append([new Uint8Array(10)]);
    await made.sync();
    await made.close();
    const file = await nodeDisk.open(path);
    await file.append([new Uint8Array([1, 2]), new Uint8Array([3])]);
    await file.append([new Uint8Array([4, 5])]);
    await file.sync();
    assert.deepEqual([...(await nodeDisk.read(path))!], [1, 2, 3, 4, 5, 0, 0, 0, 0, 0]);
    await file.append([new Uint8Array([6, 7, 8, 9, 10, 11, 12])]);
    await file.close();
    assert.deepEqual([...(await nodeDisk.read(path))!], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    await assert.rejects(nodeDisk.open(`${root}/absent`), { code: "ENOENT" });
  });

  it("goes on at the right byte after a write that took only a part", () => {
    const pieces = [new Uint8Array([1, 2]), new Uint8Array([3]), new Uint8Array([4, 5, 6])];
    for (let written = 0; written <= 6; written++) {
      assert.deepEqual([...Buffer.concat(unwritten(pieces, written))], [1, 2, 3, 4, 5, 6].slice(written));
    }
    assert.deepEqual(unwritten(pieces, 3), [pieces[2]]);
    assert.deepEqual(unwritten(pieces, 6), []);
  });

  it("lists sorted, renames over, removes and cuts", async () => {
    const directory = `${root}/names`;
    await nodeDisk.makeDirectory(directory);
    for (const name of ["b", "a", "c"]) {
      const file = await nodeDisk.create(`${directory}/${name}`);
      await file.append([new TextEncoder().encode(`content of ${name}`)]);
      await file.close();
    }
    assert.deepEqual(await nodeDisk.list(directory), ["a", "b", "c"]);
    await nodeDisk.rename(`${directory}/a`, `${directory}/c`);
    await nodeDisk.remove(`${directory}/b`);
    await nodeDisk.truncate(`${directory}/c`, 7);
    assert.deepEqual(await nodeDisk.list(directory), ["c"]);
    assert.equal(String(Buffer.from((await nodeDisk.read(`${directory}/c`))!)), "content");
  });

  it("keeps the system's codes", async () => {
    assert.equal(await nodeDisk.read(`${root}/absent`), null);
    await assert.rejects(nodeDisk.readAt(`${root}/absent`, 0, 1), { code: "ENOENT" });
    await assert.rejects(nodeDisk.remove(`${root}/absent`), { code: "ENOENT" });
    await assert.rejects(nodeDisk.read(root), { code: "EISDIR" });
    const file = await nodeDisk.create(`${root}/once`);
    await file.close();
    await assert.rejects(nodeDisk.create(`${root}/once`), { code: "EEXIST" });
  });
});
