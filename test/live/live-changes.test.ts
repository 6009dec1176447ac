import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { MeterstormError } from "../../engine/base/errors.js";
import { InForce } from "../../engine/config/in-force.js";
import { parseConfig } from "../../engine/config/load.js";
import type { Config } from "../../engine/config/schema.js";
import { claimDirectory } from "../../engine/data-directory.js";
import { LiveChanges, type LiveChangesPorts } from "../../engine/live-changes.js";
import { spreadOf } from "../../engine/placement.js";
import { temporaryDirectory } from "../support/servers.js";

/** Names that every object has, and that a client may have. */
const ODD = ["constructor", "toString", "hasOwnProperty", "__proto__"];
const RULE = { id: "r", meters: "*", on: "value", op: ">", threshold: 5 };

function config(...tenants: object[]): Config {
  const parsed = parseConfig({ tenants }, "a test");
  assert.ok("config" in parsed, JSON.stringify(parsed));
  return parsed.config;
}

/** From how many shards to how many a start would move a client. */
function spreadsBetween(directory: string, id: string, shards: number): unknown[] {
  const claim = claimDirectory(directory, 4, Object.fromEntries([[id, shards]]));
  claim.release();
  return [claim.move?.from.spread, claim.move?.to.spread].map((spread) => Object.getOwnPropertyDescriptor(spread, id)?.value);
}

/** Live changes over a data directory, of shards that take whatever they are asked. */
function stand(running: Config, more: Partial<LiveChangesPorts> = {}) {
  const directory = temporaryDirectory("live");
  const claim = claimDirectory(directory, 4, spreadOf(running, 4));
  const warned: string[] = [];
  const inForce = new InForce(running.tenants);
  const changes = new LiveChanges({
    ...{ config: running, directory, claim: () => claim, shards: 4, inForce, opened: Promise.resolve() },
    change: async ({ commit, adopted }) => {
      commit();
      adopted();
    },
    changed: () => undefined,
    log: { info: () => undefined, warn: (_, message) => warned.push(message) },
    ...more,
  });
  return { directory, claim, changes, inForce, warned };
}

test("clients that are called as what every object has come and stay as others do, over starts too", async () => {
  const acme = { id: "acme" };
  const { directory, claim, changes, inForce, warned } = stand(config(acme));
  await changes.reload(config(acme, ...ODD.map((id) => ({ id }))));
  assert.deepEqual(
    inForce.tenants.map(({ id }) => id),
    ["acme", ...ODD],
  );
  assert.deepEqual(warned, []);
  const expected = [["acme", 1], ...ODD.map((id) => [id, 1])];
  assert.deepEqual(new Map(Object.entries(claim.spread)), new Map(expected as [string, number][]));
  claim.release();
  const kept = JSON.parse(readFileSync(join(directory, "engine.json"), "utf8")) as { spread: object };
  assert.deepEqual(new Map(Object.entries(kept.spread)), new Map(expected as [string, number][]));
  const later = claimDirectory(directory, 4, spreadOf(config(...ODD.map((id) => ({ id }))), 4));
  later.release();
  for (const id of ODD) {
    assert.deepEqual(spreadsBetween(directory, id, 2), [1, 2], id);
  }
});

test("a client that is called as what every object has is remembered by a start, too", () => {
  const directory = temporaryDirectory("live");
  claimDirectory(directory, 4, { acme: 1 }).release();
  claimDirectory(directory, 4, Object.fromEntries(ODD.map((id) => [id, 3]))).release();
  for (const id of ODD) {
    assert.deepEqual(spreadsBetween(directory, id, 1), [3, 1], id);
  }
});

test("clients and stores that could not be written down are not believed: the next attempt writes them", () => {
  const directory = temporaryDirectory("live");
  const claim = claimDirectory(directory, 4, { acme: 1 });
  const kept = () => readFileSync(join(directory, "engine.json"), "utf8");
  const before = kept();
  // The name under which it is written first is taken.
  const inTheWay = join(directory, "engine.json.tmp");
  mkdirSync(inTheWay);
  assert.throws(() => claim.addClients({ other: 2 }));
  assert.throws(() => claim.bindStore("questdb:1"));
  assert.deepEqual([{ ...claim.spread }, kept()], [{ acme: 1 }, before]);
  rmSync(inTheWay, { recursive: true });
  claim.addClients({ other: 2 });
  claim.bindStore("questdb:2");
  assert.deepEqual(JSON.parse(kept()), { format: 1, shards: 4, spread: { acme: 1, other: 2 }, store: "questdb:2" });
  claim.release();
});

test("a rule that is put while a configuration waits for the shards to open is told to come again, at once", async () => {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  let isOpen = false;
  const running = config({ id: "acme" });
  const { changes, inForce } = stand(running, {
    opened,
    change: async ({ commit, adopted }) => {
      if (!isOpen) throw new MeterstormError("busy", "shard 0 takes no other settings now: starting");
      commit();
      adopted();
    },
  });
  const rule = config({ id: "acme", rules: [RULE] }).tenants[0]!.rules[0]!;
  const reloading = changes.reload(config({ id: "acme" }, { id: "new" }));
  const putting = changes.say("acme", "r", rule).then(
    () => "taken",
    (error: MeterstormError) => error.code,
  );
  const hung = new Promise((resolve) => setTimeout(resolve, 2000, "nothing")).then(() => "hangs");
  assert.equal(await Promise.race([putting, hung]), "busy");
  isOpen = true;
  open();
  await reloading;
  assert.deepEqual(changes.counts, { applied: 1, refused: 0 });
  assert.equal(await changes.say("acme", "r", rule), true);
  assert.deepEqual(
    inForce.tenants.map(({ id, rules }) => [id, rules.length]),
    [
      ["acme", 1],
      ["new", 0],
    ],
  );
});
