import { invariant } from "../base/errors.js";
import { createKey } from "../config/keys.js";
import { parseConfig } from "../config/load.js";
import type { Config } from "../config/schema.js";
import type { DemoClient } from "./clients.js";

/** Tokens of one client of the demo: its dataloggers send with one, its console reads with the other. */
export interface DemoTokens {
  readonly ingest: string;
  readonly read: string;
}

export interface DemoConfigOptions {
  readonly dataDir: string;
  readonly port: number;
  readonly clients: readonly DemoClient[];
  /** So many bytes that are fit for secrets. */
  readonly random: (bytes: number) => Uint8Array;
}

/** The demo's configuration with keys made for this start, and the tokens that open it, by tenant. */
export function demoFleetConfig(options: DemoConfigOptions): { config: Config; tokens: Map<string, DemoTokens> } {
  const tokens = new Map<string, DemoTokens>();
  const tenants = options.clients.map(({ tenant, timezone, meters, rules }) => {
    const ingest = createKey(tenant, "logger", options.random);
    const read = createKey(tenant, "console", options.random);
    tokens.set(tenant, { ingest: ingest.token, read: read.token });
    return {
      id: tenant,
      timezone,
      keys: [
        { id: "logger", sha256: ingest.sha256, role: "ingest" },
        { id: "console", sha256: read.sha256, role: "read" },
      ],
      meters,
      rules,
    };
  });
  const result = parseConfig(
    { listen: { host: "127.0.0.1", port: options.port }, dataDir: options.dataDir, shards: 1, tenants },
    "the demo's configuration",
  );
  invariant("config" in result, `the demo's configuration is valid: ${JSON.stringify("faults" in result && result.faults)}`);
  return { config: result.config, tokens };
}
