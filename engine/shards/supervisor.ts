import { MessageChannel } from "node:worker_threads";
import type { Clock } from "../base/clock.js";
import { MeterstormError, messageOf } from "../base/errors.js";
import { Heartbeat, LOOK_EVERY_MS } from "./heartbeat.js";
import { PlanPort } from "./plan-port.js";
import { TaskThread } from "./pool.js";
import type { Shard } from "./shard.js";
import type { ShardTask, Succession } from "./tasks.js";

/** What a task is started with beyond what its shard and the supervisor bring. */
export type TaskSettings = Omit<ShardTask, "input" | "output" | "life" | "planPort" | "succession">;

/** Pauses between attempts while none lasts and nothing is given back; the first is made at once. */
const FIRST_PAUSE_MS = 100;
const MOST_PAUSE_MS = 5_000;
/** Threads that end with nothing given back between them before the next one takes one record at a time, to find the one that ends them. */
const CAREFUL_AFTER = 2;
/** So many end on the same record before that is set aside: one may have ended for another reason. */
const SET_ASIDE_AFTER = 4;
/** A thread that has lasted so long is no attempt any more. */
const LASTING_MS = 30_000;

export interface SupervisorPorts {
  readonly clock: Clock;
  taskOf(shard: Shard): TaskSettings;
  /** The shard's first thread could not open it, so that the engine cannot start. */
  failedToStart(shard: Shard, error: MeterstormError): void;
  /** The shard's thread is gone and another one takes over. */
  replacing(shard: Shard, error: MeterstormError): void;
  /** What the successor needs to know; called when the thread before it is gone. */
  succession(shard: Shard): Omit<Succession, "isCareful">;
  /** The frame, post or question `id` has ended the shard's threads, and is refused from now on. */
  setAside(shard: Shard, id: number): void;
}

/**
 * Keeps one shard alive: runs its task on a thread, and where that throws, dies, hangs, or cannot write its journal any more, ends the
 * thread and lets a successor open the shard again, from its snapshot and journal and then from what is still in its ring. Meanwhile
 * frames wait in the ring and the lanes; the other shards do not know of it.
 */
export class Supervisor {
  readonly #shard: Shard;
  readonly #ports: SupervisorPorts;
  #thread: TaskThread | null = null;
  #stopping = false;
  #wake: () => void = () => undefined;
  /** Resolves when the shard has ended for good. */
  ended: Promise<void> = Promise.resolve();

  constructor(shard: Shard, ports: SupervisorPorts) {
    this.#shard = shard;
    this.#ports = ports;
  }

  start(): void {
    this.ended = this.#run();
  }

  /** Asks the shard to end by itself. */
  stop(): void {
    this.#stopping = true;
    this.#shard.life.requestStop();
    this.#wake();
  }

  async destroy(): Promise<void> {
    await this.#thread?.destroy();
  }

  async #run(): Promise<void> {
    const { clock } = this.#ports;
    let pauseMs = 0;
    let [freed, ends] = [Number.NaN, 0];
    for (let succession: Succession | null = null; ; ) {
      const startedMs = clock.monotonicMs();
      const before = this.#shard.timesOpened;
      const error = await this.#live(succession);
      if (this.#stopping) return;
      this.#shard.trouble = error.message;
      if (!this.#shard.hasOpened) {
        this.#ports.failedToStart(this.#shard, error);
        return;
      }
      this.#ports.replacing(this.#shard, error);
      await this.destroy();
      if (this.#shard.freed !== freed || clock.monotonicMs() - startedMs >= LASTING_MS) [ends, pauseMs] = [0, 0];
      freed = this.#shard.freed;
      if (pauseMs > 0) await this.#pause(pauseMs);
      pauseMs = Math.min(MOST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, pauseMs * 2));
      if (this.#stopping) return;
      // No record is to blame for a disk that fails, nor for a shard that could not be opened.
      if (this.#shard.timesOpened > before && error.code !== "journal_failed") ends++;
      if (succession?.isCareful === true && ends >= SET_ASIDE_AFTER) this.#setAside();
      succession = { ...this.#ports.succession(this.#shard), isCareful: ends >= CAREFUL_AFTER };
    }
  }

  #setAside(): void {
    const aside = this.#shard.setAside();
    if (aside !== null) this.#ports.setAside(this.#shard, aside.id);
  }

  /** Runs the task on a thread of its own until it ends; resolves to what ended it. */
  async #live(succession: Succession | null): Promise<MeterstormError> {
    const shard = this.#shard;
    const { input, output, lifeBuffer: life } = shard;
    const { port1, port2: planPort } = new MessageChannel();
    shard.plans = new PlanPort(port1);
    const thread = new TaskThread();
    this.#thread = thread;
    const watch = this.#watch(thread);
    try {
      const end = await thread.runShard({ ...this.#ports.taskOf(shard), input, output, life, planPort, succession });
      if (end.code === "failed")
        return new MeterstormError(end.error?.code ?? "internal", end.error?.message ?? "the shard failed");
      return new MeterstormError("internal", "the shard ended without being told to");
    } catch (error) {
      return new MeterstormError(
        "internal",
        watch.hung ? "the shard's thread hung" : `the shard's thread died: ${messageOf(error)}`,
      );
    } finally {
      watch.end();
      shard.plans.close();
    }
  }

  /** Ends the thread when it hangs. Opening may take as long as it takes: nobody beats then. */
  #watch(thread: TaskThread): { readonly hung: boolean; end(): void } {
    const lives = this.#shard.timesOpened;
    const heartbeat = new Heartbeat(this.#shard.life);
    let hung = false;
    const timer = setInterval(() => {
      if (hung || this.#shard.timesOpened === lives || !heartbeat.hangs()) return;
      hung = true;
      void thread.destroy();
    }, LOOK_EVERY_MS);
    timer.unref();
    return {
      get hung() {
        return hung;
      },
      end: () => clearInterval(timer),
    };
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#ports.clock.after(ms, resolve);
    });
  }
}
