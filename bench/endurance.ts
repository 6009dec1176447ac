import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { LoadReport } from "../engine/load/report.js";
import { startQuestDb } from "../test/support/questdb.js";
import { startBenchEngine } from "./engine-process.js";
import { runLoad, writeTokens } from "./load-process.js";
import { describeMachine } from "./machine.js";
import { BenchStore } from "./store.js";

/** What the system that this one descends from had to take: 12 million measurements a day. */
const SEED_RATE = 139;
const SAMPLE_EVERY_MS = 1000;
/** Memory at the end may stand so far above what it was after warming up. */
const GROWTH_ALLOWED = 1.1;

interface Phase {
  name: string;
  /** Flat out, what is only durable may run ahead of the store by hundreds of millions of rows; then nobody could count them soon. */
  ack: "durable" | "stored";
  rate: number | null;
}

interface PhaseResult {
  phase: string;
  minutes: number;
  sent: number;
  acked: number;
  stored: number;
  readingsPerSecond: number;
  ackP99Ms: number;
  readBack: { meters: number; found: number; missing: number; doubled: number; changed: number };
  /** Engine's resident memory in MiB, medians of the second and of the last fifth of the time. */
  memoryEarlyMiB: number;
  memoryLateMiB: number;
  ok: boolean;
}

/**
 * 30,000 meters of 100 clients into QuestDB, for minutes: first at the seed's rate, then as fast as they are taken.
 *
 *   load ──WebSocket──▶ engine ──▶ QuestDB        rows counted, a sample read back in full, memory looked at each second
 *
 * Fails when an acked reading is missing or doubled, or when memory still grew after warming up.
 */
async function runPhase({ name, rate, ack }: Phase, seconds: number, meters: number, clients: number): Promise<PhaseResult> {
  const questdb = await startQuestDb();
  const store = new BenchStore(questdb.httpUrl);
  const engine = await startBenchEngine({ clients }, questdb.httpUrl, ack);
  const memory: number[] = [];
  const sampler = setInterval(() => memory.push(residentMiB(engine.pid)), SAMPLE_EVERY_MS);
  try {
    const report = await load(engine.folder, engine.url, rate, seconds, meters, clients);
    clearInterval(sampler);
    const stored = await store.rowsOf("readings");
    const fifth = Math.max(1, Math.floor(memory.length / 5));
    const memoryEarlyMiB = median(memory.slice(fifth, 2 * fifth));
    const memoryLateMiB = median(memory.slice(-fifth));
    const { meters: readMeters = 0, found = 0, missing = 0, doubled = 0, changed = 0 } = report.verification ?? {};
    return {
      phase: name,
      minutes: seconds / 60,
      sent: report.sent,
      acked: report.acked,
      stored,
      readingsPerSecond: report.readingsPerSecond,
      ackP99Ms: report.latencyMs.p99,
      readBack: { meters: readMeters, found, missing, doubled, changed },
      memoryEarlyMiB,
      memoryLateMiB,
      ok: report.ok && found > 0 && stored === report.acked && memoryLateMiB <= memoryEarlyMiB * GROWTH_ALLOWED,
    };
  } finally {
    clearInterval(sampler);
    await engine.stop();
    await store.close();
    await questdb.stop();
  }
}

async function load(
  folder: string,
  url: string,
  rate: number | null,
  seconds: number,
  meters: number,
  clients: number,
): Promise<LoadReport> {
  const json = join(folder, "load.json");
  const address = ["--url", url.replace("http", "ws"), "--token-file", writeTokens(folder, clients)];
  const fleet = ["--dataloggers", String(clients), "--meters", String(meters / clients), "--duration", `${seconds}s`];
  const pace = rate === null ? [] : ["--rate", String(rate)];
  const reading = ["--verify", "10", "--verify-within", "10m", "--patience", "2m", "--json", json];
  const { code, words } = await runLoad([...address, ...fleet, ...pace, ...reading]);
  if (code !== 0 && code !== 1) throw new Error(`the load test could not be run, it ended with ${code}:\n${words}`);
  return JSON.parse(readFileSync(json, "utf8")) as LoadReport;
}

function residentMiB(pid: number): number {
  try {
    return (Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * 4096) / 2 ** 20;
  } catch {
    return Number.NaN;
  }
}

function median(values: readonly number[]): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    meters: { type: "string", default: "30000" },
    clients: { type: "string", default: "100" },
    only: { type: "string", default: "" },
  },
});
const seconds = Math.round(Number(values.minutes) * 60);
const phases: Phase[] = [
  { name: "seed", ack: "durable", rate: SEED_RATE },
  { name: "flat out", ack: "stored", rate: null },
];
const { cpu, cores, node } = describeMachine("");
process.stdout.write(`${cpu}, ${cores} cores, Node ${node}; ${values.meters} meters of ${values.clients} clients\n`);
let ok = true;
for (const phase of phases.filter(({ name }) => name.startsWith(values.only))) {
  const result = await runPhase(phase, seconds, Number(values.meters), Number(values.clients));
  process.stdout.write(`${JSON.stringify(result)}\n`);
  ok &&= result.ok;
}
process.exitCode = ok ? 0 : 1;
