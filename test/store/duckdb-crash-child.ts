import { writeSync } from "node:fs";
import { MessageChannel } from "node:worker_threads";
import { Kind } from "../../engine/base/entries.js";
import { DuckDbRemoteStore } from "../../engine/store/duckdb-remote.js";
import serve from "../../workers/duckdb-thread.js";
import { DuckDbSink } from "../../workers/sinks/duckdb.js";
import { unit } from "./rows.js";
import { TestNames } from "./test-names.js";

/** Writes one reading a batch until it is killed, and prints how many batches the store has answered. */
const { port1, port2 } = new MessageChannel();
void serve({ port: port1, path: process.argv[2] ?? "" });
const store = new DuckDbRemoteStore(port2);
await store.prepare();
const names = new TestNames();
const meter = names.meterNumber("acme", "m1");
const sink = new DuckDbSink(store.connectShard(), names);
for (let i = 0; i < 100_000; i++) {
  const outcome = await sink.write([unit((w) => w.reading(Kind.READING, meter, i + 1, i, 1, 0, 0))]);
  if (!outcome.ok) throw new Error(outcome.message);
  writeSync(1, `${i + 1}\n`);
}
