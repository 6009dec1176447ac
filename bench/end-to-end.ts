import { startBenchEngine } from "./engine-process.js";
import { type BenchSize, fleetOf } from "./fleet.js";
import { loadProcess } from "./load-process.js";
import { processCpuMicros } from "./process-cpu.js";
import type { BenchFigures } from "./result.js";
import { totalsOf } from "./rows.js";
import type { BenchStore } from "./store.js";

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
  const engine = await startBenchEngine(size, store?.bench.httpUrl ?? null);
  const { url, folder } = engine;
  try {
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
    await engine.stop();
  }
}
