import { isDeepStrictEqual } from "node:util";
import type { Config } from "./schema.js";

const AT_START = ["listen", "dataDir", "shards", "ack", "journal", "store", "redis"] as const satisfies (keyof Config)[];

/** What a running engine was started with otherwise than the file says now, and what only a start changes. */
export function restartNeeded(running: Config, file: Config): string[] {
  return AT_START.filter((name) => !isDeepStrictEqual(running[name], file[name]));
}
