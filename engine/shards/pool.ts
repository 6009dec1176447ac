import { fileURLToPath } from "node:url";
import type { MessagePort } from "node:worker_threads";
import { Piscina } from "piscina";
import type { ShardEnd, ShardTask } from "./tasks.js";

const shardFile = fileURLToPath(new URL("../../workers/shard.js", import.meta.url));
const duckDbFile = fileURLToPath(new URL("../../workers/duckdb-thread.js", import.meta.url));

/**
 * A thread for one task, which ends only when it is told to through shared memory, or fails: a shard's, or the embedded store's.
 * A thread whose task has failed is never used again, since nobody knows what it has left behind in its modules. Only this file knows Piscina.
 */
export class TaskThread {
  readonly #pool = new Piscina({
    minThreads: 1,
    maxThreads: 1,
    concurrentTasksPerWorker: 1,
    // The default blocks a thread between tasks in Atomics.wait, sockets and timers included.
    atomics: "disabled",
    idleTimeout: Number.POSITIVE_INFINITY,
  });

  runShard(task: ShardTask): Promise<ShardEnd> {
    const transferList = task.storePort === null ? [task.planPort] : [task.planPort, task.storePort];
    return this.#pool.run(task, { filename: shardFile, transferList }) as Promise<ShardEnd>;
  }

  /** Starts the embedded store; it ends when `port` is closed. */
  runDuckDb(path: string, port: MessagePort): Promise<void> {
    return this.#pool.run({ path, port }, { filename: duckDbFile, transferList: [port] }) as Promise<void>;
  }

  /** Ends the thread, whatever it is doing; resolves when it is gone, and with it all that it had under way. A task that runs is rejected. */
  async destroy(): Promise<void> {
    await this.#pool.destroy();
  }
}
