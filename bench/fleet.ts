import { createHash } from "node:crypto";
import { createKey } from "../engine/config/keys.js";
import { Series } from "../engine/load/series.js";

/** The size of a run. Every run of one size sends the same readings. */
export interface BenchSize {
  readonly clients: number;
  /** Of all clients together. */
  readonly meters: number;
  readonly readings: number;
  /** Rows in a request to the store that is fed as fast as it takes them. */
  readonly batchRows: number;
  /** How often the programs take turns. */
  readonly rounds: number;
}

export const fullSize: BenchSize = { clients: 100, meters: 30_000, readings: 3_000_000, batchRows: 50_000, rounds: 3 };
/** Seconds instead of minutes: shows that everything works, its figures mean nothing. */
export const smallSize: BenchSize = { clients: 4, meters: 120, readings: 12_000, batchRows: 5_000, rounds: 1 };

const SEED = 20_260_101;
const INTERVAL_MS = 5 * 60_000;
const START_MS = Date.UTC(2026, 0, 1);

/**
 * The fleet of every benchmark: counters of three decimals that read every five minutes, staggered
 * evenly over these minutes (no two of a round at one instant), one datalogger a client.
 */
export function fleetOf(size: BenchSize): Series {
  return new Series({
    name: "bench",
    dataloggers: size.clients,
    metersPerDatalogger: size.meters / size.clients,
    seed: SEED,
    startMs: START_MS,
    intervalMs: INTERVAL_MS,
  });
}

/** What the load command needs to send exactly this fleet. */
export function loadArguments(size: BenchSize): string[] {
  const of = fleetOf(size).options;
  const options = {
    name: of.name,
    dataloggers: of.dataloggers,
    meters: of.metersPerDatalogger,
    seed: of.seed,
    start: of.startMs,
    interval: `${of.intervalMs}ms`,
    count: size.readings,
  };
  return Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
}

export function tenantOf(client: number): string {
  return `client-${String(client).padStart(3, "0")}`;
}

/** Keys that are the same in every run: these engines live for seconds and listen on this machine alone. */
export function keyOf(client: number): { token: string; sha256: string } {
  return createKey(tenantOf(client), "bench", (bytes) =>
    createHash("sha512").update(`bench ${client}`).digest().subarray(0, bytes),
  );
}
