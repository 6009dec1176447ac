import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { crc32 } from "node:zlib";
import type { Disk } from "../../engine/base/disk.js";
import { dressedDisk } from "../support/dressed-disk.js";
import { crashRun } from "./crash-run.js";

const seeds = 4000;
/** Another range of seeds: `JOURNAL_SEED=123456` tries so many from there on. */
const firstSeed = Number(process.env["JOURNAL_SEED"] ?? 1);

/** Ways to get it wrong. Each must be found by some seed, or the runs prove nothing. */
const wrong: Record<string, (disk: Disk) => Disk> = {
  "reports as durable without a sync": (disk) => dressedDisk(disk, {}, () => ({ sync: () => Promise.resolve() })),
  "reports as durable before the sync is done": (disk) =>
    dressedDisk(disk, {}, (file) => ({
      sync: () => {
        file.sync().catch(() => {});
        return Promise.resolve();
      },
    })),
  "takes a failed sync for a good one": (disk) => dressedDisk(disk, {}, (file) => ({ sync: () => file.sync().catch(() => {}) })),
  "takes a failed append for a good one": (disk) =>
    dressedDisk(disk, {}, (file) => ({ append: (pieces) => file.append(pieces).catch(() => {}) })),
  "does not sync the names of its files": (disk) => dressedDisk(disk, { syncDirectory: () => Promise.resolve() }),
  "does not sync the directory after it has given a reserved file its name": (disk) => {
    let isRenamed = false;
    return dressedDisk(disk, {
      rename: (from, to) => {
        isRenamed = from.endsWith("journal.spare");
        return disk.rename(from, to);
      },
      syncDirectory: (path) => {
        const skips = isRenamed;
        isRenamed = false;
        return skips ? Promise.resolve() : disk.syncDirectory(path);
      },
    });
  },
  "does not sync what it writes over zeros": (disk) =>
    dressedDisk(disk, { open: async (path) => ({ ...(await disk.open(path)), sync: () => Promise.resolve() }) }),
  "begins a reserved file behind its zeros": (disk) =>
    dressedDisk(disk, {
      open: async (path) => {
        const file = await disk.open(path);
        await file.append([new Uint8Array((await disk.readAt(path, 0, 1 << 20)).length)]);
        return file;
      },
    }),
  "cuts more than zeros": (disk) =>
    dressedDisk(disk, { truncate: (path, length) => disk.truncate(path, Math.max(0, length - 1)) }),
  "trusts a torn tail": (disk) =>
    dressedDisk(disk, { readAt: (path, offset, length) => readRepaired(disk, path, offset, length) }),
  "appends the pieces in another order": (disk) =>
    dressedDisk(disk, {}, (file) => ({ append: (pieces) => file.append(pieces.length > 4 ? [...pieces].reverse() : pieces) })),
};

/** Reads a file of the journal with every checksum put right and the last payload filled up: as if none were checked. */
async function readRepaired(disk: Disk, path: string, offset: number, length: number): Promise<Uint8Array> {
  const found = await disk.readAt(path, 0, 1 << 20);
  const bytes = new Uint8Array(found.length + 1000);
  bytes.set(found);
  const view = new DataView(bytes.buffer);
  let end = 64;
  while (end + 40 <= found.length && view.getUint32(end + 4, true) === 0x4b4c424d) {
    const size = 40 + view.getUint32(end + 12, true);
    if (end + size > bytes.length) break;
    view.setUint32(end, crc32(bytes.subarray(end + 4, end + size)), true);
    end += size;
  }
  return bytes.slice(offset, Math.min(offset + length, Math.max(end, found.length)));
}

describe("journal under crashes", () => {
  it(`keeps its promises in ${seeds} histories of crashes, kills and failing disks`, async (t) => {
    const sum = { crashes: 0, restarts: 0, failures: 0, unitsRecovered: 0, reserved: 0, cut: 0 };
    for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
      const result = await crashRun(seed);
      sum.crashes += result.crashes;
      sum.restarts += result.restarts;
      sum.failures += result.failures;
      sum.unitsRecovered += result.unitsRecovered;
      sum.reserved += result.reserved;
      sum.cut += result.cut;
    }
    // The histories must have had something in them.
    assert.ok(sum.crashes > seeds && sum.restarts > seeds / 2 && sum.failures > seeds / 20, JSON.stringify(sum));
    assert.ok(sum.unitsRecovered > 10 * seeds, JSON.stringify(sum));
    assert.ok(sum.reserved > seeds / 4 && sum.cut > seeds / 4, JSON.stringify(sum));
    t.diagnostic(JSON.stringify(sum));
  });

  it("runs the same history again for the same seed", async () => {
    assert.deepEqual(await crashRun(7), await crashRun(7));
  });

  it("asks nothing of what is reserved but its room: zeros that are not safe yet are no danger", async () => {
    const dress = (disk: Disk): Disk =>
      dressedDisk(disk, {}, (_file, path) => (path.endsWith("journal.spare") ? { sync: () => Promise.resolve() } : {}));
    for (let seed = 1; seed <= 500; seed++) await crashRun(seed, { dress });
  });

  for (const [name, dress] of Object.entries(wrong)) {
    it(`finds out a journal that ${name}`, async () => {
      let found: Error | null = null;
      for (let seed = 1; seed <= 500 && found === null; seed++) {
        await crashRun(seed, { dress }).catch((error: Error) => {
          found = error;
        });
      }
      const error = found as Error | null;
      assert.ok(error !== null, "500 histories did not find it out");
      assert.match(error.message, /^seed \d+: /);
      const cause = error.cause as Error & { code?: string };
      assert.ok(cause instanceof assert.AssertionError || cause.code === "journal_damaged", String(cause));
    });
  }
});
