import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { amount, durationMs, instantMs, tokensOf } from "../../engine/commands/arguments.js";
import { TinyEngine } from "./tiny-engine.js";

const main = fileURLToPath(new URL("../../engine/main.js", import.meta.url));

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

function run(...args: string[]): Promise<Ended> {
  const { METERSTORM_TOKEN: _, ...env } = process.env;
  const child = spawn(process.execPath, [main, ...args], { env });
  const ended = { code: null as number | null, out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    ended.out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    ended.err += text;
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ ...ended, code }));
  });
}

async function engineFor(t: TestContext): Promise<{ engine: TinyEngine; folder: string }> {
  const engine = await TinyEngine.start();
  const folder = mkdtempSync(join(tmpdir(), "meterstorm-command-"));
  t.after(async () => {
    await engine.stop();
    rmSync(folder, { recursive: true });
  });
  return { engine, folder };
}

test("load ends with 0 and a report when every acked reading is there, with 1 when one is missing", async (t) => {
  const { engine, folder } = await engineFor(t);
  const json = join(folder, "report.json");
  writeFileSync(join(folder, "tokens"), "# tokens\na.k.s\n\nb.k.s\n");
  const options = [
    "--url",
    engine.url,
    "--dataloggers",
    "2",
    "--meters",
    "10",
    "--count",
    "1k",
    "--verify",
    "all",
    "--json",
    json,
  ];
  const fine = await run("load", "--token-file", join(folder, "tokens"), ...options);
  assert.equal(fine.code, 0, fine.err);
  assert.match(fine.out, /^acked +1,000 \(durable\)$/m);
  assert.match(fine.err, /^sending 100% sent 1,000, acked 1,000/m);
  const report = JSON.parse(readFileSync(json, "utf8"));
  assert.deepEqual([report.ok, report.sent, report.acked, report.lost], [true, 1000, 1000, 0]);
  engine.show = (_, rows) => rows.slice(1);
  const faulty = await run("load", "--token", "a.k.s", ...options, "--verify-within", "1ms");
  assert.equal(faulty.code, 1, faulty.err);
  assert.match(faulty.out, /^lost +20$/m);
});

test("load ends with 2 and a reason when it cannot be run", async (t) => {
  const { engine } = await engineFor(t);
  const without = await run("load", "--url", engine.url);
  assert.deepEqual([without.code, /no token was given/.test(without.err)], [2, true]);
  const elsewhere = await run("load", "--url", "ftp://x", "--token", "a.k.s");
  assert.deepEqual([elsewhere.code, /^url_invalid: /m.test(elsewhere.err)], [2, true]);
});

test("replay streams a file, goes on where it was, and ends with 1 when readings are rejected", async (t) => {
  const { engine, folder } = await engineFor(t);
  const file = join(folder, "main.csv");
  writeFileSync(file, "ts,value\n2026-01-01T00:00:00Z,1\n2026-01-01T01:00:00Z,2\n");
  const options = ["replay", file, "--url", engine.url, "--token", "a.k.s"];
  const first = await run(...options);
  assert.equal(first.code, 0, first.err);
  assert.match(first.out, /^2 rows; 2 readings sent, 2 acked, 0 rejected$/m);
  assert.deepEqual(
    engine.rows.get("main")?.map(({ value }) => value),
    [1, 2],
  );
  writeFileSync(file, "2026-01-01T02:00:00Z,3\n", { flag: "a" });
  engine.refuse = () => "value_invalid";
  const second = await run(...options);
  assert.equal(second.code, 1, second.err);
  assert.match(
    second.out,
    /^3 rows, 2 of them by an earlier run; 1 readings sent, 1 acked, 1 rejected\nrejected as value_invalid: 1$/m,
  );
});

test("amounts, times and instants are read as people write them, and refused otherwise", () => {
  assert.deepEqual(["1", "10k", "1.5M"].map(amount), [1, 10_000, 1_500_000]);
  for (const wrong of ["0", "-1", "1.5", "10kk", "", "1e3"])
    assert.throws(() => amount(wrong), { code: "commander.invalidArgument" });
  assert.deepEqual(["250ms", "30s", "1h30m"].map(durationMs), [250, 30_000, 5_400_000]);
  for (const wrong of ["0s", "5", "s"]) assert.throws(() => durationMs(wrong), { code: "commander.invalidArgument" });
  assert.deepEqual(["2026-01-01", "2026-01-01T01:00:00+01:00", "1767225600000"].map(instantMs), Array(3).fill(1767225600000));
  for (const wrong of ["2026-01-01T01:00:00", "now"])
    assert.throws(() => instantMs(wrong), { code: "commander.invalidArgument" });
  assert.deepEqual(tokensOf("# a\n x \n\ny"), ["x", "y"]);
});
