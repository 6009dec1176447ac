import type { ShardFindings } from "../base/shard-findings.js";

/**
 * What somebody should know. `note`: nothing is wrong. `repair`: a start puts it right and loses nothing that was acked.
 * `loss`: a start goes on, and what was there is gone or may be. `refusal`: no start goes on from it.
 */
export type Level = "note" | "repair" | "loss" | "refusal";

export interface Finding {
  level: Level;
  /** Stable, in small letters; of a refusal the one that a start ends with. */
  code: string;
  /** Null: of the directory as a whole. */
  shard: number | null;
  /** Below the data directory; null: of no one file. */
  file: string | null;
  text: string;
}

export interface LockState {
  state: "none" | "held" | "stale";
  /** Who wrote it; null: nobody. */
  pid: number | null;
}

/** What waits for webhooks. */
export interface QueueFindings {
  /** Of the format; null: there is no file. */
  version: number | null;
  waiting: number;
  /** By webhook. */
  webhooks: Record<string, number>;
  deadLetters: number;
  /** RFC 3339; null: there are none. */
  newestDeadLetter: string | null;
}

export interface DiskSpace {
  freeBytes: number;
  /** Of all shards' journals. */
  journalBytes: number;
  /** What the configuration allows them; null: none was given. */
  budgetBytes: number | null;
}

export interface Diagnosis {
  directory: string;
  /** Null: none was given. */
  config: string | null;
  /** Of the findings the worst; a lock that is held is no fault. */
  verdict: "whole" | "damaged" | "refused";
  lock: LockState;
  /** Versions that were found, in order; `canStart` false: this version reads none of one of them. */
  formats: { what: "engine.json" | "journal" | "snapshot" | "rules.json" | "webhooks"; found: number[]; canStart: boolean }[];
  store: { fed: string | null; configured: string | null };
  shards: number;
  /** Clients that are spread over several shards, and over how many. */
  spread: Record<string, number>;
  /** Rules that were put or deleted while the engine ran. */
  rulesSaid: number;
  queue: QueueFindings;
  disk: DiskSpace;
  perShard: ShardFindings[];
  findings: Finding[];
}

/** The verdict as an exit code. */
export const EXIT_CODES = { whole: 0, damaged: 2, refused: 3 } as const;

export function verdictOf(findings: readonly Finding[]): Diagnosis["verdict"] {
  if (findings.some(({ level }) => level === "refusal")) return "refused";
  return findings.some(({ level }) => level !== "note") ? "damaged" : "whole";
}
