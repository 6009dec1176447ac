import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { UNITS } from "../engine/load/series.js";
import { freePorts, startProcess, temporaryDirectory, until } from "../test/support/servers.js";
import { type BenchSize, fleetOf } from "./fleet.js";
import { loadProcess } from "./load-process.js";
import { processCpuMicros } from "./process-cpu.js";
import type { BenchFigures } from "./result.js";
import { makeRows } from "./rows.js";
import type { BenchStore } from "./store.js";

const serverFile = fileURLToPath(new URL("./naive-server.js", import.meta.url));
const START_WITHIN_MS = 30_000;

/** The plain server under the same load, text frames, into the same store. */
export async function runNaive(size: BenchSize, store: BenchStore, storePid: number): Promise<BenchFigures> {
  await store.empty();
  const folder = temporaryDirectory("naive");
  const [port = 0] = await freePorts(1);
  const server = startProcess(
    process.execPath,
    [serverFile, "--questdb", store.httpUrl, "--port", String(port)],
    {},
    join(folder, "naive.log"),
  );
  try {
    await until("the plain server listens", START_WITHIN_MS, async () => (await fetch(`http://127.0.0.1:${port}`)).ok);
    const wanted = plainTotals(size);
    const cpu = processCpuMicros(server.pid);
    const storeCpu = processCpuMicros(storePid);
    const report = await loadProcess(size, `ws://127.0.0.1:${port}`, "text", folder);
    await store.visible(wanted);
    const seconds = (Date.now() - report.startedAtMs) / 1000;
    const usedCpu = processCpuMicros(server.pid) - cpu;
    const usedStoreCpu = processCpuMicros(storePid) - storeCpu;
    await store.check(wanted);
    return {
      readings: wanted.readings,
      rows: wanted.readings + wanted.periods,
      seconds,
      readingsPerSecond: wanted.readings / seconds,
      ackedReadingsPerSecond: report.readingsPerSecond,
      cpuMicros: usedCpu / wanted.readings,
      loadCpuMicros: report.cpuMicrosPerReading,
      storeCpuMicros: usedStoreCpu / wanted.readings,
      ackMs: { p50: report.latencyMs.p50, p99: report.latencyMs.p99 },
    };
  } catch (error) {
    throw new Error(`the plain server's log ends with:\n${server.output()}`, { cause: error });
  } finally {
    await server.stop();
  }
}

/** What the plain way makes of the readings: a period's row when a reading of a later one comes, deltas not spread. */
function plainTotals(size: BenchSize) {
  const LENGTHS_MS = [3_600_000, 86_400_000];
  const open = LENGTHS_MS.map(() => new Map<number, { period: number; units: number }>());
  let readings = 0;
  let deltaUnits = 0;
  let hourUnits = 0;
  let periods = 0;
  makeRows(fleetOf(size), size.readings, {
    reading(meter, ts, _value, delta) {
      const units = Number.isNaN(delta) ? 0 : Math.round(delta * UNITS);
      readings++;
      deltaUnits += units;
      LENGTHS_MS.forEach((length, which) => {
        const period = Math.floor(ts / length);
        const running = open[which]!.get(meter) ?? { period, units: 0 };
        if (running.period !== period) {
          periods++;
          if (which === 0) hourUnits += running.units;
          running.period = period;
          running.units = 0;
        }
        running.units += units;
        open[which]!.set(meter, running);
      });
    },
    period() {},
  });
  return { readings, periods, deltaUnits, hourUnits };
}
