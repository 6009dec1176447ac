import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { packageRoot } from "../engine/base/package-root.js";
import { questDbSkip, startQuestDb } from "../test/support/questdb.js";
import { type BackfillResult, type BackfillSize, fullBackfill, runBackfill, smallBackfill } from "./backfill.js";
import { runEndToEnd } from "./end-to-end.js";
import { type BenchSize, fullSize, smallSize } from "./fleet.js";
import { prepareLimit, runLimit } from "./limit.js";
import { describeMachine, type Machine } from "./machine.js";
import { runAllMicro } from "./micro/all.js";
import type { MicroResult } from "./micro/harness.js";
import { runNaive } from "./naive.js";
import { fullRecovery, type RecoveryResult, type RecoverySize, runRecovery, smallRecovery } from "./recovery.js";
import { type BenchFigures, type BenchResult, type Summary, summarize } from "./result.js";
import { BenchStore } from "./store.js";
import { backfillText, microTable, recoveryText, summaryTable } from "./tables.js";

interface BenchReport {
  readonly machine: Machine;
  readonly size: BenchSize;
  readonly small: boolean;
  readonly summaries: readonly Summary[];
  readonly runs: readonly BenchResult[];
  readonly micro: readonly MicroResult[];
  /** A history newest first beside live meters; null where it was left out. */
  readonly backfill: (BackfillSize & BackfillResult) | null;
  /** A start after a crash; null where it was left out. */
  readonly recovery: (RecoverySize & RecoveryResult) | null;
  /** Why the programs that need a store were left out, or null. */
  readonly skipped: string | null;
}

/** Programs take turns (limit, ours, plain, limit, …), so that a machine that changes its pace does so for all of them. */
async function macro(
  size: BenchSize,
  only: string,
  note: (line: string) => void,
): Promise<{ runs: BenchResult[]; questdb: string }> {
  const server = await startQuestDb();
  const store = new BenchStore(server.httpUrl);
  const runs: BenchResult[] = [];
  try {
    const input = prepareLimit(size);
    const bench = { bench: store, pid: server.pid };
    const programs: [string, () => Promise<BenchFigures>][] = [
      ["limit", () => runLimit(input, store, server.pid)],
      ["meterstorm, binary", () => runEndToEnd(size, "binary", bench)],
      ["meterstorm, text", () => runEndToEnd(size, "text", bench)],
      ["meterstorm, binary, no store", () => runEndToEnd(size, "binary", null)],
      ["meterstorm, text, no store", () => runEndToEnd(size, "text", null)],
      ["plain server, text", () => runNaive(size, store, server.pid)],
    ];
    const chosen = programs.filter(([name]) => name.includes(only));
    // The server's first rows are slow, whoever sends them.
    await runLimit(input, store, server.pid);
    for (let round = 0; round < size.rounds; round++) {
      for (const [name, program] of chosen) {
        const result = { ...(await program()), name };
        runs.push(result);
        note(
          `${round + 1}/${size.rounds}  ${name.padEnd(28)} ${Math.round(result.readingsPerSecond).toLocaleString("en")} readings/s`,
        );
      }
    }
    return { runs, questdb: await store.version() };
  } finally {
    await store.close();
    await server.stop();
  }
}

const RECOVERY = "recovery";

async function runBenchmarks(small: boolean, only: string, note: (line: string) => void): Promise<BenchReport> {
  const size = small ? smallSize : fullSize;
  const needsStore = only !== RECOVERY;
  const skip = needsStore ? questDbSkip() : "only the recovery was asked for";
  const { runs, questdb } = skip === false ? await macro(size, only, note) : { runs: [], questdb: "none" };
  const backfillSize = small ? smallBackfill : fullBackfill;
  const withBackfill = skip === false && "history".includes(only);
  const backfill = withBackfill ? { ...backfillSize, ...(await runBackfill(backfillSize, note)) } : null;
  if (backfill !== null && backfill.wrong.length > 0)
    throw new Error(`wrong rows after the history:\n${backfill.wrong.join("\n")}`);
  const recoverySize = small ? smallRecovery : fullRecovery;
  const recovery = RECOVERY.includes(only) ? { ...recoverySize, ...(await runRecovery(recoverySize)) } : null;
  if (recovery !== null && recovery.wrong.length > 0)
    throw new Error(`the shard does not go on where it stood:\n${recovery.wrong.join("\n")}`);
  const names = [...new Set(runs.map((run) => run.name))];
  const of = (name: string) => runs.filter((run) => run.name === name);
  return {
    machine: describeMachine(questdb),
    size,
    small,
    summaries: names.map((name) => summarize(name, of(name), of("limit"))),
    runs,
    micro: only === "" ? await runAllMicro(small) : [],
    backfill,
    recovery,
    skipped: skip === false ? null : skip,
  };
}

const { values } = parseArgs({
  options: { small: { type: "boolean", default: false }, json: { type: "string" }, only: { type: "string", default: "" } },
});
const report = await runBenchmarks(values.small, values.only, (line) => process.stderr.write(`${line}\n`));
const file = values.json ?? join(packageRoot, ".cache", "bench", "results.json");
mkdirSync(dirname(file), { recursive: true });
writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
const { machine, size } = report;
process.stdout.write(
  `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Node ${machine.node}, QuestDB ${machine.questdb}\n`,
);
if (report.small) process.stdout.write("a small run: it shows that everything works, its figures mean nothing\n");
if (report.skipped !== null) process.stdout.write(`without a store: ${report.skipped}\n`);
else {
  const fleet = `${size.meters} counters of ${size.clients} clients, staggered, ${size.readings} readings`;
  process.stdout.write(`\n${fleet}, medians of ${size.rounds} interleaved runs\n${summaryTable(report.summaries)}\n`);
}
if (report.backfill !== null) process.stdout.write(`\n${backfillText(report.backfill)}\n`);
if (report.recovery !== null) process.stdout.write(`\n${recoveryText(report.recovery)}\n`);
process.stdout.write(`\n${microTable(report.micro)}\n\nall of it: ${file}\n`);
