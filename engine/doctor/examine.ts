import { existsSync, readdirSync, readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { MeterstormError, messageOf } from "../base/errors.js";
import type { ShardFindings } from "../base/shard-findings.js";
import { parseRuleBook, type RuleBook } from "../config/rule-book.js";
import type { Config } from "../config/schema.js";
import { tenantPlans } from "../config/tenants.js";
import { type Identity, knownIdentity, layoutAfter, lockOf, shardDirectory } from "../data-directory.js";
import { spreadOf } from "../placement.js";
import { shardCount } from "../shards/count.js";
import { type Diagnosis, type Finding, type LockState, verdictOf } from "./diagnosis.js";
import { examineQueue } from "./queue.js";
import { shardFindings } from "./shard-findings.js";
import { examineOnThread } from "./shard-thread.js";

const SHARD = /^shard-(\d+)$/;
const LAYOUT = /^layout-(\d+)$/;
const LAYOUT_OVER =
  "shards were moved out of it, or were to be moved into it when that was cut short: it counts no more, and a start removes it";
/** What a shard's journal may take where no configuration says it. */
const ASSUMED_BUDGET_BYTES = 10 * 2 ** 30;

export interface ExamineOptions {
  directory: string;
  /** And the name of its file; null: none was given, and what depends on it is left open. */
  config: { config: Config; file: string } | null;
}

/**
 * Looks at a data directory: what is in it, what is whole, and what a start would do. Changes nothing.
 * @throws MeterstormError `data_dir_absent`, `data_dir_unused`: there is nothing to look at
 */
export async function examine({ directory: given, config }: ExamineOptions): Promise<Diagnosis> {
  const directory = resolve(given);
  const findings: Finding[] = [];
  const identity = attempt(findings, "engine.json", () => knownIdentity(directory));
  const generation = identity ? (identity.generation ?? 0) : newestLayout(directory);
  const indices = shardsIn(directory, generation);
  const lock = lockIn(directory, findings);
  if (identity === null && indices.length > 0) findings.push(LOST_IDENTITY);
  const shards = identity?.shards ?? (config === null ? Math.max(...indices, 0) + 1 : shardCount(config.config));
  if (config !== null && identity) {
    const wanted = shardCount(config.config);
    if (layoutAfter(identity, wanted, spreadOf(config.config, wanted)) !== null) findings.push(toBeMoved(identity, wanted));
  }
  const book = rulesIn(directory, findings);
  const fed = identity?.store ?? null;
  storeFindings(directory, fed, config?.config ?? null, findings);
  const { queue, findings: ofQueue } = await examineQueue(directory);
  findings.push(...ofQueue);

  const isLive = lock.state === "held";
  const perShard = await shardsOf(directory, shards, { config: config?.config ?? null, book, isLive, generation });
  const isUsed = perShard.some(({ files }) => files.length > 0);
  const folderOf = (index: number) => relative(directory, shardDirectory(directory, generation, index));
  for (const shard of perShard) findings.push(...shardFindings(shard, folderOf(shard.index), isLive, isUsed));
  for (const index of indices) if (index >= shards) findings.push(surplus(index, folderOf(index), shards));
  const over = identity ? otherLayouts(directory, generation) : [];
  for (const name of over) findings.push(note("layout_over", name, LAYOUT_OVER));

  const budgetBytes = config?.config.journal.maxBytes ?? null;
  const disk = { freeBytes: await freeBytes(directory), journalBytes: journalBytes(perShard), budgetBytes };
  if (budgetBytes !== null && disk.freeBytes < budgetBytes - disk.journalBytes)
    findings.push(
      note("disk_short", null, "the disk has less room than the journal may still take: while the store is away it fills up"),
    );
  return {
    ...{ directory, config: config?.file ?? null, verdict: verdictOf(findings), lock },
    formats: formatsOf(findings, {
      "engine.json": identity ? [identity.format] : [],
      journal: perShard.flatMap(({ files }) => files.map(({ version }) => version)),
      snapshot: perShard.flatMap(({ snapshots }) => snapshots.map(({ version }) => version)),
      "rules.json": book === undefined ? [] : [1],
      webhooks: [queue.version],
    }),
    store: { fed, configured: config?.config.store.type ?? null },
    ...{ shards, spread: Object.fromEntries(Object.entries(identity?.spread ?? {}).filter(([, n]) => n > 1)) },
    ...{ rulesSaid: book?.size ?? 0, queue, disk, perShard, findings },
  };
}

const LOST_IDENTITY: Finding = {
  ...{ level: "loss", code: "identity_missing", shard: null, file: "engine.json" },
  text: "it is missing although shards are here: a start writes a new one and no longer knows which store this directory fed nor how clients were spread. Put it back from a copy",
};

function toBeMoved({ shards }: Identity, wanted: number): Finding {
  const what = shards === wanted ? "clients are to be spread otherwise" : `from ${shards} to ${wanted} shards`;
  return note("shards_to_move", "engine.json", `a start moves the state (${what}) and takes nothing before that is done`);
}

/** Numbers of the shards that have a directory. */
function shardsIn(directory: string, generation: number): number[] {
  let names: string[];
  let inLayout: string[];
  try {
    names = readdirSync(directory);
    const folder = dirname(shardDirectory(directory, generation, 0));
    inLayout = existsSync(folder) ? readdirSync(folder) : [];
  } catch (error) {
    throw new MeterstormError("data_dir_absent", `there is no directory ${directory} to look at: ${messageOf(error)}`);
  }
  const indices = inLayout.flatMap((name) => SHARD.exec(name)?.[1] ?? []).map(Number);
  if (indices.length === 0 && !names.includes("engine.json") && !names.some((name) => LAYOUT.test(name)))
    throw new MeterstormError(
      "data_dir_unused",
      `no engine has used ${directory}: it has neither engine.json nor a shard. A start would begin there with nothing; name the directory that your configuration's dataDir says`,
    );
  return indices.sort((a, b) => a - b);
}

/** What a start refuses becomes a finding. Undefined where it does. */
function attempt<T>(findings: Finding[], file: string, task: () => T): T | undefined {
  try {
    return task();
  } catch (error) {
    const code = error instanceof MeterstormError ? error.code : "data_dir_unwritable";
    findings.push({ level: "refusal", code, shard: null, file, text: messageOf(error) });
    return undefined;
  }
}

function note(code: string, file: string | null, text: string): Finding {
  return { level: "note", code, shard: null, file, text };
}

function lockIn(directory: string, findings: Finding[]): LockState {
  const owner = attempt(findings, "engine.pid", () => lockOf(directory)) ?? null;
  if (owner === null) return { state: "none", pid: null };
  const pid = Number.isInteger(owner.pid) ? owner.pid : null;
  return { state: owner.isAlive ? "held" : "stale", pid };
}

/** Undefined: there are none, or they cannot be read. */
function rulesIn(directory: string, findings: Finding[]): RuleBook | undefined {
  const path = join(directory, "rules.json");
  if (!existsSync(path)) return undefined;
  return attempt(findings, "rules.json", () => parseRuleBook(readFileSync(path, "utf8"), path));
}

/** As far as it can be told without asking the store. */
function storeFindings(directory: string, fed: string | null, config: Config | null, findings: Finding[]): void {
  if (fed === null) return;
  const refuse = (text: string) =>
    findings.push({ level: "refusal", code: "store_foreign", shard: null, file: "engine.json", text });
  const type = fed.slice(0, fed.indexOf(":"));
  if (config !== null && type !== config.store.type)
    refuse(
      `this directory fed the store ${fed}; the configuration has one of type ${config.store.type}. Point "store" at the old one, or start from an empty directory`,
    );
  else if (type === "duckdb" && !existsSync(join(directory, "meterstorm.duckdb")))
    refuse(
      "this directory fed the file meterstorm.duckdb in it, which is missing: a start makes another one and refuses it. Put it back",
    );
}

async function shardsOf(
  directory: string,
  shards: number,
  given: { config: Config | null; book: RuleBook | undefined; isLive: boolean; generation: number },
): Promise<ShardFindings[]> {
  const { config, book, isLive, generation } = given;
  const plans = config === null ? null : tenantPlans({ tenants: laidOver(config, book) });
  const spread = config === null ? {} : spreadOf(config, shards);
  const splitTenants = Object.entries(spread).flatMap(([tenant, over]) => (over > 1 ? [tenant] : []));
  const journalMaxBytes = Math.floor((config?.journal.maxBytes ?? ASSUMED_BUDGET_BYTES) / shards);
  const found: ShardFindings[] = [];
  // One after the other: each takes the memory that it takes in an engine.
  for (let index = 0; index < shards; index++) {
    const folder = shardDirectory(directory, generation, index);
    found.push(await examineOnThread({ index, shards, directory: folder, plans, splitTenants, journalMaxBytes, isLive }));
  }
  return found;
}

/** The clients with the rules that a start has in force. */
function laidOver(config: Config, book: RuleBook | undefined): Config["tenants"] {
  return book === undefined ? config.tenants : book.overruledBy(config.tenants).book.laidOver(config.tenants);
}

/** Where engine.json does not say it; 0: the shards were never moved. */
function newestLayout(directory: string): number {
  const names = existsSync(directory) ? readdirSync(directory) : [];
  return names.reduce((most, name) => Math.max(most, Number(LAYOUT.exec(name)?.[1] ?? 0)), 0);
}

/** Directories of shards as they were before they were moved, or were to be. */
function otherLayouts(directory: string, generation: number): string[] {
  const isOther = (name: string) => (LAYOUT.test(name) ? name !== `layout-${generation}` : generation > 0 && SHARD.test(name));
  return readdirSync(directory).filter(isOther).sort();
}

function surplus(index: number, folder: string, shards: number): Finding {
  const text = `engine.json says ${shards} shards, so that no start reads this one`;
  return { level: "loss", code: "shard_surplus", shard: index, file: folder, text };
}

async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

function journalBytes(shards: readonly ShardFindings[]): number {
  const files = shards.flatMap(({ files, leftOver }) => [...files, ...leftOver.filter(({ name }) => name.startsWith("journal"))]);
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

const VERSION_CODES = {
  "engine.json": "data_dir_format",
  journal: "journal_version",
  snapshot: "snapshot_version",
  "rules.json": "rules_unreadable",
  webhooks: "notify_version",
} as const;

function formatsOf(
  findings: readonly Finding[],
  found: Record<keyof typeof VERSION_CODES, readonly (number | null)[]>,
): Diagnosis["formats"] {
  const names = Object.keys(VERSION_CODES) as (keyof typeof VERSION_CODES)[];
  return names.map((what) => ({
    what,
    found: [...new Set(found[what])].filter((version) => version !== null).sort((a, b) => a - b),
    canStart: !findings.some(({ level, code }) => level === "refusal" && code === VERSION_CODES[what]),
  }));
}
