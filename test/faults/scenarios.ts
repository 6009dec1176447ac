import { questDbRows } from "../end-to-end/stored-rows.js";
import type { Random } from "../support/random.js";
import { until } from "../support/servers.js";
import type { Arena, ArenaKind } from "./arena.js";
import type { Crew } from "./crew.js";

/** How much of a fault: how often, for how long (milliseconds) and, where many take part, how many. */
export interface Round {
  readonly times: number;
  readonly ms: number;
  readonly many?: number;
}

export interface Struck {
  /** Faults that were made. */
  readonly faults: number;
  /** Clients' shards whose dataloggers the fault is the business of. */
  readonly shards: readonly number[] | "all" | "none";
}

export interface Scenario {
  readonly name: string;
  /** What is done, for people. */
  readonly what: string;
  readonly arena: ArenaKind;
  readonly short: Round;
  readonly long: Round;
  /** From the end of the fault until nothing waits any more, at most; milliseconds. */
  readonly backlogWithinMs: number;
  readonly strike: (arena: Arena, crew: Crew, round: Round, random: Random) => Promise<Struck>;
}

/** Longer than a request whose fate is unknown is waited for, which is part of every trouble with the store. */
const SETTLED_MS = 30_000;
const ENGINE_MS = 15_000;
const MEANWHILE_FRAMES = 30;

async function killed(arena: Arena, crew: Crew, { times }: Round, random: Random): Promise<Struck> {
  for (let i = 0; i < times; i++) {
    // One in four dies while it is still coming up.
    if (!random.chance(0.25)) await crew.advance(1 + random.int(200));
    await arena.engine.kill9();
    await arena.startEngine();
  }
  return { faults: times, shards: "all" };
}

async function terminated(arena: Arena, crew: Crew, { times }: Round, random: Random): Promise<Struck> {
  for (let i = 0; i < times; i++) {
    await crew.advance(1 + random.int(200));
    await arena.stopEngine();
    await arena.startEngine();
  }
  return { faults: times, shards: "all" };
}

function threadFault(fault: string): Scenario["strike"] {
  return async (arena, crew, { times }, random) => {
    const { shard } = random.pick(arena.clients);
    for (let i = 0; i < times; i++) {
      await arena.strike(shard, fault);
      // A thread that ends before it has given anything back seems to be ended by what it was given.
      await crew.goesOn(shard);
    }
    return { faults: times, shards: [shard] };
  };
}

async function reconnecting(_arena: Arena, crew: Crew, { times, many = 0 }: Round): Promise<Struck> {
  const crowd = await crew.join(many, 2_000);
  for (let i = 0; i < times; i++) {
    const atMs = performance.now();
    for (const witness of crowd) witness.cut();
    await until(`${many} dataloggers are back`, 60_000, () => crowd.every(({ waits }) => (waits.at(-1)?.sentMs ?? 0) > atMs));
  }
  return { faults: times * many, shards: "all" };
}

async function deafReaders(arena: Arena, crew: Crew, { ms, many = 0 }: Round): Promise<Struck> {
  const readers = await crew.join(many, 20);
  for (const reader of readers) reader.deaf = true;
  await arena.hold(ms);
  for (const reader of readers) reader.deaf = false;
  return { faults: many, shards: "none" };
}

async function redisKilled(arena: Arena, _crew: Crew, { times, ms }: Round): Promise<Struck> {
  for (let i = 0; i < times; i++) {
    await arena.redis?.kill();
    await arena.hold(ms);
    await arena.redisAgain();
  }
  return { faults: times, shards: "none" };
}

async function questDbKilled(arena: Arena, crew: Crew, { times, ms }: Round, random: Random): Promise<Struck> {
  for (let i = 0; i < times; i++) {
    await crew.advance(1 + random.int(100));
    await arena.questDb.kill();
    await arena.hold(ms);
    await arena.questDbAgain();
    // The next kill is to find it at work.
    if (i < times - 1) await settled(arena);
  }
  return { faults: times, shards: "none" };
}

/** The store takes rows again. */
async function settled(arena: Arena): Promise<void> {
  const stored = async () => Number((await questDbRows(arena.questDb.httpUrl, "SELECT count() FROM readings"))[0]![0]);
  const before = await stored();
  await until("the store takes rows again", SETTLED_MS, async () => (await stored()) > before);
}

async function questDbStopped(arena: Arena, crew: Crew, { times, ms }: Round): Promise<Struck> {
  for (let i = 0; i < times; i++) {
    process.kill(arena.questDb.pid, "SIGSTOP");
    try {
      await arena.hold(ms);
    } finally {
      process.kill(arena.questDb.pid, "SIGCONT");
    }
    await crew.advance(MEANWHILE_FRAMES);
  }
  return { faults: times, shards: "none" };
}

/** Each write's answer is cut after the next count of bytes; what is cut at once is sent again in one go. */
async function answersCut(arena: Arena, _crew: Crew, { times }: Round, random: Random): Promise<Struck> {
  const proxy = arena.proxy!;
  await until("an answer was seen whole", 10_000, () => proxy.answerBytes > 0);
  const whole = proxy.answerBytes;
  const counts = Array.from({ length: whole }, (_, bytes) => bytes);
  while (counts.length > times) counts.splice(random.int(counts.length), 1);
  const faults = counts.length;
  proxy.onWrite = () => {
    const afterBytes = counts.pop();
    return afterBytes === undefined ? { do: "pass" } : { do: "cut", afterBytes };
  };
  await until("every answer was cut that was to be", 600_000, () => counts.length === 0);
  proxy.onWrite = () => ({ do: "pass" });
  return { faults, shards: "none" };
}

async function suspended(arena: Arena, crew: Crew, { times, ms }: Round, random: Random): Promise<Struck> {
  for (let i = 0; i < times; i++) {
    const table = random.pick(["readings", "consumption", "alerts"]);
    await questDbRows(arena.questDb.httpUrl, `SELECT count() FROM ${table}`);
    await command(arena, `ALTER TABLE ${table} SUSPEND WAL`);
    await arena.hold(ms);
    await command(arena, `ALTER TABLE ${table} RESUME WAL`);
    await crew.advance(MEANWHILE_FRAMES);
  }
  return { faults: times, shards: "none" };
}

async function dropped(arena: Arena, crew: Crew, { times }: Round): Promise<Struck> {
  for (let i = 0; i < times; i++) {
    const table = ["readings", "consumption", "alerts"][i % 3]!;
    await command(arena, `DROP TABLE ${table}`);
    await until(`${table} is there again, with rows`, SETTLED_MS, async () => {
      const rows = await questDbRows(arena.questDb.httpUrl, `SELECT count() FROM ${table}`);
      return Number(rows[0]![0]) > 0;
    });
    await crew.advance(MEANWHILE_FRAMES);
  }
  return { faults: times, shards: "none" };
}

async function command(arena: Arena, sql: string): Promise<void> {
  const url = `${arena.questDb.httpUrl}/exec?query=${encodeURIComponent(sql)}`;
  const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
  if (!response.ok) throw new Error(`${sql}: ${await response.text()}`);
}

async function engineDiskFull(arena: Arena, _crew: Crew, { times, ms }: Round): Promise<Struck> {
  const disk = arena.engineDisk!;
  for (let i = 0; i < times; i++) {
    const before = arena.engine.logs().length;
    disk.fill();
    await until("the engine has met a full disk", 20_000, () => {
      disk.fill();
      return /ENOSPC|no space/i.test(arena.engine.logs().slice(before));
    });
    await arena.hold(ms);
    disk.empty();
    await arena.ready();
  }
  return { faults: times, shards: "all" };
}

/** QuestDB may end or suspend a table; whoever runs it makes room, starts it, and resumes what it suspended. */
async function storeDiskFull(arena: Arena, crew: Crew, { times, ms }: Round): Promise<Struck> {
  const disk = arena.storeDisk!;
  for (let i = 0; i < times; i++) {
    for (let heldMs = 0; heldMs < ms; heldMs += 100) {
      disk.fill();
      await arena.hold(100);
    }
    disk.empty();
    const tables = await questDbRows(arena.questDb.httpUrl, "SELECT name, suspended FROM wal_tables()").catch(async () => {
      await arena.questDb.kill();
      await arena.questDbAgain();
      return await questDbRows(arena.questDb.httpUrl, "SELECT name, suspended FROM wal_tables()");
    });
    for (const [name, isSuspended] of tables) if (isSuspended) await command(arena, `ALTER TABLE ${name} RESUME WAL`);
    await crew.advance(MEANWHILE_FRAMES);
  }
  return { faults: times, shards: "none" };
}

function thread(fault: string, what: string): Scenario {
  return {
    ...{ name: `thread-${fault}`, what, arena: "engine", backlogWithinMs: ENGINE_MS },
    ...{ short: { times: 1, ms: 0 }, long: { times: 5, ms: 0 }, strike: threadFault(fault) },
  };
}

/** Every fault, in the order in which they are made. */
export const SCENARIOS: readonly Scenario[] = [
  {
    ...{ name: "engine-killed", what: "`kill -9` of the engine at random moments under load", arena: "engine" },
    ...{ short: { times: 3, ms: 0 }, long: { times: 50, ms: 0 }, backlogWithinMs: ENGINE_MS, strike: killed },
  },
  {
    ...{ name: "engine-terminated", what: "SIGTERM under load: exit 0 within 10 s, then a new start", arena: "engine" },
    ...{ short: { times: 1, ms: 0 }, long: { times: 5, ms: 0 }, backlogWithinMs: ENGINE_MS, strike: terminated },
  },
  thread("throw", "a shard's thread throws"),
  thread("exit", "a shard's thread exits"),
  thread("hang", "a shard's thread loops for ever"),
  thread("memory", "a shard's thread runs out of memory"),
  thread("sync", "a sync of a shard's journal fails"),
  thread("write", "a write to a shard's journal fails"),
  {
    ...{ name: "reconnects", what: "many dataloggers are cut at once and come back at once", arena: "engine" },
    ...{ short: { times: 1, ms: 0, many: 300 }, long: { times: 3, ms: 0, many: 5_000 } },
    ...{ backlogWithinMs: ENGINE_MS, strike: reconnecting },
  },
  {
    ...{ name: "deaf-readers", what: "dataloggers that fill their windows and never read an ack", arena: "engine" },
    ...{ short: { times: 1, ms: 1_500, many: 5 }, long: { times: 1, ms: 60_000, many: 20 } },
    ...{ backlogWithinMs: ENGINE_MS, strike: deafReaders },
  },
  {
    ...{ name: "redis-killed", what: "Redis killed, and back some time later", arena: "engine" },
    ...{ short: { times: 1, ms: 1_000 }, long: { times: 3, ms: 10_000 }, backlogWithinMs: ENGINE_MS, strike: redisKilled },
  },
  {
    ...{ name: "store-killed", what: "`kill -9` of QuestDB under load, and a new start at once", arena: "store" },
    ...{ short: { times: 1, ms: 0 }, long: { times: 5, ms: 0 }, backlogWithinMs: SETTLED_MS, strike: questDbKilled },
  },
  {
    ...{ name: "store-down", what: "QuestDB away for a while (60 s in the long round)", arena: "store" },
    ...{ short: { times: 1, ms: 5_000 }, long: { times: 1, ms: 60_000 }, backlogWithinMs: SETTLED_MS, strike: questDbKilled },
  },
  {
    ...{ name: "store-stopped", what: "QuestDB stopped (SIGSTOP) for a while", arena: "store" },
    ...{ short: { times: 1, ms: 1_500 }, long: { times: 2, ms: 40_000 }, backlogWithinMs: SETTLED_MS, strike: questDbStopped },
  },
  {
    ...{ name: "answers-cut", what: "QuestDB's answers to writes are cut after every count of bytes", arena: "store" },
    ...{ short: { times: 3, ms: 0 }, long: { times: 10_000, ms: 0 }, backlogWithinMs: SETTLED_MS, strike: answersCut },
  },
  {
    ...{ name: "table-suspended", what: "a table suspended and resumed", arena: "store" },
    ...{ short: { times: 1, ms: 1_000 }, long: { times: 5, ms: 10_000 }, backlogWithinMs: SETTLED_MS, strike: suspended },
  },
  {
    ...{ name: "table-dropped", what: "a table dropped", arena: "store" },
    ...{ short: { times: 1, ms: 0 }, long: { times: 3, ms: 0 }, backlogWithinMs: SETTLED_MS, strike: dropped },
  },
  {
    ...{ name: "engine-disk-full", what: "the data directory's disk full, and room again", arena: "disks" },
    ...{ short: { times: 1, ms: 1_500 }, long: { times: 3, ms: 20_000 }, backlogWithinMs: SETTLED_MS, strike: engineDiskFull },
  },
  {
    ...{ name: "store-disk-full", what: "QuestDB's disk full, and room again", arena: "disks" },
    ...{ short: { times: 1, ms: 3_000 }, long: { times: 3, ms: 20_000 }, backlogWithinMs: SETTLED_MS, strike: storeDiskFull },
  },
];
