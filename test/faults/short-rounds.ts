import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { ArenaKind } from "./arena.js";
import { Rounds, skipOf } from "./rounds.js";
import { SCENARIOS } from "./scenarios.js";

/** A short round of each scenario of an arena, one after the other; `SEED=` makes the same chances, `--test-name-pattern` picks one. */
export function testsOf(kind: ArenaKind): void {
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  const scenarios = SCENARIOS.filter(({ arena }) => arena === kind);
  assert.ok(scenarios.length > 0, `no scenario has the arena ${kind}`);
  let opened: Promise<Rounds> | null = null;
  const rounds = (): Promise<Rounds> => {
    opened ??= Rounds.open(kind, "short", seed);
    return opened;
  };
  after(async () => (await opened)?.close());

  for (const scenario of scenarios) {
    test(`${scenario.name}: ${scenario.what}; nothing that was acked is lost`, { skip: skipOf(scenario) }, async (t) => {
      t.diagnostic(`SEED=${seed}`);
      const { findings, figures, recoveredMs, p99BeforeMs, p99OthersMs } = await (await rounds()).run(scenario);
      const others = p99OthersMs === null ? "" : `, others' p99 ${Math.round(p99OthersMs)} ms after ${Math.round(p99BeforeMs)}`;
      t.diagnostic(`${figures.acked} readings acked, nothing waited after ${Math.round(recoveredMs ?? Number.NaN)} ms${others}`);
      assert.deepEqual(findings, []);
    });
  }

  test(`${kind}: what was acked in any of them is there after all of them`, {
    skip: scenarios.map(skipOf).find((why) => why !== false) ?? false,
  }, async () => {
    assert.deepEqual(await (await rounds()).allStillThere(), []);
  });
}
