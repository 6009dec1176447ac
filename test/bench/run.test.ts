import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { questDbSkip } from "../support/questdb.js";
import { temporaryDirectory } from "../support/servers.js";

const program = fileURLToPath(new URL("../../bench/run.js", import.meta.url));
const NAMES = [
  "limit",
  "meterstorm, binary",
  "meterstorm, text",
  "meterstorm, binary, no store",
  "meterstorm, text, no store",
  "plain server, text",
];

test("a small run of all benchmarks finds every row in the store, and writes its figures", {
  skip: questDbSkip(),
  timeout: 180_000,
}, () => {
  const json = join(temporaryDirectory("bench"), "results.json");
  const run = spawnSync(process.execPath, [program, "--small", "--json", json], { encoding: "utf8", timeout: 170_000 });
  assert.equal(run.status, 0, `${run.stdout}\n${run.stderr}`);
  const report = JSON.parse(readFileSync(json, "utf8"));
  assert.deepEqual(
    report.summaries.map(({ name }: { name: string }) => name),
    NAMES,
  );
  for (const { name, readingsPerSecond, ratio } of report.summaries) {
    assert.ok(readingsPerSecond > 0 && ratio > 0, `${name}: ${readingsPerSecond} readings/s, ${ratio} of the limit`);
  }
  for (const name of NAMES) assert.ok(run.stdout.includes(name), `${name} is in the table`);
  assert.deepEqual(report.backfill.wrong, []);
  assert.ok(report.backfill.repairs > 0 && report.backfill.beside.measurements > 0);
  assert.equal(report.skipped, null);
  assert.match(report.machine.questdb, /^\d+\.\d+/);
});
