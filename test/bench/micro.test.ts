import assert from "node:assert/strict";
import { test } from "node:test";
import { runAllMicro } from "../../bench/micro/all.js";
import { runMicro } from "../../bench/micro/harness.js";

test("every small benchmark runs, checks what it computes, and compares with ours", async () => {
  const results = await runAllMicro(true);
  assert.ok(results.length >= 16, `${results.length} results`);
  for (const { bench, name, nanosPerUnit, ratio } of results)
    assert.ok(nanosPerUnit > 0 || Number.isNaN(ratio), `${bench}, ${name}: ${nanosPerUnit} ns`);
  const ours = results.filter((result, i) => result.bench !== results[i - 1]?.bench);
  assert.ok(ours.every(({ ratio }) => ratio === 1));
});

test("a benchmark whose result is wrong, or that throws, fails", () => {
  const bench = { name: "b", unit: "u", unitsPerRun: 1, cases: [{ name: "c", run: () => {} }], check: () => {} };
  const wrong = () => {
    throw new Error("wrong sum");
  };
  assert.throws(() => runMicro({ ...bench, check: wrong }, true), /wrong sum/);
  let runs = 0;
  const broken = () => {
    if (runs++ > 20) throw new Error("broken");
  };
  assert.throws(() => runMicro({ ...bench, cases: [{ name: "c", run: broken }] }, true), /broken/);
});
