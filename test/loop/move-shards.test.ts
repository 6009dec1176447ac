import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Moved, moveRun } from "./move-run.js";

const seeds = Number(process.env["SIM_SEEDS"] ?? 40);
const firstSeed = Number(process.env["SIM_SEED"] ?? 1);

describe("shards whose number changes", () => {
  it(`lose nothing, and go on where they were, in ${seeds} histories`, async (t) => {
    const sum: Partial<Moved> = {};
    for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
      const moved = await moveRun(seed, { counts: [1, 3, 2, 1] });
      for (const key of Object.keys(moved) as (keyof Moved)[]) sum[key] = (sum[key] ?? 0) + moved[key];
    }
    t.diagnostic(JSON.stringify(sum));
    for (const [what, times] of Object.entries(sum)) assert.ok(times > seeds / 10, `${what}: only ${times}`);
  });
});
