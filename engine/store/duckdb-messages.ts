import type { MessagePort } from "node:worker_threads";
import type { Store, StoreOutcome } from "./interface.js";

/**
 * What is said between DuckDB's one thread and everybody else.
 *
 *     main thread ── control port ──▶ ┌────────────────┐ ◀── batch port ── shard 0
 *       calls, connect, close         │ DuckDB thread  │ ◀── batch port ── shard 1
 *                                     └────────────────┘
 */

/** What the thread is started with; the port is transferred to it. */
export interface DuckDbThreadStart {
  readonly port: MessagePort;
  readonly path: string;
  readonly memoryLimit?: string;
  readonly threads?: number;
}

export type StoreMethod = Exclude<keyof Store, "close">;

/** Main thread to DuckDB. */
export type ControlMessage =
  | { type: "call"; id: number; method: StoreMethod; args: readonly unknown[] }
  /** Serve a shard that speaks through this port. */
  | { type: "connect"; port: MessagePort }
  /** Finish what was asked before, close the file, answer `closed`. */
  | { type: "close" };

/** DuckDB to main thread. */
export type ControlReply =
  | { type: "result"; id: number; value: unknown }
  | { type: "error"; id: number; code: string; message: string }
  | { type: "closed" };

/** Names whose numbers the thread has not yet seen on this port. */
export interface NewNames {
  readonly meters: readonly { number: number; tenant: string; id: string }[];
  readonly dataloggers: readonly { number: number; tenant: string; id: string }[];
  readonly rules: readonly { number: number; id: string }[];
}

/** Shard to DuckDB: entries in one transferred buffer. */
export interface BatchMessage {
  readonly id: number;
  readonly entries: Uint8Array;
  readonly names: NewNames;
}

/** DuckDB to shard. */
export interface BatchReply {
  readonly id: number;
  readonly outcome: StoreOutcome;
}
