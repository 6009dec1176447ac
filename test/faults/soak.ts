import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { tableOf, writeFigures } from "./figures-table.js";
import { Rounds, skipOf } from "./rounds.js";
import type { Length, Outcome } from "./run.js";
import { SCENARIOS } from "./scenarios.js";

/**
 * `make soak`: every fault in its long round, one after the other, and a table of what became of them. `--only NAME` (again and again) runs
 * some, `--short` short rounds, `--write` puts the table into docs/RELIABILITY.md; `SEED=` runs the same once more.
 */
const LONGEST_MS = 40 * 60_000;

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [] },
    short: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    json: { type: "string" },
  },
});

async function soak(): Promise<boolean> {
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  const length: Length = values.short ? "short" : "long";
  const unknown = values.only.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  if (unknown.length > 0)
    throw new Error(`no such scenario: ${unknown.join(", ")}; ${SCENARIOS.map(({ name }) => name).join(", ")}`);
  if (values.write && (values.short || values.only.length > 0))
    throw new Error("--write goes without --short and --only: the page has the long round of every scenario");
  console.log(`SEED=${seed}, ${length} rounds, at most ${LONGEST_MS / 60_000} minutes`);
  const outcomes: Outcome[] = [];
  const wrong: string[] = [];
  for (const kind of ["engine", "store", "disks"] as const) {
    const chosen = SCENARIOS.filter(
      ({ arena, name }) => arena === kind && (values.only.length === 0 || values.only.includes(name)),
    );
    const here = chosen.filter((scenario) => {
      const why = skipOf(scenario);
      if (why !== false) console.log(`${scenario.name}: left out, ${why}`);
      return why === false;
    });
    if (here.length === 0) continue;
    const rounds = await Rounds.open(kind, length, seed);
    try {
      for (const scenario of here) {
        const begunMs = performance.now();
        const outcome = await rounds.run(scenario).catch((error: unknown) => {
          wrong.push(`${scenario.name}: ${error instanceof Error ? error.stack : String(error)}\n${rounds.logs()}`);
          return null;
        });
        const took = ((performance.now() - begunMs) / 1000).toFixed(1);
        const count = outcome === null ? "FAILED" : `${outcome.findings.length} findings`;
        console.log(`${scenario.name}: ${took} s, ${count}`);
        if (outcome === null) break;
        outcomes.push(outcome);
        for (const { promise, what } of outcome.findings) wrong.push(`${scenario.name}: ${promise}: ${what}`);
      }
      wrong.push(...(await rounds.allStillThere()).map((what) => `in the end: ${what}`));
    } finally {
      await rounds.close();
    }
  }
  const table = tableOf(outcomes);
  console.log(`\n${table}\n`);
  if (values.json !== undefined)
    writeFileSync(
      values.json,
      JSON.stringify(
        outcomes.map(({ records: _, ...rest }) => rest),
        null,
        1,
      ),
    );
  if (wrong.length > 0) console.error(`${wrong.length} findings, SEED=${seed}\n${wrong.slice(0, 50).join("\n")}`);
  if (values.write) {
    const when = new Date().toISOString().slice(0, 10);
    writeFigures(
      `Long rounds on ${cpus().length} cores (${cpus()[0]?.model ?? "unknown"}), ${when}, seed ${seed}:\n\n${table}${notKept(outcomes)}`,
    );
  }
  return wrong.length === 0 && outcomes.length > 0;
}

/** Which promises were not kept, by scenario; empty where all were. */
function notKept(outcomes: readonly Outcome[]): string {
  const lines = outcomes.flatMap(({ scenario, findings }) => {
    const promises = new Set(findings.map(({ promise }) => promise));
    return promises.size === 0 ? [] : [`- \`${scenario}\`: ${[...promises].join("; ")}`];
  });
  return lines.length === 0 ? "" : `\n\nNot kept in this run:\n\n${lines.join("\n")}`;
}

const timer = setTimeout(() => {
  console.error(`not over after ${LONGEST_MS / 60_000} minutes`);
  process.exit(1);
}, LONGEST_MS);
timer.unref();
process.exitCode = (await soak()) ? 0 : 1;
process.exit();
