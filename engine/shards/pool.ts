import { fileURLToPath } from "node:url";
import type { MessagePort } from "node:worker_threads";
import { Piscina } from "piscina";
import type { ShardEnd, ShardTask } from "./tasks.js";

const shardFile = fileURLToPath(new URL("../../workers/shard.js", import.meta.url));
const duckDbFile = fileURLToPath(new URL("../../workers/duckdb-thread.js", import.meta.url));

/**
 * The threads. Each shard is one task that ends only when it is told to through shared memory, or fails;
 * the embedded store has a thread of its own. Only this file knows Piscina.
 */
export class ThreadPool {
  readonly #pool: Piscina;

  constructor(threads: number) {
    this.#pool = new Piscina({
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: 1,
      // The default blocks a thread between tasks in Atomics.wait, sockets and timers included.
      atomics: "disabled",
      idleTimeout: Number.POSITIVE_INFINITY,
    });
  }

  runShard(task: ShardTask): Promise<ShardEnd> {
    const transferList = task.storePort === null ? [task.planPort] : [task.planPort, task.storePort];
    return this.#pool.run(task, { filename: shardFile, transferList }) as Promise<ShardEnd>;
  }

  /** Starts the embedded store's thread; it ends when `port` is closed. */
  runDuckDb(path: string, port: MessagePort): Promise<void> {
    return this.#pool.run({ path, port }, { filename: duckDbFile, transferList: [port] }) as Promise<void>;
  }

  /** Ends the threads, whatever they are doing: their tasks have been told to end before. */
  async destroy(): Promise<void> {
    await this.#pool.destroy();
  }
}
