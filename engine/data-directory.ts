import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { MeterstormError, messageOf } from "./base/errors.js";
import { writeDurably } from "./base/write-durably.js";

/** What a data directory remembers of the engine that it belongs to. */
interface Identity {
  format: 1;
  shards: number;
  /** Over how many shards each client is spread. Clients may be called as what every object has: only its own names count. */
  spread: Record<string, number>;
  /** The store that it feeds; null until one was reached. */
  store: string | null;
}

export interface DirectoryClaim {
  /** Remembers the store's identity; throws MeterstormError `store_foreign` where another one was fed before. */
  bindStore(identity: string): void;
  /** Over how many shards each client that it has ever known is spread. */
  readonly spread: Readonly<Record<string, number>>;
  /** Remembers how clients that came while the engine runs are spread. */
  addClients(spread: Record<string, number>): void;
  release(): void;
}

/**
 * Takes the data directory for this process.
 * @throws MeterstormError `data_dir_unwritable`, `data_dir_in_use`, `data_dir_format`, `shards_changed`
 */
export function claimDirectory(directory: string, shards: number, spread: Record<string, number>): DirectoryClaim {
  const lock = join(directory, "engine.pid");
  try {
    mkdirSync(directory, { recursive: true });
    takeLock(lock, directory);
  } catch (error) {
    if (error instanceof MeterstormError) throw error;
    const message = `the data directory ${directory} cannot be written: ${messageOf(error)}; give it to the user that runs the engine, or set dataDir to another one`;
    throw new MeterstormError("data_dir_unwritable", message);
  }
  const path = join(directory, "engine.json");
  try {
    let identity = readIdentity(path, directory, shards, spread);
    // What could not be written is not believed either: the next one who asks has it written again.
    const keep = (next: Identity) => {
      writeDurably(path, JSON.stringify(next));
      identity = next;
    };
    return {
      bindStore(store) {
        if (identity.store === store) return;
        if (identity.store !== null) throw foreign(directory, identity.store, store);
        keep({ ...identity, store });
      },
      get spread() {
        return identity.spread;
      },
      addClients(added) {
        if (Object.keys(added).every((tenant) => Object.hasOwn(identity.spread, tenant))) return;
        keep({ ...identity, spread: { ...added, ...identity.spread } });
      },
      release: () => releaseLock(lock),
    };
  } catch (error) {
    releaseLock(lock);
    throw error;
  }
}

function readIdentity(path: string, directory: string, shards: number, spread: Record<string, number>): Identity {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    const identity: Identity = { format: 1, shards, spread, store: null };
    writeDurably(path, JSON.stringify(identity));
    return identity;
  }
  const identity = parseIdentity(text, path);
  if (identity.format !== 1) {
    throw new MeterstormError(
      "data_dir_format",
      `${directory} was written in format ${identity.format}; this version knows format 1. Start the version that wrote it`,
    );
  }
  if (identity.shards !== shards) {
    const message = `${directory} was written with ${identity.shards} shards and this configuration has ${shards}; set "shards": ${identity.shards}, or start from an empty directory`;
    throw new MeterstormError("shards_changed", message);
  }
  assertSameSpread(identity, spread, directory);
  if (Object.keys(spread).some((tenant) => !Object.hasOwn(identity.spread, tenant))) {
    identity.spread = { ...identity.spread, ...spread };
    writeDurably(path, JSON.stringify(identity));
  }
  return identity;
}

/** A client must stay spread as it was: its meters' states lie where its dataloggers' frames went. */
function assertSameSpread(identity: Identity, spread: Record<string, number>, directory: string): void {
  for (const [tenant, shards] of Object.entries(identity.spread)) {
    const now = Object.hasOwn(spread, tenant) ? spread[tenant]! : shards;
    if (now === shards) continue;
    const message = `${directory} was written with the client "${tenant}" spread over ${shards} shards, now it is ${now}; set its "shards" to ${shards} again, or start from an empty directory`;
    throw new MeterstormError("shards_changed", message);
  }
}

function parseIdentity(text: string, path: string): Identity {
  try {
    return JSON.parse(text) as Identity;
  } catch (error) {
    const message = `${path} cannot be read (${messageOf(error)}): it was damaged or is somebody else's. Put it back from a copy, or set dataDir to an empty directory`;
    throw new MeterstormError("data_dir_format", message);
  }
}

function foreign(directory: string, known: string, found: string): MeterstormError {
  const message = `${directory} fed the store ${known}; the one configured now is ${found}. What is in this directory would be missing there: point "store" at the old one, or start from an empty directory`;
  return new MeterstormError("store_foreign", message);
}

/** Locks that this process holds: a file that names it may also be from a namesake before it, as in a container each is process 1. */
const held = new Set<string>();

/** A file with our process id and when we started; one whose process is gone was left by a crash and is taken over. */
function takeLock(path: string, directory: string): void {
  for (;;) {
    try {
      const file = openSync(path, "wx");
      writeSync(file, `${process.pid} ${startOf(process.pid)}`);
      closeSync(file);
      held.add(path);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const [owner = "", start = ""] = readFileSync(path, "utf8").split(" ");
    if (isAlive(Number(owner), start, path)) {
      throw new MeterstormError(
        "data_dir_in_use",
        `the data directory ${directory} is used by the process ${owner}; end it, or set dataDir to another directory`,
      );
    }
    rmSync(path, { force: true });
  }
}

function releaseLock(path: string): void {
  rmSync(path, { force: true });
  held.delete(path);
}

/** Whether the process that wrote a lock still runs: its number alone may have gone to another one since. */
function isAlive(pid: number, start: string, lock: string): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  if (pid === process.pid) return held.has(lock);
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const started = startOf(pid);
  return start === "" || started === "" || start === started;
}

/** When a process started, in the kernel's ticks; empty where the system does not tell. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name in parentheses may hold anything; the 22nd field is the 20th behind it.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}
