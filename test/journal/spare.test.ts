import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { nodeDisk } from "../../engine/base/node-disk.js";
import { dressedDisk } from "../support/dressed-disk.js";
import { SimDisk } from "../support/sim-disk.js";
import { turns } from "./crash-run.js";
import { type Opened, opened } from "./opened.js";
import { concat, gathered, unit } from "./units.js";

const spare = "j/journal.spare";
const first = "j/journal-0000000000000000.seg";
/** A unit of one reading, and what its group takes in a file. */
const unitBytes = unit(1).length;
const groupBytes = unitBytes + 40;

async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!(await condition())) {
    assert.ok(performance.now() < endMs, `${what} did not come`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function write({ journal }: Opened, ...numbers: number[]): Promise<void> {
  for (const number of numbers) {
    journal.append(unit(number));
    await journal.committed(journal.appended);
  }
}

function sizes(disk: SimDisk): Record<string, number> {
  return Object.fromEntries(disk.paths().map((path) => [path, disk.bytes(path).length]));
}

/** A journal with one file of three groups, and the next one reserved. */
async function readyToRoll(disk: SimDisk): Promise<Opened> {
  const made = await opened(disk, "j", { segmentBytes: 64 + 3 * groupBytes });
  await write(made, 1, 2, 3);
  await turns(100);
  assert.equal(disk.bytes(spare).length, 64 + 3 * groupBytes);
  return made;
}

describe("the file that the journal reserves", () => {
  for (const [name, onDisk] of [
    ["real disk", null],
    ["simulated disk", new SimDisk({ maxTurns: 3 })],
  ] as const) {
    it(`is written over, cut once the next one is durable, and gone after a close (${name})`, async () => {
      const directory = onDisk === null ? await mkdtemp(join(tmpdir(), "meterstorm-spare-")) : "data/shard-0";
      let isReady = false;
      const disk = dressedDisk(onDisk ?? nodeDisk, {}, (file, at) => ({
        close: async () => {
          await file.close();
          if (at.endsWith(".spare")) isReady = true;
        },
      }));
      const segmentBytes = 64 + 3 * groupBytes;
      const path = (number: number) => `${directory}/journal-${String(number * 3 * unitBytes).padStart(16, "0")}.seg`;
      const size = async (file: string) => (await disk.read(file))?.length ?? -1;
      try {
        const made = await opened(disk, directory, { segmentBytes });
        await write(made, 1, 2, 3);
        await until(async () => isReady, "the spare");
        assert.equal(await size(`${directory}/journal.spare`), segmentBytes);
        assert.equal(made.journal.bytesOnDisk, 2 * segmentBytes);
        await write(made, 4);
        assert.equal(await size(path(1)), segmentBytes, "zeros follow the first group");
        const rest = (await disk.read(path(1)))?.subarray(64 + groupBytes);
        assert.ok(rest?.length === 2 * groupBytes && rest.every((byte) => byte === 0));
        await write(made, 5);
        // A large one ends the file early.
        made.journal.append(unit(6, 4));
        await made.journal.committed(made.journal.appended);
        await until(async () => (await size(path(1))) === 64 + 2 * groupBytes, "the cut");
        const all = await gathered(made.journal.replay(0));
        await made.journal.close();
        assert.deepEqual(all, concat([1, 2, 3, 4, 5].map((number) => unit(number)).concat(unit(6, 4))));
        const names = await disk.list(directory);
        assert.equal(names.length, 3, names.join(" "));
        const sum = (await Promise.all(names.map((each) => size(`${directory}/${each}`)))).reduce((a, b) => a + b, 0);
        assert.equal(sum, 3 * 64 + 5 * groupBytes + unit(6, 4).length + 40 + 40);
        assert.equal(made.journal.bytesOnDisk, sum);
        assert.deepEqual(await gathered((await opened(disk, directory)).journal.replay(0)), all);
      } finally {
        if (onDisk === null) await rm(directory, { recursive: true });
      }
    });
  }

  it("keeps pace with the journal: soon there for the first file, which is left then, later twice as far as the present one is filled", async () => {
    const disk = new SimDisk();
    const made = await opened(disk, "j", { segmentBytes: 4000 });
    const seen: number[] = [];
    for (let number = 1; number <= 20; number++) {
      await write(made, number);
      await turns(100);
      seen.push(sizes(disk)[spare] ?? 0);
      assert.equal(made.journal.bytesOnDisk, disk.usedBytes(), "what is reserved counts");
    }
    // 184 bytes after the first group of a file, 120 more with each.
    assert.deepEqual(
      seen,
      [2000, 4000, 0, 0, 0, 1000, 1000, 1000, 1000, 2000, 2000, 2000, 2000, 3000, 3000, 3000, 3000, 3000, 4000, 4000],
    );
    assert.equal(disk.calls.create, 3);

    const idle = new SimDisk();
    await opened(idle, "j");
    await turns(100);
    assert.deepEqual(sizes(idle), {});
  });

  it("is not waited for: a file is made when none is ready", async () => {
    const disk = new SimDisk();
    const never = dressedDisk(disk, {}, (_file, path) => (path === spare ? { sync: () => new Promise<void>(() => {}) } : {}));
    const made = await opened(never, "j", { segmentBytes: 64 + groupBytes });
    await write(made, 1, 2, 3);
    assert.deepEqual(
      made.durable,
      [1, 2, 3].map((count) => count * unitBytes),
    );
    assert.equal(disk.calls.open, 0);
  });

  it("is left out when nobody wants it", async () => {
    const disk = new SimDisk();
    const made = await opened(disk, "j", { segmentBytes: 64 + groupBytes, reserve: false });
    await write(made, 1, 2, 3);
    await turns(100);
    assert.deepEqual([disk.calls.create, disk.calls.open, disk.calls.rename, disk.calls.truncate], [3, 0, 0, 0]);
    assert.equal(disk.paths().length, 3);
  });

  for (const at of ["create", "append", "sync"] as const) {
    for (const code of ["ENOSPC", "EIO"]) {
      it(`costs the journal nothing when its ${at} fails with ${code}, and is tried again with the next file`, async () => {
        const disk = new SimDisk();
        const made = await opened(disk, "j", { segmentBytes: 64 + 2 * groupBytes });
        // The first one is for the first file.
        disk.failNext(at, 1, code);
        await write(made, 1);
        await turns(100);
        assert.match(made.journal.reserveTrouble, new RegExp(`^${code}: injected`));
        assert.deepEqual(sizes(disk), { [first]: 64 + groupBytes });
        assert.equal(made.journal.bytesOnDisk, disk.usedBytes());
        await write(made, 2);
        await turns(100);
        assert.deepEqual(sizes(disk), { [first]: 64 + 2 * groupBytes }, "not again for this file");
        await write(made, 3);
        await turns(100);
        assert.equal(made.journal.reserveTrouble, "");
        assert.equal(disk.bytes(spare).length, 64 + 2 * groupBytes);
        await write(made, 4, 5);
        assert.equal(disk.calls.open, 1);
        assert.deepEqual(made.failed, []);
        await made.journal.close();
      });
    }
  }

  it("gives back what it took of a disk that is full", async () => {
    const disk = new SimDisk();
    const made = await opened(disk, "j", { segmentBytes: 64 + 2 * groupBytes });
    disk.capacityBytes = 64 + groupBytes + 100;
    await write(made, 1);
    await turns(100);
    assert.match(made.journal.reserveTrouble, /^ENOSPC/);
    assert.equal(disk.usedBytes(), 64 + groupBytes);
    disk.capacityBytes = 10_000;
    await write(made, 2, 3);
    assert.deepEqual(made.failed, []);
  });

  for (const fault of ["rename", "open", "append", "sync", "syncDirectory"] as const) {
    it(`ends the journal when the first write to it meets a failing ${fault}, with nothing open; the next one goes on`, async () => {
      const disk = new SimDisk();
      const made = await readyToRoll(disk);
      disk.failNext(fault);
      made.journal.append(unit(4));
      await assert.rejects(made.journal.committed(made.journal.appended), { code: "journal_failed" });
      await turns(100);
      assert.equal(disk.openFiles, 0);
      await made.journal.close();
      assert.equal(disk.underWay, 0);
      assert.equal(await made.journal.release(made.journal.durable, 0), 0, "it deletes nothing under its successor");
      const { durable } = made.journal;
      assert.equal(durable, 3 * unitBytes);
      const again = await opened(disk, "j", { upTo: durable, segmentBytes: 64 + 3 * groupBytes });
      assert.equal(again.journal.bytesOnDisk, disk.usedBytes());
      assert.deepEqual(disk.paths(), [first]);
      await write(again, 5, 6, 7, 8);
      const last = await opened(disk.crash(), "j");
      assert.deepEqual(await gathered(last.journal.replay(0)), concat([1, 2, 3, 5, 6, 7, 8].map((number) => unit(number))));
    });
  }

  it("is no matter to a successor, however much of it a failed predecessor has in the works", async () => {
    let halves = 0;
    for (let after = 0; after < 40; after++) {
      const disk = new SimDisk({ seed: after + 1, maxTurns: 2 });
      const made = await opened(disk, "j", { segmentBytes: 64 + 3 * groupBytes });
      await write(made, 1);
      made.journal.append(unit(2));
      made.journal.commit();
      // Whatever it meets, file or spare: the journal has failed or goes on with the loss of a spare.
      disk.failNext("append");
      await turns(after);
      await made.journal.committed(made.journal.appended).catch(() => {});
      const { durable, failure } = made.journal;
      if (failure === null) continue;
      if (disk.paths().includes(spare) && disk.bytes(spare).length < 64 + 3 * groupBytes) halves++;
      const again = await opened(disk, "j", { upTo: durable, segmentBytes: 64 + 3 * groupBytes });
      await write(again, 3, 4, 5, 6, 7, 8);
      await turns(100);
      assert.deepEqual(again.failed, []);
      const kept = durable === unitBytes ? [1] : [1, 2];
      const last = await opened(disk.crash(), "j");
      assert.deepEqual(await gathered(last.journal.replay(0)), concat([...kept, 3, 4, 5, 6, 7, 8].map((number) => unit(number))));
    }
    assert.ok(halves > 3, `${halves} were half written`);
  });

  it("is cut to what was written, and the mark of a good end, when the journal is closed", async () => {
    const disk = new SimDisk();
    const made = await readyToRoll(disk);
    await write(made, 4);
    const second = `j/journal-${String(3 * unitBytes).padStart(16, "0")}.seg`;
    assert.equal(disk.bytes(second).length, 64 + 3 * groupBytes);
    await made.journal.close();
    assert.deepEqual(sizes(disk), { [first]: 64 + 3 * groupBytes, [second]: 64 + groupBytes + 40 });
    await made.journal.close();
    assert.equal(disk.openFiles, 0);
  });

  it("may be cut short by a kill or a power cut at any turn of reserving, naming, the first write and the cut", async () => {
    let found = new Set<number>();
    for (let after = 0; after < 130; after++) {
      for (let seed = 1; seed <= 6; seed++) {
        const disk = new SimDisk({ seed });
        const made = await opened(disk, "j", { segmentBytes: 64 + 3 * groupBytes });
        await write(made, 1);
        void write(made, 2, 3, 4, 5).catch(() => {});
        await turns(after);
        const { durable } = made.journal;
        const next = seed % 2 === 0 ? disk.kill() : disk.crash();
        const { journal } = await opened(next, "j");
        assert.ok(journal.durable >= durable, `after ${after} turns, seed ${seed}`);
        assert.ok(!next.paths().includes(spare));
        assert.equal(journal.bytesOnDisk, next.usedBytes());
        const units = [1, 2, 3, 4, 5].slice(0, journal.durable / unitBytes).map((number) => unit(number));
        assert.deepEqual(await gathered(journal.replay(0)), concat(units));
        found = found.add(journal.durable / unitBytes);
      }
    }
    assert.deepEqual([...found].sort(), [1, 2, 3, 4, 5]);
  });

  it("leaves nothing under way after a close at any turn, beside a release too", async () => {
    for (let after = 0; after < 80; after++) {
      const disk = new SimDisk({ seed: after + 1, maxTurns: 2 });
      const made = await opened(disk, "j", { segmentBytes: 64 + 2 * groupBytes });
      await write(made, 1, 2, 3);
      const writing = write(made, 4, 5).catch(() => {});
      await turns(after);
      const releasing = made.journal.release(made.journal.durable, 0);
      await made.journal.close();
      assert.deepEqual([disk.underWay, disk.openFiles], [0, 0], `closed after ${after} turns`);
      await turns(50);
      assert.equal(disk.underWay, 0);
      assert.equal(made.journal.bytesOnDisk, disk.usedBytes());
      assert.ok(!disk.paths().includes(spare));
      await releasing;
      await writing;
      const { journal } = await opened(disk.crash(), "j");
      assert.equal(journal.durable, made.journal.durable);
    }
  });

  it("of an earlier process is removed at the start", async () => {
    for (const bytes of [0, 100, 64 + groupBytes]) {
      const disk = new SimDisk();
      disk.put(spare, new Uint8Array(bytes));
      const made = await opened(disk, "j", { segmentBytes: 64 + groupBytes });
      assert.deepEqual(disk.paths(), []);
      await write(made, 1, 2, 3);
      assert.equal(made.journal.reserveTrouble, "");
    }
  });
});
