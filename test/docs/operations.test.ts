import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { packageRoot } from "../../engine/base/package-root.js";
import { createTenant, startEngineProcess } from "../support/engine.js";
import { temporaryDirectory } from "../support/servers.js";

const page = readFileSync(join(packageRoot, "docs", "OPERATIONS.md"), "utf8");
const main = fileURLToPath(new URL("../../engine/main.js", import.meta.url));

test("what the page says to type about a data directory works as it says", { timeout: 60_000 }, async () => {
  const folder = temporaryDirectory("operations");
  const dataDir = join(folder, "data");
  const config = { dataDir, shards: 1, tenants: [createTenant("acme").config] };
  const engine = await startEngineProcess({ config });
  await engine.ready();
  assert.equal(await engine.stop(), 0);
  const file = join(folder, "meterstorm.json");
  writeFileSync(file, JSON.stringify(config));

  const lines = page.split("\n").filter((line) => line.startsWith("meterstorm doctor"));
  assert.equal(lines.length, 3);
  for (const line of lines) {
    const [, ...args] = line.replace("./data", dataDir).replace("meterstorm.json", file).split(" ");
    const run = spawnSync(process.execPath, [main, ...args], { encoding: "utf8", timeout: 60_000 });
    assert.equal(run.status, 0, `${line}\n${run.stdout}${run.stderr}`);
    if (args.includes("--json")) assert.equal((JSON.parse(run.stdout) as { verdict: string }).verdict, "whole");
    else assert.match(run.stdout.split("\n")[0]!, /: all is whole; a start goes on from it/);
  }
});

test("the page says what each finding of the doctor is", () => {
  const folder = join(packageRoot, "engine", "doctor");
  const sources = readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"));
  const codes = sources.flatMap((text) =>
    [...text.matchAll(/(?:say\("\w+", |code: |note\(|VERSION_CODES = \{[^}]*?: )"([a-z]+_[a-z_]+)"/g)].map(([, code]) => code!),
  );
  assert.ok(new Set(codes).size > 10, codes.join(" "));
  for (const code of codes) assert.ok(page.includes(`\`${code}\``), `docs/OPERATIONS.md does not say what ${code} is`);
});
