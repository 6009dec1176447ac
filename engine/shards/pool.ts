import { fileURLToPath } from "node:url";
import type { MessagePort } from "node:worker_threads";
import { Piscina } from "piscina";
import { invariant } from "../base/errors.js";
import type { ShardEnd, ShardTask } from "./tasks.js";

const shardFile = fileURLToPath(new URL("../../workers/shard.js", import.meta.url));
const duckDbFile = fileURLToPath(new URL("../../workers/duckdb-thread.js", import.meta.url));

/**
 * A thread for one task, which ends only when it is told to through shared memory, or fails: a shard's, or the embedded store's.
 * A thread whose task has failed is never used again, since nobody knows what it has left behind in its modules. Only this file knows Piscina.
 */
export class TaskThread {
  readonly #pool = new Piscina({
    // With a least number of threads it would start another one in the place of one that has died, which nobody ends and which holds
    // its memory and files for ever.
    minThreads: 0,
    maxThreads: 1,
    concurrentTasksPerWorker: 1,
    // The default blocks a thread between tasks in Atomics.wait, sockets and timers included.
    atomics: "disabled",
    idleTimeout: Number.POSITIVE_INFINITY,
  });
  /** Resolves when the thread has ended; Piscina lets go of it before that. */
  #gone: Promise<void> = Promise.resolve();

  runShard(task: ShardTask): Promise<ShardEnd> {
    const transferList = task.storePort === null ? [task.planPort] : [task.planPort, task.storePort];
    return this.#run(shardFile, task, transferList) as Promise<ShardEnd>;
  }

  /** Starts the embedded store; it ends when `port` is closed. */
  runDuckDb(path: string, port: MessagePort): Promise<void> {
    return this.#run(duckDbFile, { path, port }, [port]) as Promise<void>;
  }

  #run(filename: string, task: unknown, transferList: MessagePort[]): Promise<unknown> {
    invariant(this.#pool.threads.length === 0, "a thread was given a second task");
    let why: unknown = "it ended before its task began";
    this.#pool.on("error", (error) => {
      why = error;
    });
    const answer = this.#pool.run(task, { filename, transferList });
    const [worker] = this.#pool.threads;
    invariant(worker !== undefined, "no thread was started for a task");
    this.#gone = new Promise((resolve) => worker.once("exit", () => resolve()));
    // Of a thread that dies before it has taken its task Piscina says nothing to whoever waits for that.
    return Promise.race([answer, this.#gone.then(() => Promise.reject(why))]);
  }

  /** Ends the thread, whatever it is doing; resolves when it is gone, and with it all that it had under way. A task that runs is rejected. */
  async destroy(): Promise<void> {
    await this.#pool.destroy();
    await this.#gone;
  }
}
