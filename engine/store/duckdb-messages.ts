import type { MessagePort } from "node:worker_threads";
import { HISTORY_COLUMNS, type HistoryTable } from "./history.js";
import type { HistoryRange, Store, StoreOutcome } from "./interface.js";

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
  readonly type: "batch";
  readonly id: number;
  readonly entries: Uint8Array;
  readonly names: NewNames;
}

/** Shard to DuckDB: what stands in some ranges of some tables, also while a batch is under way. */
export interface HistoryMessage {
  readonly type: "history";
  readonly id: number;
  readonly tables: readonly HistoryTable[];
  readonly ranges: readonly HistoryRange[];
  readonly names: NewNames;
}

export type ShardMessage = BatchMessage | HistoryMessage;

/** DuckDB to shard. A history is answered in pieces, which a shard takes in beside its work, then by its end. */
export type ShardReply =
  | { readonly type: "batch"; readonly id: number; readonly outcome: StoreOutcome }
  | ({ readonly type: "piece"; readonly id: number } & HistoryPiece)
  | { readonly type: "end"; readonly id: number; readonly failure: string | null };

/** Some rows of a history, by range and then by time. */
export interface HistoryPiece {
  readonly table: HistoryTable;
  /** Numbers a row: the position of its range, ts, then the table's columns; NaN for NULL. */
  readonly rows: Float64Array<ArrayBuffer>;
}

/** Numbers in a row of a piece. */
export function pieceWidth(table: HistoryTable): number {
  return 2 + HISTORY_COLUMNS[table].length;
}
