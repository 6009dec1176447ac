import type { TenantPlan } from "./settings.js";

/** What travels between the main thread, which asks how a shard's directory is, and the thread that looks. Plain data. */
export interface ShardToExamine {
  index: number;
  shards: number;
  directory: string;
  /** As the configuration says; null: none was given, and what depends on it is left open. */
  plans: TenantPlan[] | null;
  splitTenants: string[];
  journalMaxBytes: number;
  /** An engine works in the directory: files change while they are looked at, and a start is not tried. */
  isLive: boolean;
}

export interface Failure {
  code: string;
  message: string;
}

/**
 * What follows the last whole unit of a file. `zeros`: what was reserved and not written. `copied`: the next file holds it as well.
 * `unfinished`: a write that did not come to its end, so that nothing in it was acked. `damaged`: all of it was written, and it no
 * longer is what was written.
 */
export type TailKind = "zeros" | "copied" | "unfinished" | "damaged";

export interface FileFindings {
  name: string;
  bytes: number;
  /** Of its format; null: its header does not say. */
  version: number | null;
  /** Positions of its first byte and after its last whole unit. */
  first: number;
  last: number;
  /** Where in the file its whole blocks end. */
  wholeBytes: number;
  /** Epoch ms; 0: nothing in it is whole. */
  writtenMs: number;
  tail: { bytes: number; kind: TailKind } | null;
  /** Why no start goes on from it, and at which byte of the file; null in the normal case. */
  fault: (Failure & { offset: number | null }) | null;
}

export interface SnapshotFindings {
  name: string;
  bytes: number;
  version: number | null;
  position: number;
  /** Null: it is whole. */
  fault: Failure | null;
}

/** Of the newest whole snapshot and the units behind it. */
export interface PositionFindings {
  /** The snapshot that a start takes; null: none, it begins at position 0. */
  snapshot: number | null;
  first: number;
  last: number;
  /** What a start works through again. */
  replay: { bytes: number; units: number; readings: number };
  /** Up to where the store has everything, by what the shard has written down. */
  stored: number;
  /** What it does not have by that; `repaired`: rows of late readings. */
  unstored: { bytes: number; units: number; readings: number; repaired: number };
  /** Alert transitions that the notifier is not known to have. */
  untold: number;
}

export interface TrialFindings {
  /** Why a start refuses; null: it does not. */
  refusal: Failure | null;
  /** Late readings that wait to be worked in; null where it refuses. */
  late: number | null;
  warnings: string[];
  tookMs: number;
}

export interface ShardFindings {
  index: number;
  /** Whether there is such a directory at all. */
  exists: boolean;
  files: FileFindings[];
  /** The largest position that the newest file says is durable: what lies behind it, though whole, is written again by a start. */
  durable: number;
  snapshots: SnapshotFindings[];
  /** Files that a start removes or the next snapshot writes over: reserved ones, copies that were not finished. */
  leftOver: { name: string; bytes: number }[];
  /** Whether `store.json` is there: what QuestDB was like when it had everything, which a start compares. */
  remembersStore: boolean;
  /** Of files that do not belong to a shard. */
  unknown: string[];
  /** Null where they cannot be told. */
  positions: PositionFindings | null;
  /** Null where no start was tried. */
  trial: TrialFindings | null;
}
