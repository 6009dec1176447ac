import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import test from "node:test";
import { packageRoot } from "../../engine/base/package-root.js";
import { temporaryDirectory } from "../support/servers.js";

const FOLDERS = ["engine", "workers", "bench", "test"];
/** Packages of which each has one owner, so that it can be replaced in one place. */
const OWNED = ["uWebSockets.js", "piscina", "ioredis", "@duckdb/node-api", "@questdb/nodejs-client"];

interface Cruise {
  modules: { source: string; dependencies: { module: string; dependencyTypes: string[] }[] }[];
  summary: { violations: { from: string; to: string; rule: { name: string } }[] };
}

function cruise(folder: string, parts: readonly string[]): Cruise {
  const run = spawnSync(
    process.execPath,
    [
      join(packageRoot, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs"),
      ...["--config", join(packageRoot, ".dependency-cruiser.cjs")],
      ...["--output-type", "json"],
      ...parts,
    ],
    { cwd: folder, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 },
  );
  assert.ok(run.stdout.startsWith("{"), `dependency-cruiser said: ${run.stdout}${run.stderr}`);
  return JSON.parse(run.stdout) as Cruise;
}

function sourcesIn(folder: string): string[] {
  return readdirSync(join(packageRoot, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `${folder}/${name}`)
    .sort();
}

test("imports keep to the layers, and every source was looked at", () => {
  const result = cruise(packageRoot, FOLDERS);
  assert.deepEqual(
    result.summary.violations.map(({ from, to, rule }) => `${rule.name}: ${from} → ${to}`),
    [],
  );
  const read = new Set(result.modules.map(({ source }) => source));
  const sources = FOLDERS.flatMap(sourcesIn);
  assert.ok(sources.length > 0);
  assert.deepEqual(
    sources.filter((source) => !read.has(source)),
    [],
    "sources that the check of imports did not read",
  );
  const edges = result.modules.reduce((sum, { dependencies }) => sum + dependencies.length, 0);
  assert.ok(edges > sources.length, `only ${edges} imports were seen in ${sources.length} sources`);

  for (const owned of OWNED) {
    const uses = ({ module, dependencyTypes }: Cruise["modules"][0]["dependencies"][0]): boolean =>
      module === owned && !dependencyTypes.includes("type-only");
    const users = result.modules.filter(
      ({ source, dependencies }) => /^(engine|workers)\//.test(source) && dependencies.some(uses),
    );
    assert.ok(users.length <= 1, `${owned} is known to ${users.map(({ source }) => source).join(" and ")}; one file may know it`);
  }
});

/** An import that breaks each rule: from a new file in `folder`, of `target`. */
const PLANTED: [rule: string, folder: string, target: string][] = [
  ["base-alone", "engine/base", "../memory/neighbour.js"],
  ["memory-on-base", "engine/memory", "../lanes/neighbour.js"],
  ["kernels-on-base", "workers/kernels", "../journal/neighbour.js"],
  ["kernels-do-no-io", "workers/kernels", "node:fs"],
  ["workers-see-little", "workers/journal", "../../engine/lanes/neighbour.js"],
  ["sinks-speak-a-store", "workers/sinks", "../../engine/lanes/neighbour.js"],
  ["engine-not-workers", "engine/shards", "../../workers/journal/neighbour.js"],
  ["main-is-the-top", "engine/api", "../main.js"],
  ["engine-is-composed-once", "engine/api", "../engine.js"],
  ["sources-not-tests", "engine/api", "../../test/neighbour.js"],
  ["no-cycles", "engine/api", "./no-cycles.js"],
  ["resolves", "engine/api", "./absent.js"],
  ["ioredis-in-one-file", "engine/api", "ioredis"],
  ["what-ships-needs-no-dev-package", "engine/api", "fast-check"],
];
const NEIGHBOURS = ["engine/memory", "engine/lanes", "workers/journal", "test"].map((folder) => `${folder}/neighbour.ts`);

test("every rule on imports reports what breaks it, and nothing else does", () => {
  const folder = temporaryDirectory("layers");
  const write = (file: string, content: string): void => {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), content);
  };
  write(
    "package.json",
    JSON.stringify({ type: "module", dependencies: { ioredis: "*" }, devDependencies: { "fast-check": "*" } }),
  );
  write("tsconfig.json", JSON.stringify({ compilerOptions: { module: "NodeNext" } }));
  for (const name of ["ioredis", "fast-check"]) {
    write(`node_modules/${name}/package.json`, JSON.stringify({ name, version: "1.0.0", type: "module", exports: "./index.js" }));
    write(`node_modules/${name}/index.js`, "");
  }
  for (const file of ["engine/main.ts", "engine/engine.ts", ...NEIGHBOURS]) write(file, "export type N = 1;");
  for (const [rule, home, target] of PLANTED) {
    // Of our own files types count too; of a package only what is there when it runs.
    write(`${home}/${rule}.ts`, target.endsWith(".js") ? `export type { N } from "${target}";` : `import "${target}";`);
  }

  const found = cruise(folder, ["engine", "workers", "test"]).summary.violations;
  assert.deepEqual(
    found.map(({ from, rule }) => `${rule.name}: ${from}`).sort(),
    PLANTED.map(([rule, home]) => `${rule}: ${home}/${rule}.ts`).sort(),
  );
});
