import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Happened, nodeRun } from "./node-run.js";

const seeds = 1000;
/** One seed again: `SIM_SEED=123`; with `SIM_SEEDS=500` so many from there on. */
const chosen = process.env["SIM_SEED"];
const firstSeed = Number(chosen ?? 1);
const count = Number(process.env["SIM_SEEDS"] ?? (chosen === undefined ? seeds : 1));

describe("a node under crashes", () => {
  it(`keeps its promises in ${count} histories`, async (t) => {
    const sum: Happened = { powerCuts: 0, kills: 0, stops: 0, failures: 0, frames: 0, resent: 0, lateCommits: 0, alertsTold: 0, rows: 0 };
    for (let seed = firstSeed; seed < firstSeed + count; seed++) {
      const happened = await nodeRun(seed);
      for (const key of Object.keys(sum) as (keyof Happened)[]) sum[key] += happened[key];
    }
    t.diagnostic(JSON.stringify(sum));
    if (count < seeds) return;
    for (const [what, times] of Object.entries(sum)) assert.ok(times > count / 10, `${what}: only ${times}`);
  });
});
