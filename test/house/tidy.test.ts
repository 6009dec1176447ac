import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import ts from "typescript";
import { packageRoot } from "../../engine/base/package-root.js";

/** A file of so many lines is probably two ideas. */
const SOFT_LINES = 300;
const HARD_LINES = 400;
/** Files that may be longer, each with its reason. */
const MAY_BE_LONG = new Map<string, string>([]);

const MAX_BYTES = 1024 * 1024;

/** Places of one machine, hosts of one network, and talk about the making instead of the thing. */
const FOREIGN: [what: string, pattern: RegExp][] = [
  ["a path of one machine", /(?<![\w.:/-])\/(?:root|home|Users|work|mnt)\/\w/],
  ["a path beside the checkout", /\.\.\/shared\b/],
  ["a registry's host", /\b(?:registry\.npmjs|registry\.yarnpkg|npmmirror|artifactory|verdaccio)\b/i],
  ["the number of an issue", /\b(?:issue|ticket|PR)s? #?\d+\b/i],
  ["talk about the making", /\bthis (?:session|workplace)\b/i],
];

/** Marks of work that is not done, or of a check that was silenced. */
const UNDONE: [what: string, pattern: RegExp][] = [
  ["a mark of unfinished work", /\b(?:TO[D]O|FIX[M]E|XX[X])\b/],
  ["a test that is left out or runs alone", /\b(?:test|it|describe|suite|t)\.(?:only|skip|todo)\(/],
  ["a silenced compiler", /@ts-(?:ignore|nocheck|expect-error)/],
  ["a silenced linter", /eslint-disabl[e]/],
];

interface Tracked {
  path: string;
  bytes: Buffer;
}

/** Every file of the repository that is or is about to be committed. */
const tracked: Tracked[] = listTracked();

function listTracked(): Tracked[] {
  const run = spawnSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: packageRoot,
    encoding: "utf8",
  });
  assert.equal(run.status, 0, `git could not list the files: ${run.stderr}`);
  const paths = [...new Set(run.stdout.split("\0").filter((path) => path !== "" && existsSync(join(packageRoot, path))))];
  assert.ok(paths.includes("package.json") && paths.length > 20, `only ${paths.length} files were found`);
  return paths.map((path) => ({ path, bytes: readFileSync(join(packageRoot, path)) }));
}

const sources = tracked.filter(({ path }) => /^(?:engine|workers|bench|test)\/.*\.ts$/.test(path));

test("every file is text and smaller than 1 MiB, recorded meter data apart", () => {
  for (const { path, bytes } of tracked) {
    assert.ok(!bytes.includes(0), `${path} holds a zero byte: it is no text`);
    assert.doesNotThrow(() => new TextDecoder("utf-8", { fatal: true }).decode(bytes), `${path} is not UTF-8`);
    if (!path.startsWith("demo/data/")) assert.ok(bytes.length < MAX_BYTES, `${path} has ${bytes.length} bytes`);
  }
});

test("the project speaks of itself alone", () => {
  const found: string[] = [];
  for (const { path, bytes } of tracked) {
    if (path === "LICENSE") continue;
    found.push(...linesMatching(path, bytes.toString("utf8"), FOREIGN));
  }
  assert.deepEqual(found, []);
});

test("nothing is left undone or silenced", () => {
  assert.deepEqual(
    sources.flatMap(({ path, bytes }) => linesMatching(path, bytes.toString("utf8"), UNDONE)),
    [],
  );
});

function linesMatching(path: string, text: string, patterns: readonly [string, RegExp][]): string[] {
  // The patterns themselves are the one place where what they look for may stand.
  if (path === "test/house/tidy.test.ts") return [];
  return text
    .split("\n")
    .flatMap((line, i) =>
      patterns.filter(([, pattern]) => pattern.test(line)).map(([what]) => `${path}:${i + 1} holds ${what}: ${line.trim()}`),
    );
}

test("a file is one idea and rarely long", (t) => {
  const tooLong: string[] = [];
  for (const { path, bytes } of sources) {
    const lines = bytes.toString("utf8").split("\n").length - 1;
    if (lines > HARD_LINES && !MAY_BE_LONG.has(path)) tooLong.push(`${path}: ${lines} lines, ${HARD_LINES} are the limit`);
    else if (lines > SOFT_LINES) t.diagnostic(`${path} has ${lines} lines`);
  }
  assert.deepEqual(tooLong, []);
  for (const path of MAY_BE_LONG.keys()) {
    assert.ok(
      sources.some((source) => source.path === path),
      `${path} may be long but is not there`,
    );
  }
});

test("only memory/ touches what threads share", () => {
  let seen = 0;
  const found: string[] = [];
  for (const { path, bytes } of sources) {
    if (!/^(?:engine|workers)\//.test(path)) continue;
    const file = ts.createSourceFile(path, bytes.toString("utf8"), ts.ScriptTarget.ES2023, true);
    const visit = (node: ts.Node): void => {
      // A type may name what travels between threads; making or reading it is for memory/ alone.
      if (
        ts.isIdentifier(node) &&
        (node.text === "Atomics" || node.text === "SharedArrayBuffer") &&
        !ts.isTypeNode(node.parent)
      ) {
        seen++;
        const line = file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;
        if (!path.startsWith("engine/memory/")) found.push(`${path}:${line} touches ${node.text}`);
      }
      ts.forEachChild(node, visit);
    };
    visit(file);
  }
  assert.deepEqual(found, []);
  assert.ok(seen > 0, "engine/memory must have been seen touching them: the check looked at nothing");
});

test("the lock file names no host to fetch from", () => {
  const lock = tracked.find(({ path }) => path === "package-lock.json");
  assert.ok(lock !== undefined);
  assert.doesNotMatch(lock.bytes.toString("utf8"), /"resolved": "https?:/);
});

test("every command that the README quotes exists", () => {
  const readme = readFileSync(join(packageRoot, "README.md"), "utf8");
  const quoted = [...readme.matchAll(/```[^\n]*\n([\s\S]*?)```|`([^`\n]+)`/g)]
    .map((match) => match[1] ?? match[2] ?? "")
    .join("\n");
  const makefile = readFileSync(join(packageRoot, "Makefile"), "utf8");
  const targets = new Set([...makefile.matchAll(/^([a-z]+):/gm)].map((match) => match[1]));
  const wantedTargets = [...quoted.matchAll(/^make ([a-z]+)/gm)].map((match) => match[1]);
  assert.ok(wantedTargets.includes("run") && wantedTargets.includes("test"));
  for (const target of wantedTargets)
    assert.ok(targets.has(target), `the README says make ${target}, the Makefile does not know it`);

  const main = new URL("../../engine/main.js", import.meta.url);
  const help = spawnSync(process.execPath, [main.pathname, "--help"], { encoding: "utf8" });
  assert.equal(help.status, 0, help.stderr);
  const commands = new Set([...help.stdout.matchAll(/^ {2}([a-z]+)\b/gm)].map((match) => match[1]));
  const wanted = [...quoted.matchAll(/^(?:npx |\$ )?meterstorm ([a-z]+)/gm)].map((match) => match[1]);
  assert.ok(wanted.length > 0, "the README quotes no command of meterstorm");
  for (const command of wanted) assert.ok(commands.has(command), `the README says meterstorm ${command}, its help does not`);
});
