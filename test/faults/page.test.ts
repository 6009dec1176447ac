import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { PROMISES } from "./checker.js";
import { PAGE, scenarioTable, tableOf, writtenFigures } from "./figures-table.js";
import { FLOOR_MS, MEMORY_BOUND_MIB } from "./run.js";
import { SCENARIOS } from "./scenarios.js";

const page = readFileSync(PAGE, "utf8");

test("the page tells every scenario and every promise as they are checked", () => {
  assert.ok(page.includes(scenarioTable()), `the page's table of scenarios should be\n${scenarioTable()}`);
  for (const [i, promise] of PROMISES.entries()) assert.match(page, new RegExp(`^${i + 1}\\. ${promise}`, "m"));
  assert.ok(page.includes(`${MEMORY_BOUND_MIB} MiB`));
  assert.ok(page.includes(`${FLOOR_MS.long} ms in the long round, ${FLOOR_MS.short / 1000} s in the short one`));
});

test("the page's figures are a table of scenarios", () => {
  const [heading] = tableOf([]).split("\n");
  const lines = writtenFigures()
    .split("\n")
    .filter((line) => line.startsWith("|"));
  assert.equal(lines[0], heading);
  const names = lines.slice(2).map((line) => line.split("|")[1]?.trim());
  assert.deepEqual(
    names,
    SCENARIOS.map(({ name }) => name).filter((name) => names.includes(name)),
  );
  assert.ok(names.length > 0, "there are no figures");
});

test("the long round refuses a scenario that there is none of, and names those that there are", () => {
  const program = fileURLToPath(new URL("./soak.js", import.meta.url));
  const run = spawnSync(process.execPath, [program, "--only", "nonsense"], { encoding: "utf8", timeout: 30_000 });
  assert.equal(run.status, 1, run.stderr);
  assert.match(run.stderr, /no such scenario: nonsense; engine-killed, /);
});
