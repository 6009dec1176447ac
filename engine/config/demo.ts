import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { invariant, MeterstormError, messageOf } from "../base/errors.js";
import { createKey } from "./keys.js";
import { type Config, configSchema } from "./schema.js";

export const DEMO_TENANT = "demo";
const DEMO_KEY = "demo";

/** The embedded defaults: one tenant, whose one key has this hash. */
export function defaultConfig(dataDir: string, sha256: string): Config {
  const result = configSchema.safeParse({
    dataDir,
    tenants: [{ id: DEMO_TENANT, keys: [{ id: DEMO_KEY, sha256, role: "admin" }] }],
  });
  invariant(result.success, "the embedded defaults are a valid configuration");
  return result.data;
}

/**
 * The embedded defaults with the key that `dataDir` remembers by its hash. Where it remembers none
 * one is made, and its token is returned for the only time.
 * @throws MeterstormError `demo_key`: the directory cannot be used, or what it remembers is no key
 */
export function demoConfig(dataDir: string, random: (bytes: number) => Uint8Array): { config: Config; token: string | null } {
  const path = join(dataDir, "demo-key.json");
  const known = readHash(path);
  if (known !== null) return { config: defaultConfig(dataDir, known), token: null };
  const key = createKey(DEMO_TENANT, DEMO_KEY, random);
  try {
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(path, `${JSON.stringify({ sha256: key.sha256 })}\n`, { mode: 0o600, flush: true });
  } catch (error) {
    throw new MeterstormError("demo_key", `cannot keep the demo tenant's key in ${path}: ${messageOf(error)}`, { cause: error });
  }
  return { config: defaultConfig(dataDir, key.sha256), token: key.token };
}

function readHash(path: string): string | null {
  let hash: unknown;
  try {
    hash = (JSON.parse(readFileSync(path, "utf8")) as { sha256?: unknown }).sha256;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw new MeterstormError("demo_key", `cannot read the demo tenant's key in ${path}: ${messageOf(error)}`, { cause: error });
  }
  if (typeof hash === "string" && /^[0-9a-f]{64}$/.test(hash)) return hash;
  throw new MeterstormError("demo_key", `${path} holds no hash of a key: remove the file to get a new key`);
}
