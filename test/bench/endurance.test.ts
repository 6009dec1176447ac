import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { questDbSkip } from "../support/questdb.js";

const program = fileURLToPath(new URL("../../bench/endurance.js", import.meta.url));

test("a short endurance run finds every acked reading in the store, at the seed's rate and flat out", {
  skip: questDbSkip(),
  timeout: 180_000,
}, () => {
  const run = spawnSync(process.execPath, [program, "--minutes", "0.1", "--meters", "2000", "--clients", "10"], {
    encoding: "utf8",
    timeout: 170_000,
  });
  const results = run.stdout
    .split("\n")
    .slice(1, -1)
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    results.map(({ phase }) => phase),
    ["seed", "flat out"],
    run.stderr,
  );
  for (const { phase, sent, acked, stored, readBack } of results) {
    assert.ok(sent > 100, `${phase}: ${sent} sent`);
    assert.equal(acked, sent);
    assert.equal(stored, sent);
    assert.deepEqual([readBack.missing, readBack.doubled, readBack.changed], [0, 0, 0]);
    assert.ok(readBack.found > 0);
  }
});
