import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePorts, startProcess, temporaryDirectory, until } from "../test/support/servers.js";
import { type BenchSize, keyOf, tenantOf } from "./fleet.js";
import { mainFile } from "./load-process.js";

const START_WITHIN_MS = 30_000;
const STOP_WITHIN_MS = 20_000;

export interface BenchEngine {
  readonly url: string;
  readonly pid: number;
  /** A folder of this run's own. */
  readonly folder: string;
  output(): string;
  stop(): Promise<void>;
}

/** The engine as people run it, with a client for each of the fleet's, ready for frames. Without a store where `questdb` is null. */
export async function startBenchEngine(
  size: Pick<BenchSize, "clients">,
  questdb: string | null,
  ack: "durable" | "stored" = "durable",
): Promise<BenchEngine> {
  const folder = temporaryDirectory("bench");
  const [port = 0] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const config = join(folder, "meterstorm.json");
  mkdirSync(join(folder, "data"));
  writeFileSync(config, JSON.stringify({ ...configOf(size.clients, port, join(folder, "data"), questdb), ack }));
  const env: Record<string, string> = questdb === null ? { METERSTORM_BENCH: "1", METERSTORM_BENCH_STORE: "none" } : {};
  const engine = startProcess(process.execPath, [mainFile, "serve", "--config", config], env, join(folder, "engine.log"));
  try {
    await until("the engine is ready", START_WITHIN_MS, async () => engine.ended() !== null || (await fetch(`${url}/readyz`)).ok);
    if (engine.ended() !== null) throw new Error(`the engine ended: ${engine.ended()}\n${engine.output()}`);
  } catch (error) {
    await engine.stop(STOP_WITHIN_MS);
    throw error;
  }
  return {
    url,
    pid: engine.pid,
    folder,
    output: () => engine.output(),
    stop: async () => {
      await engine.stop(STOP_WITHIN_MS);
    },
  };
}

function configOf(clients: number, port: number, dataDir: string, questdb: string | null): object {
  return {
    listen: { host: "127.0.0.1", port },
    dataDir,
    ...(questdb === null ? {} : { store: { type: "questdb", http: questdb } }),
    tenants: Array.from({ length: clients }, (_, client) => ({
      id: tenantOf(client),
      timezone: "UTC",
      keys: [{ id: "bench", sha256: keyOf(client).sha256, role: "admin" }],
      meters: [{ match: "*", kind: "counter", unit: "kWh", decimals: 3 }],
    })),
  };
}
