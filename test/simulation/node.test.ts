import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Happened, nothingHappened } from "./happened.js";
import { nodeRun } from "./node-run.js";
import { wrongs } from "./wrong.js";

const seeds = 360;
/** One seed again: `SIM_SEED=123`; with `SIM_SEEDS=500` so many from there on. */
const chosen = process.env["SIM_SEED"];
const firstSeed = Number(chosen ?? 1);
const count = Number(process.env["SIM_SEEDS"] ?? (chosen === undefined ? seeds : 1));

describe("a node under crashes", () => {
  it(`keeps its promises in ${count} histories`, async (t) => {
    const sum = nothingHappened();
    for (let seed = firstSeed; seed < firstSeed + count; seed++) {
      const happened = await nodeRun(seed);
      for (const key of Object.keys(sum) as (keyof Happened)[]) sum[key] += happened[key];
    }
    t.diagnostic(JSON.stringify(sum));
    if (count < seeds) return;
    // Nearly all plans that are drawn can be gone on by.
    const least = (what: string) => count / (what === "planRefusals" ? 40 : 10);
    for (const [what, times] of Object.entries(sum)) assert.ok(times > least(what), `${what}: only ${times}`);
  });

  it("runs the same history again for the same seed", async () => {
    assert.deepEqual(await nodeRun(7), await nodeRun(7));
  });

  for (const [name, { wrong, found }] of Object.entries(wrongs)) {
    it(`finds out a shard that ${name}`, async (t) => {
      let error: Error | null = null;
      let seed = 0;
      while (error === null && seed < 400) {
        await nodeRun(++seed, wrong).catch((thrown: Error) => {
          error = thrown;
        });
      }
      assert.ok(error !== null, `${seed} histories did not find it out`);
      assert.match((error as Error).message, found);
      t.diagnostic((error as Error).message.split("\n")[0] ?? "");
    });
  }
});
