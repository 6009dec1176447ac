import type { MessagePort } from "node:worker_threads";
import { MeterstormError } from "../base/errors.js";
import type { TenantPlan } from "../base/settings.js";
import type { PlanAnswer, PlanRequest } from "./tasks.js";

const ANSWER_WITHIN_MS = 10_000;

/** The main thread's side of the port by which a shard is asked to take other settings. */
export class PlanPort {
  readonly #port: MessagePort;
  readonly #open = new Map<number, (answer: PlanAnswer) => void>();
  #nextId = 1;
  #isClosed = false;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on("message", (answer: PlanAnswer) => this.#answered(answer));
    port.unref();
  }

  /** The shard's thread that took questions here has ended; one that follows has a port of its own. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Resolves when the shard says that it could go on by these settings ("check"), or that it does ("adopt").
   * Rejects with its MeterstormError, such as `settings_changed`, or with `busy` when it does not answer.
   */
  async ask(kind: PlanRequest["kind"], plans: readonly TenantPlan[]): Promise<void> {
    const id = this.#nextId++;
    const answer = await new Promise<PlanAnswer>((resolve) => {
      const silent = (message: string) => this.#answered({ id, error: { code: "busy", message } });
      const timer = setTimeout(() => silent(`a shard did not answer within ${ANSWER_WITHIN_MS} ms`), ANSWER_WITHIN_MS);
      this.#open.set(id, (found) => {
        clearTimeout(timer);
        resolve(found);
      });
      if (this.#isClosed) silent("a shard has ended");
      else this.#port.postMessage({ id, kind, plans: [...plans] } satisfies PlanRequest);
    });
    if (answer.error !== null) throw new MeterstormError(answer.error.code, answer.error.message);
  }

  /** The shard has ended. */
  close(): void {
    this.#isClosed = true;
    this.#port.close();
    for (const id of [...this.#open.keys()]) this.#answered({ id, error: { code: "busy", message: "a shard has ended" } });
  }

  #answered(answer: PlanAnswer): void {
    const resolve = this.#open.get(answer.id);
    this.#open.delete(answer.id);
    resolve?.(answer);
  }
}
