import type { MessagePort } from "node:worker_threads";
import type { Place } from "../base/home.js";
import type { TenantPlan } from "../base/settings.js";
import type { StoreTarget } from "./tasks.js";

/** What the thread is started with that moves the state of all shards into other ones. */
export interface MoveTask {
  from: Place;
  to: Place;
  plans: readonly TenantPlan[];
  journalMaxBytes: number;
  journalKeepMs: number;
  store: StoreTarget;
  /** To the embedded store, one for each shard of `from`; empty where it is another one. */
  storePorts: readonly MessagePort[];
}

/** What it says. */
export type MoveSays =
  | { kind: "progress"; text: string }
  | { kind: "warning"; text: string }
  /** A transition, as JSON; answered by its id once it is kept. */
  | { kind: "alert"; id: number; json: string }
  /** The new directories hold everything, durable. */
  | { kind: "moved" }
  /** `mayPass`: the disk's fault, which may be gone at the next attempt. */
  | { kind: "failed"; code: string; message: string; mayPass: boolean };

export interface MoveHears {
  /** An alert's id. */
  kept: number;
}
