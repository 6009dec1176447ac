import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { type Clock, sleep } from "../base/clock.js";
import { MeterstormError, messageOf } from "../base/errors.js";
import type { TenantPlan } from "../base/settings.js";
import type { Config } from "../config/schema.js";
import type { DirectoryClaim, Move } from "../data-directory.js";
import type { MoveHears, MoveSays, MoveTask } from "../shards/move-task.js";
import type { OpenStore } from "../store/open.js";

const file = fileURLToPath(new URL("../../workers/move.js", import.meta.url));
const AGAIN_AFTER_MS = 5_000;
const LOG_EVERY_MS = 10_000;

export interface MoverPorts {
  clock: Clock;
  store: Pick<OpenStore, "target" | "portForShard">;
  journal: Config["journal"];
  plans(): readonly TenantPlan[];
  /** Gives an alert transition, as JSON, to those who are told; resolves when it is kept. */
  tell(transition: string): Promise<void>;
  /** The shards cannot be moved, and nothing has changed: the engine is to end. */
  failed(code: string, message: string): void;
  log: { info(message: string): void; warn(message: string): void };
}

/** Moves the state of all shards into other ones, on a thread of its own. What it writes counts once the data directory says so. */
export class Mover {
  readonly #ports: MoverPorts;
  #what = "";
  #progress = "";
  #loggedMs = Number.NEGATIVE_INFINITY;
  #worker: Worker | null = null;
  #isStopped = false;

  constructor(ports: MoverPorts) {
    this.#ports = ports;
  }

  /** What it does, or what it waits for; empty when it does nothing. */
  get state(): string {
    return this.#what === "" ? "" : `${this.#what}: ${this.#progress}`;
  }

  /** True once the shards are where the configuration wants them; false when that was stopped, or cannot be. A disk that fails is tried again. */
  async bringTo(claim: Pick<DirectoryClaim, "move" | "moved">): Promise<boolean> {
    const { move } = claim;
    if (move === null) return true;
    try {
      if (!(await this.#run(move))) return false;
      claim.moved();
      this.#what = "";
      return true;
    } catch (error) {
      this.#ports.failed(error instanceof MeterstormError ? error.code : "internal", messageOf(error));
      return false;
    }
  }

  async #run(move: Move): Promise<boolean> {
    const { from, to } = move;
    const { clock, log } = this.#ports;
    this.#what =
      from.shards === to.shards
        ? `moving clients that are to be spread otherwise over the ${to.shards} shards`
        : `moving from ${from.shards} to ${to.shards} shards`;
    this.#say("it begins");
    const beganMs = clock.monotonicMs();
    for (;;) {
      const end = await this.#attempt(this.#task(move));
      // Nothing of it may go on beside what comes next.
      await this.#worker?.terminate();
      if (this.#isStopped) return false;
      if (end.kind === "moved") break;
      if (!end.mayPass) throw new MeterstormError(end.code, `${this.#what}: ${end.message}`);
      this.#progress = `it begins again, since the disk failed: ${end.message}`;
      log.warn(this.state);
      await sleep(clock, AGAIN_AFTER_MS);
      if (this.#isStopped) return false;
    }
    log.info(`${this.#what}: done in ${Math.round((clock.monotonicMs() - beganMs) / 100) / 10} s`);
    return true;
  }

  /** Ends it, whatever it is doing: another start begins anew. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#worker?.terminate();
  }

  #task({ from, to }: Move): MoveTask {
    const { store, journal, plans } = this.#ports;
    const { maxBytes: journalMaxBytes, keepMs: journalKeepMs } = journal;
    const storePorts = from.directories.map(() => store.portForShard()).filter((port) => port !== null);
    return { from, to, plans: plans(), journalMaxBytes, journalKeepMs, store: store.target, storePorts };
  }

  #attempt(task: MoveTask): Promise<MoveSays & { kind: "moved" | "failed" }> {
    return new Promise((resolve) => {
      const worker = new Worker(file, { workerData: task, transferList: [...task.storePorts] });
      const failed = (message: string) => resolve({ kind: "failed", code: "internal", message, mayPass: false });
      this.#worker = worker;
      worker.on("message", (said: MoveSays) => {
        if (said.kind === "moved" || said.kind === "failed") resolve(said);
        else this.#hear(worker, said);
      });
      worker.on("error", (error) => failed(messageOf(error)));
      worker.on("exit", (code) => failed(`its thread ended with ${code}`));
    });
  }

  #hear(worker: Worker, said: MoveSays): void {
    if (said.kind === "warning") this.#ports.log.warn(said.text);
    else if (said.kind === "progress") this.#say(said.text);
    else if (said.kind === "alert") {
      const { id } = said;
      void this.#ports.tell(said.json).then(() => worker.postMessage({ kept: id } satisfies MoveHears));
    }
  }

  #say(progress: string): void {
    const { clock, log } = this.#ports;
    this.#progress = progress;
    if (clock.monotonicMs() - this.#loggedMs < LOG_EVERY_MS) return;
    this.#loggedMs = clock.monotonicMs();
    log.info(this.state);
  }
}
