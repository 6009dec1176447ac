import { availableParallelism } from "node:os";
import type { Config } from "../config/schema.js";

const LOCAL = new Set(["127.0.0.1", "localhost", "[::1]"]);

/**
 * How many shards "auto" means here: one core stays for the main thread, one more for a store on the same machine.
 * Two shards on two cores were measured slower than one.
 */
export function shardCount(config: Pick<Config, "shards" | "store">, cores = availableParallelism()): number {
  if (config.shards !== "auto") return config.shards;
  const sharesMachine = config.store.type === "duckdb" || LOCAL.has(new URL(config.store.http).hostname);
  return Math.max(1, cores - 1 - (sharesMachine ? 1 : 0));
}
