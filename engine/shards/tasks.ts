import type { MessagePort } from "node:worker_threads";
import type { TenantPlan } from "../base/settings.js";

export type StoreTarget =
  | { type: "questdb"; http: string; username: string | null; password: string | null }
  | { type: "duckdb"; path: string }
  /** Swallows rows: for measuring the engine alone. */
  | { type: "none" };

/** A connection that a successor of a shard's thread goes on with, since what opened it is no longer in the ring. */
export interface OpenSession {
  id: number;
  tenant: string;
  datalogger: string;
  /** Its bind frames that are no longer in the ring, in order. */
  binds: Uint8Array[];
  /** Whether it still has to be welcomed. */
  isWelcome: boolean;
  /** Bytes of its frames that were taken out of the ring and never acked. */
  unackedBytes: number;
}

/** Where a successor takes over. */
export interface Succession {
  /** How far the journal was durable; what may lie behind it is in the ring too. Null: nobody got as far as to say so. */
  durable: number | null;
  sessions: OpenSession[];
  /** One record at a time, each given back before the next is taken, so that it is known which one ends the thread. */
  isCareful: boolean;
}

/** What a shard's task is started with: plain data, shared memory, and the port to the embedded store. */
export interface ShardTask {
  index: number;
  shards: number;
  input: SharedArrayBuffer;
  output: SharedArrayBuffer;
  life: SharedArrayBuffer;
  directory: string;
  plans: TenantPlan[];
  splitTenants: string[];
  /** See `memory/claims.ts`; null where no client is spread over shards. */
  claims: SharedArrayBuffer | null;
  ack: "durable" | "stored";
  journalMaxBytes: number;
  journalKeepMs: number;
  store: StoreTarget;
  storePort: MessagePort | null;
  /** Null for the first thread of a shard. */
  succession: Succession | null;
  /** Where `PlanRequest`s come and `PlanAnswer`s go: settings of many clients are more than a record of a ring holds. */
  planPort: MessagePort;
}

/** Whether the shard could go on by these settings of all clients, or that it is to. */
export interface PlanRequest {
  id: number;
  kind: "check" | "adopt";
  plans: TenantPlan[];
}

export interface PlanAnswer {
  id: number;
  /** Null: yes, or done. Else nothing was changed. */
  error: { code: string; message: string } | null;
}

/** How a shard's task ended. */
export interface ShardEnd {
  code: "stopped" | "failed";
  error?: { code: string; message: string };
}
