import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { Disk } from "../../engine/base/disk.js";
import { nodeDisk } from "../../engine/base/node-disk.js";
import { OverlayDisk } from "../../workers/doctor/overlay-disk.js";
import { temporaryDirectory } from "../support/servers.js";

const root = temporaryDirectory("overlay");
const NAMES = ["a", "b", "c"];
const there = (text: string) => Buffer.from(text);

interface Step {
  kind: "create" | "open" | "rename" | "remove" | "truncate";
  name: string;
  other: string;
  bytes: Uint8Array;
  length: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("create", "open", "rename", "remove", "truncate"),
  name: fc.constantFrom(...NAMES),
  other: fc.constantFrom(...NAMES),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
  length: fc.nat(14),
});

/** Does what a step says where it can be done: a file is created where none is, and everything else needs one. */
async function take(disk: Disk, directory: string, { kind, name, other, bytes, length }: Step): Promise<void> {
  const path = `${directory}/${name}`;
  const content = await disk.read(path);
  if ((content === null) !== (kind === "create")) return;
  if (kind === "create" || kind === "open") {
    const file = kind === "create" ? await disk.create(path) : await disk.open(path);
    await file.append([bytes]);
    await file.append([bytes.subarray(0, 2), bytes]);
    await file.sync();
    await file.close();
  } else if (kind === "rename" && name !== other) await disk.rename(path, `${directory}/${other}`);
  else if (kind === "remove") await disk.remove(path);
  // A longer file is only ever cut.
  else if (kind === "truncate") await disk.truncate(path, Math.min(length, content?.length ?? 0));
}

test("a disk that keeps its changes to itself is read as the real one would be, and leaves that as it is", async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const [kept, changed] = [join(root, `kept-${run}`), join(root, `changed-${run++}`)];
      for (const directory of [kept, changed]) {
        mkdirSync(directory);
        for (const name of ["a", "b"]) writeFileSync(join(directory, name), there(`content of ${name}`));
      }
      const overlay = new OverlayDisk(nodeDisk);
      for (const each of steps) {
        await take(overlay, kept, each);
        await take(nodeDisk, changed, each);
        assert.deepEqual(await overlay.list(kept), await nodeDisk.list(changed));
        for (const name of await nodeDisk.list(changed)) {
          const whole = new Uint8Array((await nodeDisk.read(`${changed}/${name}`))!);
          assert.deepEqual(new Uint8Array((await overlay.read(`${kept}/${name}`))!), whole);
          for (const [offset, length] of [
            [0, 4],
            [3, 100],
            [whole.length, 1],
          ] as const) {
            const part = new Uint8Array(await overlay.readAt(`${kept}/${name}`, offset, length));
            assert.deepEqual(part, whole.slice(offset, offset + length), `${name} from ${offset}`);
          }
        }
      }
      for (const name of ["a", "b"]) assert.deepEqual(readFileSync(join(kept, name)), there(`content of ${name}`));
      assert.deepEqual(await nodeDisk.list(kept), ["a", "b"]);
      for (const directory of [kept, changed]) rmSync(directory, { recursive: true });
    }),
    { numRuns: 200 },
  );
});
