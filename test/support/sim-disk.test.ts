import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SimDisk } from "./sim-disk.js";

const text = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : Buffer.from(bytes).toString("latin1").replaceAll("\0", ".");
const bytes = (content: string): Uint8Array => new TextEncoder().encode(content);

/** What becomes of one history over many seeds. */
async function outcomes(history: (disk: SimDisk) => Promise<SimDisk>): Promise<Map<string | null, number>> {
  const seen = new Map<string | null, number>();
  for (let seed = 1; seed <= 400; seed++) {
    const found = text(await (await history(new SimDisk({ seed }))).read("d/file"));
    seen.set(found, (seen.get(found) ?? 0) + 1);
  }
  return seen;
}

describe("the simulated disk", () => {
  it("keeps what was synced, name and content", async () => {
    const seen = await outcomes(async (disk) => {
      const file = await disk.create("d/file");
      await file.append([bytes("one"), bytes("two")]);
      await file.sync();
      await disk.syncDirectory("d");
      return disk.crash();
    });
    assert.deepEqual([...seen], [["onetwo", 400]]);
  });

  it("may keep, lose, tear or reorder what was not", async () => {
    const seen = await outcomes(async (disk) => {
      const file = await disk.create("d/file");
      await disk.syncDirectory("d");
      await file.append([bytes("synced;")]);
      await file.sync();
      await file.append([bytes("one;")]);
      await file.append([bytes("two;")]);
      assert.equal(text(await disk.read("d/file")), "synced;one;two;");
      return disk.crash();
    });
    for (const expected of ["synced;", "synced;one;", "synced;one;two;", "synced;....two;", "synced;on", "synced;....tw"]) {
      assert.ok((seen.get(expected) ?? 0) > 0, `${expected} among ${[...seen.keys()].join(" ")}`);
    }
    for (const found of seen.keys()) assert.match(found ?? "", /^synced;/);
  });

  it("may lose the name of a synced file, and undo a rename or a removal", async () => {
    const created = await outcomes(async (disk) => {
      const file = await disk.create("d/file");
      await file.append([bytes("new")]);
      await file.sync();
      return disk.crash();
    });
    assert.deepEqual([...created.keys()].sort(), ["new", null].sort());
    const renamed = await outcomes(async (disk) => {
      disk.put("d/file", bytes("old"));
      disk.put("d/other", bytes("new"));
      await disk.rename("d/other", "d/file");
      return disk.crash();
    });
    assert.deepEqual([...renamed.keys()].sort(), ["new", "old"]);
    const removed = await outcomes(async (disk) => {
      disk.put("d/file", bytes("old"));
      await disk.remove("d/file");
      assert.equal(await disk.read("d/file"), null);
      return disk.crash();
    });
    assert.deepEqual([...removed.keys()].sort(), [null, "old"].sort());
  });

  it("loses after a failed sync what later syncs say is safe", async () => {
    const seen = await outcomes(async (disk) => {
      const file = await disk.create("d/file");
      await disk.syncDirectory("d");
      await file.append([bytes("a")]);
      disk.failNext("sync");
      await assert.rejects(file.sync(), { code: "EIO" });
      await file.append([bytes("b")]);
      await file.sync();
      assert.equal(text(await disk.read("d/file")), "ab");
      return disk.kill().crash();
    });
    assert.deepEqual([...seen.keys()].sort(), [".b", "ab"]);
  });

  it("is full at its capacity, having taken what fits", async () => {
    const disk = new SimDisk({ capacityBytes: 5 });
    const file = await disk.create("d/file");
    await file.append([bytes("abc")]);
    await assert.rejects(file.append([bytes("def")]), { code: "ENOSPC" });
    assert.equal(text(await disk.read("d/file")), "abcde");
    await disk.truncate("d/file", 2);
    assert.equal(disk.usedBytes(), 2);
  });

  it("writes over what is there from the beginning, and a write that is torn or lost leaves what was there", async () => {
    const seen = await outcomes(async (disk) => {
      disk.put("d/file", bytes("......".replaceAll(".", "\0")));
      const file = await disk.open("d/file");
      await file.append([bytes("a"), bytes("b")]);
      await file.sync();
      await file.append([bytes("c")]);
      await file.append([bytes("d")]);
      assert.equal(text(await disk.read("d/file")), "abcd..");
      return disk.crash();
    });
    assert.deepEqual([...seen.keys()].sort(), ["ab....", "ab.d..", "abc...", "abcd.."]);
  });

  it("grows beyond the end of what was opened, where alone that takes room", async () => {
    const disk = new SimDisk({ capacityBytes: 5 });
    disk.put("d/file", new Uint8Array(4));
    const file = await disk.open("d/file");
    await file.append([bytes("abc")]);
    await assert.rejects(file.append([bytes("def")]), { code: "ENOSPC" });
    assert.equal(text(await disk.read("d/file")), "abcde");
    await assert.rejects(disk.open("d/absent"), { code: "ENOENT" });
    assert.equal(disk.openFiles, 1);
    await file.close();
    assert.deepEqual([disk.openFiles, disk.underWay], [0, 0]);
  });

  it("takes nothing more once it has crashed", async () => {
    const disk = new SimDisk();
    const file = await disk.create("d/file");
    const next = disk.kill();
    let answered = false;
    const note = (): void => {
      answered = true;
    };
    file.append([bytes("late")]).then(note, note);
    for (let i = 0; i < 50; i++) await Promise.resolve();
    assert.equal(answered, false);
    assert.equal(text(await next.read("d/file")), "");
  });
});
