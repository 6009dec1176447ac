import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loadSnapshot } from "../../workers/journal/snapshot.js";
import { moveShards } from "../../workers/loop/move-shards.js";
import { SimStore } from "../simulation/sim-store.js";
import { Random } from "../support/random.js";
import { SimClock } from "../support/sim-clock.js";
import { SimDisk } from "../support/sim-disk.js";
import { type Moved, moveRun } from "./move-run.js";
import { SIZES } from "./move-shards-of.js";
import { wrongMoves } from "./move-wrong.js";

/** One seed again: `SIM_SEED=123`; with `SIM_SEEDS=500` so many from there on. */
const seeds = 6;
const chosen = process.env["SIM_SEED"];
const firstSeed = Number(chosen ?? 1);
const count = Number(process.env["SIM_SEEDS"] ?? (chosen === undefined ? seeds : 1));
const COUNTS = [1, 3, 2, 1];
const shortSeed = 5;

describe("shards whose number changes", () => {
  it(`lose nothing and go on where they were, in ${count} histories`, async (t) => {
    const sum: Record<string, number> = {};
    const said = new Set<string>();
    for (let seed = firstSeed; seed < firstSeed + count; seed++) {
      const { said: texts, ...moved } = await moveRun(seed, { counts: COUNTS });
      for (const key of Object.keys(moved) as Exclude<keyof Moved, "said">[]) sum[key] = (sum[key] ?? 0) + moved[key];
      for (const text of texts) said.add(text);
    }
    t.diagnostic(JSON.stringify(sum));
    if (count < seeds) return;
    for (const [what, times] of Object.entries(sum)) assert.ok(times > count / 10, `${what}: only ${times}`);
    const all = [...said].join("\n");
    assert.match(all, /shard \d of 3 comes to rest: .*n bytes of its journal wait for the store \(unavailable: injected\)/);
    assert.match(all, /n late readings wait to be worked in/);
    assert.match(all, /n alert transitions wait to be kept/);
  });

  it("survive a crash at every write of a move", async (t) => {
    const { writes } = await moveRun(shortSeed, { counts: [1, 3], isShort: true, crashAt: Number.POSITIVE_INFINITY });
    t.diagnostic(`${writes} writes`);
    assert.ok(writes > 50);
    for (let crashAt = 0; crashAt < writes; crashAt++) await moveRun(shortSeed, { counts: [1, 3], isShort: true, crashAt });
  });

  it("may be ones that nobody ever sent anything to", async () => {
    const [clock, disk] = [new SimClock(), new SimDisk({ seed: 1, maxTurns: 0 })];
    const store = new SimStore(new Random(1), clock, 1_000);
    const place = (name: string, shards: number) => ({
      ...{ shards, spread: {} },
      directories: Array.from({ length: shards }, (_, index) => `${name}/shard-${index}`),
    });
    let isOver = false;
    const moving = moveShards(
      place("old", 2),
      place("new", 3),
      { plans: [], journalMaxBytes: 1 << 25, journalKeepMs: 60_000, sizes: SIZES },
      {
        ...{ clock, disk, openSink: (names) => store.sink(names, () => true), tell: () => Promise.resolve() },
        ...{ progress: () => undefined, warn: (text) => assert.fail(text) },
      },
    ).finally(() => {
      isOver = true;
    });
    for (let round = 0; !isOver && round < 1_000; round++) {
      for (let i = 0; i < 30; i++) await Promise.resolve();
      clock.advance(20);
    }
    assert.ok(isOver, "it does not come to an end");
    await moving;
    for (const directory of place("new", 3).directories) assert.notEqual(await loadSnapshot(disk, directory), null);
  });

  it("have what a store that loses everything needs once more", async () => {
    for (let seed = 1; seed <= 2; seed++) await moveRun(seed, { counts: COUNTS, loses: true });
  });

  for (const [name, { wrong, found }] of Object.entries(wrongMoves)) {
    it(`are found out when a move ${name}`, async (t) => {
      let error: Error | null = null;
      let seed = 0;
      while (error === null && seed < 40) {
        // What is wrong with the order of the last writes shows in a crash between them.
        const late = wrong.removesEarly ? ({ isShort: true, crashAt: 40 + 2 * seed } as const) : {};
        await moveRun(wrong.removesEarly ? shortSeed : seed + 1, { counts: [1, 3], wrong, ...late }).catch((thrown: Error) => {
          error = thrown;
        });
        seed++;
      }
      assert.ok(error !== null, `${seed} histories did not find it out`);
      assert.match((error as Error).message, found);
      t.diagnostic((error as Error).message.split("\n")[0] ?? "");
    });
  }
});
