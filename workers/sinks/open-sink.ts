import type { MessagePort } from "node:worker_threads";
import { systemClock } from "../../engine/base/clock.js";
import { MeterstormError } from "../../engine/base/errors.js";
import type { StoreTarget } from "../../engine/shards/tasks.js";
import type { Names, Sink } from "../../engine/store/interface.js";
import { DuckDbSink } from "./duckdb.js";
import { NoSink } from "./none.js";
import { QuestDbSink } from "./questdb.js";
import { storeMemory } from "./store-memory.js";

/** A sink for one shard and its directory; `port` leads to the embedded store's thread, null where the store is another one. */
export function openSink(store: StoreTarget, port: MessagePort | null, directory: string, names: Names): Sink {
  if (store.type === "none") return new NoSink();
  if (store.type === "questdb") {
    const { http, username, password } = store;
    return new QuestDbSink({ address: { http, username, password }, names, clock: systemClock, memory: storeMemory(directory) });
  }
  if (port === null) throw new MeterstormError("internal", "the embedded store needs a port to its thread");
  return new DuckDbSink(port, names);
}
