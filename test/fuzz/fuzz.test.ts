import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { packageRoot } from "../../engine/base/package-root.js";
import { reported, seedOfRun, timeFor } from "./reported.js";
import { fuzzOnThread } from "./watched.js";

/** By the names of their modules, and how long each is run unless FUZZ_MS says otherwise. */
const TARGETS: Record<string, number> = {
  "binary-frames": 1500,
  "text-frames": 2000,
  configuration: 2000,
  rules: 1500,
  tokens: 500,
  queries: 1000,
  "store-lines": 1000,
  shard: 3500,
  "shard-files": 3500,
  "webhook-files": 1500,
  "data-directory": 1500,
};

test("every target is run", () => {
  const modules = readdirSync(join(packageRoot, "test", "fuzz", "targets")).map((name) => name.replace(/\.ts$/, ""));
  assert.deepEqual(Object.keys(TARGETS).sort(), modules.sort());
});

for (const [target, ms] of Object.entries(TARGETS)) {
  test(`whatever comes, nothing breaks: ${target}`, { timeout: 20_000 + timeFor(ms) * 2 }, async (t) => {
    reported(await fuzzOnThread(target, seedOfRun, timeFor(ms)), (line) => t.diagnostic(line));
  });
}
