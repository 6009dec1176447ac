import type { MessagePort } from "node:worker_threads";
import { TaskThread } from "./pool.js";
import type { Shard } from "./shard.js";
import { Supervisor, type SupervisorPorts } from "./supervisor.js";

/** The threads of an engine: each shard's, kept alive by its supervisor, and the embedded store's. */
export class ShardRunner {
  readonly #supervisors: readonly Supervisor[];
  #duckDb: TaskThread | null = null;

  constructor(shards: readonly Shard[], ports: SupervisorPorts) {
    this.#supervisors = shards.map((shard) => new Supervisor(shard, ports));
  }

  runDuckDb(path: string, port: MessagePort): Promise<void> {
    this.#duckDb = new TaskThread();
    return this.#duckDb.runDuckDb(path, port);
  }

  start(): void {
    for (const supervisor of this.#supervisors) supervisor.start();
  }

  /** Asks the shards to end, and waits for them at most `deadlineMs`. */
  async stop(deadlineMs: number): Promise<void> {
    for (const supervisor of this.#supervisors) supervisor.stop();
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, deadlineMs);
    });
    await Promise.race([Promise.all(this.#supervisors.map(({ ended }) => ended)), deadline]);
    clearTimeout(timer);
  }

  /** Ends the threads, whatever they are doing. */
  async destroy(): Promise<void> {
    await Promise.all([...this.#supervisors.map((supervisor) => supervisor.destroy()), this.#duckDb?.destroy()]);
  }
}
