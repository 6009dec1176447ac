import { join } from "node:path";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import type { Config } from "../config/schema.js";
import type { StoreTarget } from "../shards/tasks.js";
import { DuckDbRemoteStore } from "./duckdb-remote.js";
import type { Store } from "./interface.js";
import { NoStore } from "./none.js";
import { QuestDbStore } from "./questdb.js";

/** The configured store as the main thread sees it, and what shards need to reach it. */
export interface OpenStore {
  readonly store: Store;
  readonly target: StoreTarget;
  /** `failed` is told when the thread has ended by itself. */
  startThread(threads: { runDuckDb(path: string, port: MessagePort): Promise<void> }, failed: (error: unknown) => void): void;
  /** A port to the store's thread for one shard; null where it has none. */
  portForShard(): MessagePort | null;
  close(): Promise<void>;
}

export function openStore(config: Config, directory: string, without: boolean): OpenStore {
  if (without) return threadless(new NoStore(), { type: "none" });
  if (config.store.type === "questdb") {
    const { http, username, password } = config.store;
    return threadless(new QuestDbStore({ http, username, password }), { type: "questdb", http, username, password });
  }
  const path = join(directory, "meterstorm.duckdb");
  const { port1, port2 } = new MessageChannel();
  const store = new DuckDbRemoteStore(port1);
  let started = false;
  return {
    store,
    target: { type: "duckdb", path },
    startThread(threads, failed) {
      started = true;
      threads.runDuckDb(path, port2).catch(failed);
    },
    portForShard: () => store.connectShard(),
    close() {
      if (started) return store.close();
      // Nobody is at the other end to answer.
      port1.close();
      return Promise.resolve();
    },
  };
}

function threadless(store: Store, target: StoreTarget): OpenStore {
  return { store, target, startThread: () => undefined, portForShard: () => null, close: () => store.close() };
}
