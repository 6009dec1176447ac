import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { DeadLetters } from "../../engine/notify/dead-letters.js";
import { Notifier } from "../../engine/notify/notifier.js";
import { encodeRecord, type QueueRecord } from "../../engine/notify/records.js";
import { queueFileName, recoverQueue } from "../../engine/notify/recovery.js";
import { SimClock } from "../support/sim-clock.js";
import { SimDisk } from "../support/sim-disk.js";
import { FakeEndpoints, Lines, settle, transition } from "./fake-endpoint.js";

const HEADER: QueueRecord = { k: "file", version: 1, generation: 1 };
const entry = (id: number): QueueRecord => ({ k: "entry", id, at: 0, to: ["a"], transition: transition(id) });

function file(...records: QueueRecord[]): Uint8Array {
  return new Uint8Array(Buffer.concat(records.map(encodeRecord)));
}

function diskWith(...files: Uint8Array[]): SimDisk {
  const disk = new SimDisk();
  for (const [index, bytes] of files.entries()) disk.put(`notify/${queueFileName(index + 1)}`, bytes);
  return disk;
}

async function idsOf(disk: SimDisk): Promise<number[]> {
  const { records } = await recoverQueue(disk, "notify");
  return records.flatMap((record) => (record.k === "entry" ? [record.id] : []));
}

describe("what a start finds", () => {
  it("is the newest file that was begun in full, and an older one where a crash came before that", async () => {
    const older = file(HEADER, entry(1), { k: "complete", records: 2 }, { k: "safe" }, entry(2));
    const newer = file(HEADER, entry(2), { k: "complete", records: 2 });
    assert.deepEqual(await idsOf(diskWith(older, newer)), [2]);
    for (let cut = 0; cut < newer.length; cut++) {
      assert.deepEqual(await idsOf(diskWith(older, newer.subarray(0, cut))), [1, 2], `cut at ${cut}`);
    }
  });

  it("ends where the last write is torn, since what follows would overtake what is told again", async () => {
    const whole = file(HEADER, entry(1), { k: "complete", records: 2 }, { k: "safe" });
    const torn = Buffer.from(encodeRecord(entry(2)));
    torn.fill(0, 20, 40);
    const disk = diskWith(new Uint8Array(Buffer.concat([whole, torn, encodeRecord(entry(3))])));
    assert.deepEqual(await idsOf(disk), [1]);
    assert.equal((await recoverQueue(disk, "notify")).damaged, 0, "a tear is no damage");
  });

  it("is everything but a damaged line, where later writes prove that it was there", async () => {
    const bytes = file(HEADER, { k: "complete", records: 1 }, { k: "safe" }, entry(1), entry(2), { k: "safe" }, entry(3));
    const disk = diskWith(bytes);
    disk.flip(`notify/${queueFileName(1)}`, Buffer.from(bytes).indexOf('"id":1'), 2);
    assert.deepEqual(await idsOf(disk), [2, 3]);
    assert.equal((await recoverQueue(disk, "notify")).damaged, 1);
  });

  it("is refused in another version's format, with a remedy", async () => {
    const disk = diskWith(file({ ...HEADER, version: 2 }, { k: "complete", records: 1 }));
    await assert.rejects(recoverQueue(disk, "notify"), { code: "notify_version", message: /Start the version that wrote/ });
  });

  it("never keeps the engine from starting, whatever bytes are damaged, and costs no more than the line they are in", async () => {
    const clock = new SimClock();
    const url = "https://a.example/";
    const start = async (disk: SimDisk, endpoints: FakeEndpoints, log: Lines): Promise<Notifier> => {
      const webhooks = () => [{ url, secret: "s", allowPrivate: false, perMinute: 6000 }];
      const notifier = new Notifier({
        directory: "notify",
        disk,
        clock,
        log,
        webhooks,
        endpoint: endpoints.open,
        random: () => 1,
      });
      await notifier.open();
      await settle();
      return notifier;
    };
    const disk = new SimDisk();
    const dead = new FakeEndpoints(() => clock.nowMs());
    dead.answers.set(url, () => ({ ok: false, reason: "down", refused: false, retryAfterMs: null }));
    const notifier = await start(disk, dead, new Lines());
    for (let n = 0; n < 12; n++) await notifier.take(transition(n));
    const path = `notify/${queueFileName(1)}`;
    const bytes = disk.bytes(path);
    const all = Array.from({ length: 12 }, (_, n) => transition(n).key);
    let lost = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(7), async (offset, bit) => {
        const damaged = new SimDisk();
        damaged.put(path, bytes);
        damaged.flip(path, offset, bit);
        const endpoints = new FakeEndpoints(() => clock.nowMs());
        const started = await start(damaged, endpoints, new Lines());
        clock.advance(3_600_000);
        await settle();
        const missing = all.filter((key) => !endpoints.keysOf(url).includes(key));
        // A line break that is gone takes the line behind it with it.
        assert.ok(missing.length <= 2, `missing: ${missing.join(", ")}`);
        lost += missing.length;
        await Promise.all([started.close(100), settle().then(() => clock.advance(1000))]);
      }),
      { numRuns: 200 },
    );
    assert.ok(lost > 0, "nothing was damaged at all");
  });
});

describe("dead letters", () => {
  const letter = (n: number) => ({
    ...{ at: "2026-01-01T00:00:00.000Z", reason: "expired" as const, webhook: "a", origin: "https://a.example", failure: "down" },
    ...{ heldBack: 0, transition: transition(n) },
  });

  it("fill file after file, of which the newest are kept", async () => {
    const disk = new SimDisk();
    const letters = new DeadLetters(disk, "notify", { fileBytes: 1000, files: 3 });
    for (let n = 0; n < 40; n++) await letters.write([letter(n)]);
    await letters.close();
    const paths = disk.paths();
    assert.equal(paths.length, 3);
    const text = paths.map((path) => Buffer.from(disk.bytes(path)).toString("utf8")).join("");
    const kept = text
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { transition: { key: string } }).transition.key);
    assert.deepEqual(
      kept,
      Array.from({ length: kept.length }, (_, i) => transition(40 - kept.length + i).key),
    );
  });

  it("go into another file after a failure, and a new one is begun at each start", async () => {
    const disk = new SimDisk();
    const letters = new DeadLetters(disk, "notify", { fileBytes: 1_000_000, files: 8 });
    await letters.write([letter(0)]);
    disk.failNext("sync");
    await assert.rejects(letters.write([letter(1)]), /EIO/);
    await letters.write([letter(1)]);
    await new DeadLetters(disk, "notify", { fileBytes: 1_000_000, files: 8 }).write([letter(2)]);
    assert.deepEqual(
      disk.paths(),
      [1, 2, 3].map((n) => `notify/dead-letters-00000${n}.jsonl`),
    );
  });

  it("are not given up for new ones as long as a full disk takes no more than their names", async () => {
    const disk = new SimDisk();
    const letters = new DeadLetters(disk, "notify", { fileBytes: 1, files: 3 });
    for (let n = 0; n < 3; n++) await letters.write([letter(n)]);
    const before = disk.paths();
    disk.capacityBytes = disk.usedBytes() + 10;
    for (let attempt = 0; attempt < 10; attempt++) await assert.rejects(letters.write([letter(3)]), /ENOSPC/);
    assert.deepEqual(disk.paths(), before);
    disk.failNext("syncDirectory");
    await assert.rejects(letters.write([letter(3)]), /EIO/);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    await letters.write([letter(3)]);
    await letters.close();
    const text = disk.paths().map((path) => Buffer.from(disk.bytes(path)).toString("utf8"));
    assert.deepEqual(
      text.map((lines) => (JSON.parse(lines) as { transition: { key: string } }).transition.key),
      [1, 2, 3].map((n) => transition(n).key),
    );
    assert.equal(disk.openFiles, 0);
  });
});
