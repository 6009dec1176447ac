import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createKey } from "../../engine/config/keys.js";
import type { Role } from "../../engine/config/schema.js";
import { startProcess, temporaryDirectory, until } from "./servers.js";

/** The engine that was built along with the test that asks for it. */
const main = fileURLToPath(new URL("../../engine/main.js", import.meta.url));

/** Two busy cores and a store that starts beside it: a start takes a second, rarely ten. */
const START_WITHIN_MS = 30_000;
/** Longer than a shutdown may take, so that a slow one is seen and not cut short. */
const END_WITHIN_MS = 20_000;

/** The line that says what became of a configuration that was read again. */
const REREAD = /"msg":"[^\n]*(the configuration was read again|nothing is changed)[^\n]*\n/;

/** A configuration as it stands in a file. */
export type ConfigFile = Record<string, unknown>;

export interface EngineProcessOptions {
  /** `listen` (any free port) and `dataDir` (a temporary one) are added where they are missing. A text is the file as it stands. */
  config: ConfigFile | string;
  env?: Record<string, string>;
  args?: readonly string[];
}

export interface RunningEngine {
  /** The address that it said it listens on. */
  readonly url: string;
  readonly wsUrl: string;
  readonly pid: number;
  readonly dataDir: string;
  /** All that it has printed. */
  logs(): string;
  /** Null while it runs; then its exit code, or the name of the signal that ended it. */
  ended(): number | string | null;
  /** Resolves once it takes readings, `/readyz` being 200; rejects when it ends before. */
  ready(withinMs?: number): Promise<void>;
  /**
   * Puts another configuration in the place of its file and sends SIGHUP; resolves with what it says of that, up to the line that says
   * whether it goes on by it.
   */
  reread(config: ConfigFile | string): Promise<string>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number>;
  kill9(): Promise<void>;
}

/** Starts `meterstorm serve` in a process of its own and waits until it listens. It ends with the test's process at the latest. */
export async function startEngineProcess(options: EngineProcessOptions): Promise<RunningEngine> {
  const engine = spawnEngine(options);
  const url = await until(
    "the engine says where it listens",
    START_WITHIN_MS,
    () => engine.ended() !== null || urlIn(engine.logs()),
  );
  if (url === true) throw new Error(`the engine ended (${engine.ended()}) before it listened:\n${engine.logs()}`);
  return { ...engine, url, wsUrl: url.replace(/^http/, "ws"), ready: (withinMs) => readyAt(url, engine, withinMs) };
}

/** Runs `meterstorm serve` where it is expected to refuse; resolves with how it ended and what it said. */
export async function runEngineToEnd(
  options: EngineProcessOptions,
  withinMs = START_WITHIN_MS,
): Promise<{ code: number | string; logs: string }> {
  const engine = spawnEngine(options);
  try {
    await until("the engine ends", withinMs, () => engine.ended() !== null);
  } catch (error) {
    await engine.kill9();
    throw new Error(`the engine did not end:\n${engine.logs()}`, { cause: error });
  }
  return { code: engine.ended() ?? "running", logs: engine.logs() };
}

type Spawned = Omit<RunningEngine, "url" | "wsUrl" | "ready">;

function spawnEngine({ config, env, args }: EngineProcessOptions): Spawned {
  const folder = temporaryDirectory("engine");
  const given = typeof config === "string" ? null : config["dataDir"];
  const dataDir = typeof given === "string" ? given : join(folder, "data");
  const file = join(folder, "meterstorm.json");
  const whole = { listen: { host: "127.0.0.1", port: 0 }, dataDir };
  const write = (content: ConfigFile | string): void =>
    writeFileSync(file, typeof content === "string" ? content : JSON.stringify({ ...whole, ...content }));
  write(config);
  const log = join(folder, "engine.log");
  const command = ["--enable-source-maps", main, "serve", "--config", file, ...(args ?? [])];
  const child = startProcess(process.execPath, command, env ?? {}, log);
  const ended = (): number | string | null => {
    const how = child.ended();
    return how?.startsWith("exit ") ? Number(how.slice(5)) : how;
  };
  return {
    pid: child.pid,
    dataDir,
    logs: () => readFileSync(log, "utf8"),
    ended,
    async reread(other) {
      write(other);
      const before = readFileSync(log, "utf8").length;
      const said = (): string => readFileSync(log, "utf8").slice(before);
      process.kill(child.pid, "SIGHUP");
      await until("the engine has read its configuration again", START_WITHIN_MS, () => REREAD.test(said()) || ended() !== null);
      return said();
    },
    async stop() {
      await child.stop(END_WITHIN_MS);
      const how = ended();
      if (typeof how !== "number") throw new Error(`the engine ended by ${how}:\n${readFileSync(log, "utf8").slice(-4000)}`);
      return how;
    },
    kill9: () => child.kill(),
  };
}

function urlIn(logs: string): string | null {
  for (const line of logs.split("\n")) {
    if (!line.includes('"msg":"listening"')) continue;
    return (JSON.parse(line) as { url: string }).url;
  }
  return null;
}

async function readyAt(url: string, engine: Spawned, withinMs = START_WITHIN_MS): Promise<void> {
  await until("the engine is ready", withinMs, async () => {
    if (engine.ended() !== null) return true;
    return (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(5000) })).status === 200;
  }).catch((error: unknown) => {
    throw new Error(`the engine is not ready:\n${engine.logs().slice(-4000)}`, { cause: error });
  });
  if (engine.ended() !== null) throw new Error(`the engine ended (${engine.ended()}):\n${engine.logs().slice(-4000)}`);
}

/** A client of the engine: what its entry in the configuration says, and a token for each role. */
export interface TestTenant {
  readonly config: ConfigFile;
  readonly tokens: Readonly<Record<Role, string>>;
}

export function createTenant(id: string, settings: ConfigFile = {}): TestTenant {
  const key = (role: Role) => createKey(id, role, randomBytes);
  const keys = { ingest: key("ingest"), read: key("read"), admin: key("admin") };
  const config = {
    id,
    keys: Object.entries(keys).map(([role, { sha256 }]) => ({ id: role, role, sha256 })),
    ...settings,
  };
  return { config, tokens: { ingest: keys.ingest.token, read: keys.read.token, admin: keys.admin.token } };
}
