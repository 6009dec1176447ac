import type { Clock } from "../../engine/base/clock.js";
import type { Disk } from "../../engine/base/disk.js";
import { EntryWriter, NONE, UnitType } from "../../engine/base/entries.js";
import { MeterstormError, messageOf } from "../../engine/base/errors.js";
import { limits } from "../../engine/base/limits.js";
import type { TenantPlan } from "../../engine/base/settings.js";
import type { MeterClaims } from "../../engine/memory/claims.js";
import type { RingConsumer, RingProducer } from "../../engine/memory/ring.js";
import type { Succession } from "../../engine/shards/tasks.js";
import type { Names, Sink } from "../../engine/store/interface.js";
import { Journal, type JournalOptions } from "../journal/journal.js";
import { loadSnapshot } from "../journal/snapshot.js";
import { MeterBook } from "../state/book.js";
import { Directory } from "../state/directory.js";
import { adoptPlans } from "./adopt-plans.js";
import { Applier } from "./applier.js";
import { backlogBehind } from "./backlog.js";
import { JournalShares } from "./journal-shares.js";
import { Replayer } from "./recover.js";
import { ShardLoop } from "./shard-loop.js";
import { SnapshotKeeper } from "./snapshot-keeper.js";
import { restoreSections } from "./snapshot-sections.js";

/** Least number of files that the journal's budget is cut into. */
export const FILES_IN_BUDGET = 8;

export interface OpenOptions {
  clock: Clock;
  disk: Disk;
  input: RingConsumer;
  output: RingProducer;
  directory: string;
  /** Names the shard in its files. */
  name: string;
  plans: readonly TenantPlan[];
  splitTenants: ReadonlySet<string>;
  /** See AdoptOptions. */
  isHome(tenant: string): boolean;
  /** Shared by all shards; null where no client is spread over them. */
  claims: MeterClaims | null;
  ack: "durable" | "stored";
  journalMaxBytes: number;
  journalKeepMs: number;
  /** Sizes where they differ from the limits. */
  sizes?: Pick<JournalOptions, "blockBytes" | "segmentBytes" | "memoryBytes"> & { metersPerPage?: number };
  /** What a thread that takes over from another one has to know; none for the first one. */
  succession?: Succession | null;
  /** Everything before this position of the journal is synced; told before anything is said or given back because of it. */
  onDurable?(position: number): void;
  /** Called now and then by work that takes long. */
  alive?(): void;
  openSink(names: Names): Sink;
  /** The journal can take no more, or be read no more: the shard is to be ended and opened again. */
  onFailed(error: MeterstormError): void;
  warn(message: string): void;
  /** See ShardOptions. */
  audits: boolean;
  random(): number;
}

export interface OpenShard {
  loop: ShardLoop;
  journal: Journal;
  applier: Applier;
  sink: Sink;
  snapshots: SnapshotKeeper;
}

/**
 * Brings a shard back from its directory: newest whole snapshot, then every unit of the journal behind it through the
 * same kernels. Throws MeterstormError where what is found cannot be gone on from; nothing is changed on the disk then.
 */
export async function openShard(options: OpenOptions): Promise<OpenShard> {
  const { clock, disk, directory } = options;
  const { metersPerPage, ...journalSizes } = options.sizes ?? {};
  let loop: ShardLoop | null = null;
  const snapshot = await loadSnapshot(disk, directory);
  if (snapshot?.warning) options.warn(snapshot.warning);
  const journal = await Journal.open({
    disk,
    clock,
    directory,
    shard: options.name,
    // Only whole files are let go of, and never the newest: one must be a small part of the budget.
    segmentBytes: Math.min(limits.journalSegmentBytes, Math.ceil(options.journalMaxBytes / FILES_IN_BUDGET)),
    ...journalSizes,
    ...(options.succession?.durable == null ? {} : { upTo: options.succession.durable }),
    onDurable: (position) => {
      options.onDurable?.(position);
      loop?.durable();
    },
    onFailed: options.onFailed,
  });
  const applier = new Applier(options.plans, new EntryWriter(), new Directory(), new MeterBook(metersPerPage));
  const from = snapshot?.position ?? 0;
  assertReaches(journal, from, directory);
  const replayer = new Replayer(applier, snapshot === null ? 0 : restoreSections(applier, snapshot.sections));
  for await (const units of journal.replay(from)) replayer.replay(units);
  const write = (units: Uint8Array) => journal.append(units);
  const nowMs = clock.nowMs();
  adoptPlans(applier, options.plans, { type: UnitType.START, nowMs, isHome: options.isHome, write });
  journal.commit();
  applier.alerts.startClock(nowMs);
  if (options.claims !== null) claimMeters(applier, options.claims, options.splitTenants);
  const stored = Math.max(replayer.stored, journal.first);
  const sink = options.openSink(applier.directory);
  const told = { ...applier.told };
  const shares = new JournalShares(options.journalMaxBytes);
  const running = new ShardLoop(
    { clock, input: options.input, output: options.output, journal, sink },
    {
      ack: options.ack,
      journalMaxBytes: options.journalMaxBytes,
      splitTenants: options.splitTenants,
      isHome: options.isHome,
      stored,
      shares,
      backlogRows: await backlogBehind(journal, stored, applier.directory, shares),
      onFailed: (error) => options.onFailed(asMeterstormError(error)),
      alive: () => options.alive?.(),
      audits: options.audits,
      random: options.random,
    },
    applier,
  );
  loop = running;
  // Nothing of a snapshot that does not say so is told again: it was told by those who wrote it.
  const toldFrom = Math.max(Number.isNaN(told.from) ? from : told.from, journal.first);
  await tellAgain(loop, journal, toldFrom, told.position);
  for (const session of options.succession?.sessions ?? []) loop.resume(session);
  const snapshots = new SnapshotKeeper({
    disk,
    clock,
    directory,
    journal,
    applier,
    keepMs: options.journalKeepMs,
    maxBytes: options.journalMaxBytes,
    position: from,
    stored: () => running.pump.position,
  });
  return { loop, journal, applier, sink, snapshots };
}

function asMeterstormError(error: unknown): MeterstormError {
  if (error instanceof MeterstormError) return error;
  return new MeterstormError("internal", `what was taken can be worked on no more: ${messageOf(error)}`, { cause: error });
}

function assertReaches(journal: Journal, from: number, directory: string): void {
  if (from >= journal.first && from <= journal.durable) return;
  const message = `the snapshot in ${directory} stands at position ${from}, but the journal beside it runs from ${journal.first} to ${journal.durable}: files are missing. Put them back, or keep this directory aside and start from an empty one`;
  throw new MeterstormError("journal_gap", message);
}

async function tellAgain(loop: ShardLoop, journal: Journal, from: number, keptTo: number): Promise<void> {
  let base = from;
  for await (const units of journal.replay(from)) {
    loop.tellAgain(units, base, keptTo);
    base += units.length;
  }
}

/** Claims again what the journal says; nobody else can have it, since no frame is taken before all shards are open. */
function claimMeters(applier: Applier, claims: MeterClaims, splitTenants: ReadonlySet<string>): void {
  const { directory } = applier;
  applier.claims = claims;
  for (const tenant of splitTenants) {
    const number = directory.tenantNumber(tenant);
    if (number < 0) continue;
    for (const [id, meter] of directory.metersOf(number)) {
      const owner = directory.meterOwner(meter);
      // Nobody has sent it yet.
      if (owner !== NONE) claims.claim(tenant, id, directory.datalogger(owner).id);
    }
  }
}
