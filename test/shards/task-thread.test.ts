import assert from "node:assert/strict";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { MessageChannel, type Worker } from "node:worker_threads";
import { TaskThread } from "../../engine/shards/pool.js";
import { DuckDbRemoteStore } from "../../engine/store/duckdb-remote.js";
import { temporaryDirectory, until } from "../support/servers.js";

/** Every thread that this process has started since the test began, and those of them that have not ended. */
const started = new Set<Worker>();
const alive = new Set<Worker>();
const meet = (worker: Worker): void => {
  started.add(worker);
  alive.add(worker);
  worker.once("exit", () => alive.delete(worker));
};

beforeEach(() => {
  started.clear();
  process.on("worker", meet);
});
afterEach(() => {
  process.off("worker", meet);
});

/** A thread that does its task: the embedded store. `port` is the main thread's side of it. */
async function working() {
  const thread = new TaskThread();
  const { port1: port, port2 } = new MessageChannel();
  const ended = thread.runDuckDb(join(temporaryDirectory("thread"), "store.duckdb"), port2).then(
    () => "ended",
    (error: Error) => error.message,
  );
  await new DuckDbRemoteStore(port).prepare();
  assert.equal(started.size, 1);
  return { thread, port, ended, worker: [...started][0]! };
}

test("a thread that throws is gone once it is destroyed, and none is started in its place", async () => {
  const { thread, port, ended } = await working();
  port.postMessage({ type: "connect" });
  assert.match(await ended, /Cannot read properties of undefined/);
  await thread.destroy();
  assert.equal(alive.size, 0);
  assert.equal(started.size, 1);
  port.close();
});

test("a thread that exits is gone, and none is started in its place", async () => {
  const { thread, port, ended, worker } = await working();
  void worker.terminate();
  assert.equal(await ended, "worker exited with code: 1");
  await thread.destroy();
  assert.equal(alive.size, 0);
  assert.equal(started.size, 1);
  port.close();
});

test("whoever destroys a thread that is being destroyed already waits for its end too", async () => {
  const { thread, port, ended } = await working();
  void thread.destroy();
  assert.equal(await ended, "Terminating worker thread");
  await thread.destroy();
  assert.equal(alive.size, 0);
  assert.equal(started.size, 1);
  port.close();
});

test("a thread that dies before its task begins is told of", async () => {
  const thread = new TaskThread();
  const { port1, port2 } = new MessageChannel();
  const ran = thread.runDuckDb(join(temporaryDirectory("thread"), "store.duckdb"), port2);
  await until("the thread is there", 5_000, () => started.size === 1);
  void [...started][0]!.terminate();
  await assert.rejects(ran, /ended|exited/);
  await thread.destroy();
  assert.equal(alive.size, 0);
  assert.equal(started.size, 1);
  port1.close();
});
