import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MeterstormError, messageOf } from "./base/errors.js";
import { type Layout, type Place, spreadIn } from "./base/home.js";
import { writeDurably } from "./base/write-durably.js";

/** Names the directories of shards that were moved. */
const LAYOUT = /^layout-(\d+)$/;

/** What a data directory remembers of the engine that it belongs to. */
export interface Identity {
  /** 2 once the shards were moved: who knows 1 alone would not look for them where they are. */
  format: 1 | 2;
  /** How often the shards were moved; it names their directories. Left out: never. */
  generation?: number;
  shards: number;
  /** Over how many shards each client is spread. Clients may be called as what every object has: only its own names count. */
  spread: Record<string, number>;
  /** The store that it feeds; null until one was reached. */
  store: string | null;
}

/** From the layout that the directory has to the one that is configured. */
export interface Move {
  readonly from: Place;
  readonly to: Place;
}

export interface DirectoryClaim {
  /** What has to be done before the shards run; null: nothing. */
  readonly move: Move | null;
  /** All of it is in the new directories, durable: they count from here on. Then what counts no more is removed. */
  moved(): void;
  /** Where a shard is, or will be once all is moved. */
  shardDirectory(index: number): string;
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
 * @throws MeterstormError `data_dir_unwritable`, `data_dir_in_use`, `data_dir_format`
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
    removeOthers(directory, identity.generation ?? 0);
    let move = moveBetween(directory, identity, shards, spread);
    return {
      get move() {
        return move;
      },
      moved() {
        if (move === null) return;
        const generation = (identity.generation ?? 0) + 1;
        const { shards, spread } = move.to;
        const after: Identity = { ...identity, format: 2, generation, shards, spread: { ...spread } };
        try {
          keep(after);
        } catch (error) {
          throw new MeterstormError("data_dir_unwritable", `${path} cannot be written: ${messageOf(error)}`, { cause: error });
        }
        move = null;
        removeOthers(directory, generation);
      },
      shardDirectory: (index) => shardDirectory(directory, (identity.generation ?? 0) + (move === null ? 0 : 1), index),
      bindStore(store) {
        if (identity.store === store) return;
        // Behind the store's id there were the ids of its tables once.
        const isKnown = identity.store === null || identity.store.startsWith(`${store}:`);
        if (!isKnown) throw foreign(directory, identity.store ?? "", store);
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
  const identity = knownIdentity(directory);
  if (identity === null) {
    const fresh: Identity = { format: 1, shards, spread, store: null };
    writeDurably(path, JSON.stringify(fresh));
    return fresh;
  }
  if (layoutAfter(identity, shards, spread) !== null) return identity;
  if (Object.keys(spread).some((tenant) => !Object.hasOwn(identity.spread, tenant))) {
    identity.spread = { ...identity.spread, ...spread };
    writeDurably(path, JSON.stringify(identity));
  }
  return identity;
}

/**
 * What the directory remembers; null: it was never used. Changes nothing.
 * @throws MeterstormError `data_dir_format`
 */
export function knownIdentity(directory: string): Identity | null {
  const path = join(directory, "engine.json");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw unreadable(path, messageOf(error));
    // Which of them counts nobody else knows, and what does not count is removed.
    if (existsSync(directory) && readdirSync(directory).some((name) => LAYOUT.test(name)))
      throw unreadable(path, "it is missing, though shards were moved here");
    return null;
  }
  const identity = parseIdentity(text, path);
  if (identity.format !== 1 && identity.format !== 2) {
    throw new MeterstormError(
      "data_dir_format",
      `${directory} was written in format ${JSON.stringify(identity.format)}; this version knows formats 1 and 2. Start the version that wrote it`,
    );
  }
  if (!isWhole(identity)) throw unreadable(path, "it lacks what an engine writes there");
  if (isOlder(directory, identity))
    throw unreadable(path, "it is older than the shards beside it, which were moved since, and a start would remove them");
  return identity;
}

/** Whether shards were moved since: a move that was cut short leaves those that it began with, and only the layout after them. */
function isOlder(directory: string, { generation = 0, shards }: Identity): boolean {
  const newest = Math.max(...readdirSync(directory).map((name) => Number(LAYOUT.exec(name)?.[1] ?? 0)));
  if (newest <= generation) return false;
  const indices = Array.from({ length: shards }, (_, index) => index);
  return newest > generation + 1 || !indices.some((index) => existsSync(shardDirectory(directory, generation, index)));
}

function isWhole(identity: object): identity is Identity {
  const { shards, spread, store, generation } = identity as Partial<Identity>;
  if (generation !== undefined && !isCount(generation, 0)) return false;
  if (!isCount(shards, 1) || typeof spread !== "object" || spread === null) return false;
  if (!Object.values(spread).every((over) => isCount(over, 1))) return false;
  return store === null || typeof store === "string";
}

/** A number beyond it is damage, and nothing is made as often as it says. */
const MOST = 1_000_000;

function isCount(value: unknown, least: number): boolean {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= MOST;
}

/** How shards and clients have to lie for this configuration; null: as they do. Clients that it does not name stay as they were. */
export function layoutAfter(was: Layout, shards: number, spread: Readonly<Record<string, number>>): Layout | null {
  const all = { ...was.spread, ...spread };
  const is = {
    shards,
    spread: Object.fromEntries(Object.entries(all).map(([tenant, over]) => [tenant, Math.min(over, shards)])),
  };
  const isSame =
    was.shards === shards && Object.keys(was.spread).every((tenant) => spreadIn(was, tenant) === spreadIn(is, tenant));
  return isSame ? null : is;
}

/** The directory of a shard when the shards were moved so often. */
export function shardDirectory(directory: string, generation: number, index: number): string {
  return generation === 0 ? join(directory, `shard-${index}`) : join(directory, `layout-${generation}`, `shard-${index}`);
}

function placeOf(directory: string, layout: Layout, generation: number): Place {
  const directories = Array.from({ length: layout.shards }, (_, index) => shardDirectory(directory, generation, index));
  return { shards: layout.shards, spread: layout.spread, directories };
}

function moveBetween(directory: string, identity: Identity, shards: number, spread: Record<string, number>): Move | null {
  const after = layoutAfter(identity, shards, spread);
  const generation = identity.generation ?? 0;
  if (after === null) return null;
  return { from: placeOf(directory, identity, generation), to: placeOf(directory, after, generation + 1) };
}

/** What a move left behind: the shards as they were before one that is over, as they were to be after one that was cut short. */
function removeOthers(directory: string, generation: number): void {
  for (const name of readdirSync(directory)) {
    const isOther = LAYOUT.test(name) ? name !== `layout-${generation}` : generation > 0 && /^shard-\d+$/.test(name);
    if (isOther) rmSync(join(directory, name), { recursive: true, force: true });
  }
}

function parseIdentity(text: string, path: string): { format?: unknown } {
  try {
    const identity = JSON.parse(text) as object | null;
    if (typeof identity === "object" && identity !== null) return identity;
  } catch (error) {
    throw unreadable(path, messageOf(error));
  }
  throw unreadable(path, "it holds no object");
}

function unreadable(path: string, reason: string): MeterstormError {
  const message = `${path} cannot be read (${reason}): it was damaged or is somebody else's. Put it back from a copy, or set dataDir to an empty directory`;
  return new MeterstormError("data_dir_format", message);
}

function foreign(directory: string, known: string, found: string): MeterstormError {
  const message = `${directory} fed the store ${known}; the one configured now is ${found}. What is in this directory would be missing there: point "store" at the old one, or start from an empty directory`;
  return new MeterstormError("store_foreign", message);
}

/** Locks that this process holds: a file that names it may also be from a namesake before it, as in a container each is process 1. */
const held = new Set<string>();

/** Nobody takes as long to take a directory; what is older was left by a crash. */
const TAKING_MS = 5_000;

/**
 * A file with our process id and when we started; one whose process is gone was left by a crash and is taken over. Two that start at
 * once both find it so: only who has made the file beside it may look and write.
 */
function takeLock(path: string, directory: string): void {
  const taking = `${path}.taking`;
  if (!makeFile(taking)) {
    if (Math.abs(Date.now() - changedMs(taking)) < TAKING_MS) throw inUse(directory, "another process, which takes it right now");
    rmSync(taking, { force: true });
    if (!makeFile(taking)) throw inUse(directory, "another process, which takes it right now");
  }
  try {
    const owner = lockOf(directory);
    if (owner?.isAlive) throw inUse(directory, `the process ${owner.pid}`);
    writeFileSync(path, `${process.pid} ${startOf(process.pid)}`);
    held.add(path);
  } finally {
    rmSync(taking, { force: true });
  }
}

/** False where it is there already. */
function makeFile(path: string): boolean {
  try {
    closeSync(openSync(path, "wx"));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** When a file was written; now where it has gone meanwhile. */
function changedMs(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
}

function inUse(directory: string, who: string): MeterstormError {
  const message = `the data directory ${directory} is used by ${who}; end it, or set dataDir to another directory`;
  return new MeterstormError("data_dir_in_use", message);
}

function releaseLock(path: string): void {
  rmSync(path, { force: true });
  held.delete(path);
}

/** Who has taken the directory; null: nobody. Changes nothing; throws what the disk says. */
export function lockOf(directory: string): { pid: number; isAlive: boolean } | null {
  const path = join(directory, "engine.pid");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  const [owner = "", start = ""] = text.split(" ");
  return { pid: Number(owner), isAlive: isAlive(Number(owner), start, path) };
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
