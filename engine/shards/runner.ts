import { MessageChannel, type MessagePort } from "node:worker_threads";
import { MeterstormError, messageOf } from "../base/errors.js";
import { PlanPort } from "./plan-port.js";
import { ThreadPool } from "./pool.js";
import type { Shard } from "./shard.js";
import type { ShardTask } from "./tasks.js";

/** What a task is started with beyond what its shard and the runner bring. */
export type TaskSettings = Omit<ShardTask, "input" | "output" | "life" | "planPort">;

/** Starts the shards' tasks, notices when one ends, and stops them. */
export class ShardRunner {
  readonly #shards: readonly Shard[];
  readonly #pool: ThreadPool;
  #tasks: Promise<unknown>[] = [];
  #stopping = false;

  constructor(shards: readonly Shard[], moreThreads: number) {
    this.#shards = shards;
    this.#pool = new ThreadPool(shards.length + moreThreads);
  }

  runDuckDb(path: string, port: MessagePort): Promise<void> {
    return this.#pool.runDuckDb(path, port);
  }

  start(taskOf: (index: number) => TaskSettings, onFailed: (shard: Shard, error: MeterstormError) => void): void {
    this.#tasks = this.#shards.map((shard) => this.#run(shard, taskOf(shard.index), onFailed));
  }

  async #run(shard: Shard, task: TaskSettings, onFailed: (shard: Shard, error: MeterstormError) => void): Promise<void> {
    const { input, output, lifeBuffer: life } = shard;
    const fail = (code: string, message: string) => {
      shard.trouble = message;
      if (!this.#stopping) onFailed(shard, new MeterstormError(code, message));
    };
    const { port1, port2: planPort } = new MessageChannel();
    shard.plans = new PlanPort(port1);
    try {
      const end = await this.#pool.runShard({ ...task, input, output, life, planPort });
      if (end.code === "failed") fail(end.error?.code ?? "internal", end.error?.message ?? "the shard failed");
      else if (!this.#stopping) fail("internal", "the shard ended without being told to");
    } catch (error) {
      fail("internal", messageOf(error));
    } finally {
      shard.plans.close();
    }
  }

  /** Asks the shards to end, and waits for them at most `deadlineMs`. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    for (const shard of this.#shards) shard.life.requestStop();
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, deadlineMs);
    });
    await Promise.race([Promise.all(this.#tasks), deadline]);
    clearTimeout(timer);
  }

  destroy(): Promise<void> {
    return this.#pool.destroy();
  }
}
