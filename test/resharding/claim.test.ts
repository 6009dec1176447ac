import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { claimDirectory, layoutAfter } from "../../engine/data-directory.js";
import { temporaryDirectory } from "../support/servers.js";

function touch(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "journal"), "");
}

test("a layout is another one when the number of shards differs, or over how many a known client is spread", () => {
  const was = { shards: 3, spread: { acme: 2, zeta: 1 } };
  assert.equal(layoutAfter(was, 3, { acme: 2, zeta: 1 }), null);
  assert.equal(layoutAfter(was, 3, { acme: 2, zeta: 1, omega: 3 }), null);
  // A client that is taken out of the configuration stays as it was.
  assert.equal(layoutAfter(was, 3, { zeta: 1 }), null);
  assert.deepEqual(layoutAfter(was, 3, { acme: 3, zeta: 1 }), { shards: 3, spread: { acme: 3, zeta: 1 } });
  assert.deepEqual(layoutAfter(was, 1, { zeta: 1 }), { shards: 1, spread: { acme: 1, zeta: 1 } });
});

test("the new shards count from one write on, and what counts no more is removed, by the next start where need be", () => {
  const directory = temporaryDirectory("claim");
  const path = (...names: string[]) => join(directory, ...names);
  const first = claimDirectory(directory, 2, { acme: 2 });
  assert.equal(first.move, null);
  for (const index of [0, 1]) touch(first.shardDirectory(index));
  first.release();

  const second = claimDirectory(directory, 3, { acme: 3, zeta: 1 });
  assert.deepEqual(second.move, {
    from: { shards: 2, spread: { acme: 2 }, directories: [path("shard-0"), path("shard-1")] },
    to: {
      shards: 3,
      spread: { acme: 3, zeta: 1 },
      directories: [0, 1, 2].map((index) => path("layout-1", `shard-${index}`)),
    },
  });
  for (const index of [0, 1, 2]) touch(second.shardDirectory(index));
  // It dies here; the configuration is put back.
  second.release();
  const back = claimDirectory(directory, 2, { acme: 2 });
  assert.equal(back.move, null);
  assert.ok(!existsSync(path("layout-1")));
  assert.equal(back.shardDirectory(1), path("shard-1"));
  back.release();

  const third = claimDirectory(directory, 3, { acme: 3 });
  for (const index of [0, 1, 2]) touch(third.shardDirectory(index));
  third.moved();
  assert.equal(third.move, null);
  assert.deepEqual(third.spread, { acme: 3 });
  assert.equal(third.shardDirectory(2), path("layout-1", "shard-2"));
  assert.ok(existsSync(path("layout-1", "shard-2", "journal")));
  assert.ok(!existsSync(path("shard-0")));
  third.release();
  const { format, generation, shards } = JSON.parse(readFileSync(path("engine.json"), "utf8")) as Record<string, unknown>;
  assert.deepEqual({ format, generation, shards }, { format: 2, generation: 1, shards: 3 });

  // The removal was cut short.
  touch(path("shard-0"));
  const fourth = claimDirectory(directory, 3, { acme: 3 });
  assert.ok(!existsSync(path("shard-0")));
  assert.equal(fourth.move, null);
  fourth.release();
});

test("an engine.json from before a move does not count while only the shards are there that were moved since", () => {
  const directory = temporaryDirectory("claim-older");
  const path = join(directory, "engine.json");
  const first = claimDirectory(directory, 2, {});
  touch(first.shardDirectory(0));
  first.release();
  const older = readFileSync(path, "utf8");
  for (const shards of [3, 1]) {
    const claim = claimDirectory(directory, shards, {});
    touch(claim.shardDirectory(0));
    claim.moved();
    claim.release();
    const newest = readFileSync(path, "utf8");
    writeFileSync(path, older);
    for (const wanted of [shards, 2]) {
      assert.throws(() => claimDirectory(directory, wanted, {}), { code: "data_dir_format", message: /older/ });
      assert.ok(existsSync(join(claim.shardDirectory(0), "journal")), "what it says nothing of is removed");
    }
    writeFileSync(path, newest);
  }
});

test("of several processes that find a lock that was left behind, and start at once, one takes the directory", async () => {
  const module = new URL("../../engine/data-directory.js", import.meta.url).href;
  // Whoever has it waits for the end of its input.
  const script = `
    const { claimDirectory } = await import(${JSON.stringify(module)});
    while (Date.now() < Number(process.argv[2]));
    try { claimDirectory(process.argv[1], 1, {}); console.log("taken"); } catch (error) { console.log(error.code); }
    process.stdin.resume();`;
  for (let round = 0; round < 3; round++) {
    const directory = temporaryDirectory("claim-race");
    writeFileSync(join(directory, "engine.pid"), "999999999 1");
    const args = ["--input-type=module", "-e", script, "--", directory, String(Date.now() + 700)];
    const processes = [0, 1, 2].map(() => spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] }));
    const said = await Promise.all(processes.map(async ({ stdout }) => String((await once(stdout, "data"))[0]).trim()));
    for (const { stdin } of processes) stdin.end();
    assert.deepEqual(said.sort(), ["data_dir_in_use", "data_dir_in_use", "taken"]);
  }
});

test("who dies while it takes a directory keeps others out for a moment only", () => {
  const directory = temporaryDirectory("claim-taking");
  const taking = join(directory, "engine.pid.taking");
  writeFileSync(taking, "");
  assert.throws(() => claimDirectory(directory, 1, {}), { code: "data_dir_in_use" });
  const before = new Date(Date.now() - 60_000);
  utimesSync(taking, before, before);
  claimDirectory(directory, 1, {}).release();
  assert.ok(!existsSync(taking));
});
