import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { crc32 } from "node:zlib";
import type { Disk } from "../../engine/base/disk.js";
import { nodeDisk } from "../../engine/base/node-disk.js";
import type { SnapshotSection } from "../../workers/journal/snapshot.js";
import { loadSnapshot, writeSnapshot } from "../../workers/journal/snapshot.js";
import { Random } from "../support/random.js";
import { SimDisk } from "../support/sim-disk.js";
import { turns } from "./crash-run.js";
import { concat } from "./units.js";

function sectionsOf(seed: number): SnapshotSection[] {
  const random = new Random(seed);
  return [
    { name: "meters", parts: [random.bytes(13), random.bytes(0), random.bytes(40)] },
    { name: "wärme/ünits", parts: [random.bytes(8)] },
    { name: "nothing", parts: [] },
  ];
}

function contentOf(sections: readonly SnapshotSection[]): Map<string, Uint8Array> {
  return new Map(sections.map(({ name, parts }) => [name, concat(parts)]));
}

const path = (position: number): string => `s/snapshot-${String(position).padStart(16, "0")}.snap`;

async function roundTrip(disk: Disk, directory: string): Promise<void> {
  assert.equal(await loadSnapshot(disk, directory), null);
  const large = new Random(5).bytes(9 * 1024 * 1024 + 3);
  const sections = [...sectionsOf(1), { name: "large", parts: [large.subarray(0, 5_000_001), large.subarray(5_000_001)] }];
  await writeSnapshot(disk, directory, 4096, sections);
  const loaded = await loadSnapshot(disk, directory);
  assert.ok(loaded !== null);
  assert.equal(loaded.position, 4096);
  assert.equal(loaded.warning, null);
  assert.deepEqual([...loaded.sections.keys()], ["meters", "wärme/ünits", "nothing", "large"]);
  for (const [name, bytes] of contentOf(sections)) {
    const found: Uint8Array = loaded.sections.get(name)!;
    assert.equal(Buffer.compare(found, bytes), 0, name);
    assert.equal(found.byteOffset, 0);
  }
}

describe("snapshot", () => {
  it("gives back its sections (real disk)", async () => {
    const directory = await mkdtemp(join(tmpdir(), "meterstorm-snapshot-"));
    try {
      await roundTrip(nodeDisk, directory);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it("gives back its sections (simulated disk), having synced every 4 MiB", async () => {
    const disk = new SimDisk();
    await roundTrip(disk, "s");
    assert.deepEqual([disk.calls.append, disk.calls.sync], [3, 3]);
  });

  it("keeps the two newest, and replaces one of the same position", async () => {
    const disk = new SimDisk();
    for (const position of [0, 8, 16, 24, 24]) await writeSnapshot(disk, "s", position, sectionsOf(position));
    await writeSnapshot(disk, "s", 24, sectionsOf(99));
    assert.deepEqual(disk.paths(), [path(16), path(24)]);
    assert.deepEqual((await loadSnapshot(disk, "s"))?.sections, contentOf(sectionsOf(99)));
  });

  it("passes over a damaged one, whatever bit it is, for the older one, with a warning", async () => {
    const disk = new SimDisk();
    await writeSnapshot(disk, "s", 8, sectionsOf(1));
    await writeSnapshot(disk, "s", 16, sectionsOf(2));
    const bytes = disk.bytes(path(16)).length;
    for (let offset = 0; offset < bytes; offset++) {
      const bit = offset % 8;
      disk.flip(path(16), offset, bit);
      const loaded = await loadSnapshot(disk, "s");
      assert.equal(loaded?.position, 8, `bit ${bit} of byte ${offset}`);
      assert.match(
        loaded.warning ?? "",
        /^A damaged snapshot was passed over for the one at position 8: s\/snapshot-0+16.snap: /,
      );
      assert.deepEqual(loaded.sections, contentOf(sectionsOf(1)));
      disk.flip(path(16), offset, bit);
    }
    for (let length = 0; length < bytes; length++) {
      const cut = new SimDisk();
      cut.put(path(16), disk.bytes(path(16)).subarray(0, length));
      await assert.rejects(loadSnapshot(cut, "s"), { code: "snapshot_damaged" }, `cut to ${length} bytes`);
    }
    assert.equal((await loadSnapshot(disk, "s"))?.position, 16);
  });

  it("refuses another version in words", async () => {
    const disk = new SimDisk();
    await writeSnapshot(disk, "s", 8, sectionsOf(1));
    const bytes = disk.bytes(path(8));
    const view = new DataView(bytes.buffer);
    view.setUint32(8, 4, true);
    view.setUint32(36, crc32(bytes.subarray(0, 36)), true);
    disk.put(path(8), bytes);
    await assert.rejects(loadSnapshot(disk, "s"), {
      code: "snapshot_version",
      message: /version 4; this program reads version 3/,
    });
  });

  it("leaves the older one when a disk fails half-way, and goes on with the next", async () => {
    for (const fault of ["append", "sync", "create", "syncDirectory"] as const) {
      const disk = new SimDisk();
      await writeSnapshot(disk, "s", 8, sectionsOf(1));
      disk.failNext(fault);
      await assert.rejects(writeSnapshot(disk, "s", 16, sectionsOf(2)), { code: "EIO" });
      if (fault !== "syncDirectory") assert.equal((await loadSnapshot(disk, "s"))?.position, 8);
      await writeSnapshot(disk, "s", 24, sectionsOf(3));
      const found = await loadSnapshot(disk.crash(), "s");
      assert.deepEqual(found, { position: 24, sections: contentOf(sectionsOf(3)), warning: null });
    }
  });

  it("survives a power cut at any turn: the last one that was finished, or the one that was being written", async () => {
    const seen = new Set<number>();
    for (let seed = 1; seed <= 400; seed++) {
      const disk = new SimDisk({ seed, maxTurns: 2 });
      for (const position of [8, 16, 24]) await writeSnapshot(disk, "s", position, sectionsOf(position));
      writeSnapshot(disk, "s", 32, sectionsOf(32)).catch(() => {});
      await turns(seed % 80);
      const found = await loadSnapshot(disk.crash(), "s");
      assert.ok(found?.position === 24 || found?.position === 32, `seed ${seed}: ${found?.position}`);
      assert.deepEqual(
        found,
        { position: found.position, sections: contentOf(sectionsOf(found.position)), warning: null },
        `seed ${seed}`,
      );
      seen.add(found.position);
    }
    assert.deepEqual([...seen].sort(), [24, 32]);
  });
});
