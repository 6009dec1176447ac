import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePorts, startProcess, temporaryDirectory, until } from "../test/support/servers.js";
import { type BenchSize, fleetOf, keyOf, tenantOf } from "./fleet.js";
import { loadProcess, mainFile } from "./load-process.js";
import { processCpuMicros } from "./process-cpu.js";
import type { BenchFigures } from "./result.js";
import { totalsOf } from "./rows.js";
import type { BenchStore } from "./store.js";

const START_WITHIN_MS = 30_000;
const STOP_WITHIN_MS = 20_000;

/**
 * Everything, as it is run: load generator, engine and store are processes of their own.
 *
 *   load ──WebSocket──▶ engine (sessions, lanes, ring, kernels, journal, sink) ──▶ store
 *
 * The clock stops when every row is readable in the store; without a store when the last frame is acked.
 */
export async function runEndToEnd(
  size: BenchSize,
  format: "binary" | "text",
  store: { bench: BenchStore; pid: number } | null,
): Promise<BenchFigures> {
  await store?.bench.empty();
  const folder = temporaryDirectory("bench");
  const [port = 0] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const config = join(folder, "meterstorm.json");
  mkdirSync(join(folder, "data"));
  writeFileSync(config, JSON.stringify(configOf(size, port, join(folder, "data"), store?.bench.httpUrl ?? null)));
  const env: Record<string, string> = store === null ? { METERSTORM_BENCH: "1", METERSTORM_BENCH_STORE: "none" } : {};
  const engine = startProcess(process.execPath, [mainFile, "serve", "--config", config], env, join(folder, "engine.log"));
  try {
    await until("the engine is ready", START_WITHIN_MS, async () => engine.ended() !== null || (await fetch(`${url}/readyz`)).ok);
    if (engine.ended() !== null) throw new Error(`the engine ended: ${engine.ended()}`);
    const totals = totalsOf(fleetOf(size), size.readings);
    const cpu = processCpuMicros(engine.pid);
    const storeCpu = store === null ? Number.NaN : processCpuMicros(store.pid);
    const report = await loadProcess(size, url.replace("http", "ws"), format, folder);
    await store?.bench.visible(totals);
    // From the first frame, by the one clock that both processes share, until the last row is readable.
    const seconds = (store === null ? report.elapsedMs : Date.now() - report.startedAtMs) / 1000;
    const engineCpu = processCpuMicros(engine.pid) - cpu;
    const usedStoreCpu = store === null ? null : (processCpuMicros(store.pid) - storeCpu) / totals.readings;
    await store?.bench.check(totals);
    return {
      readings: totals.readings,
      rows: store === null ? 0 : totals.readings + totals.periods,
      seconds,
      readingsPerSecond: totals.readings / seconds,
      ackedReadingsPerSecond: report.readingsPerSecond,
      cpuMicros: engineCpu / totals.readings,
      loadCpuMicros: report.cpuMicrosPerReading,
      storeCpuMicros: usedStoreCpu,
      ackMs: { p50: report.latencyMs.p50, p99: report.latencyMs.p99 },
    };
  } catch (error) {
    throw new Error(`the engine's log ends with:\n${engine.output()}`, { cause: error });
  } finally {
    await engine.stop(STOP_WITHIN_MS);
  }
}

function configOf(size: BenchSize, port: number, dataDir: string, questdb: string | null): unknown {
  return {
    listen: { host: "127.0.0.1", port },
    dataDir,
    ...(questdb === null ? {} : { store: { type: "questdb", http: questdb } }),
    tenants: Array.from({ length: size.clients }, (_, client) => ({
      id: tenantOf(client),
      timezone: "UTC",
      keys: [{ id: "bench", sha256: keyOf(client).sha256, role: "admin" }],
      meters: [{ match: "*", kind: "counter", unit: "kWh", decimals: 3 }],
    })),
  };
}
