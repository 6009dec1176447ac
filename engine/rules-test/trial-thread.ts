import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { MeterstormError, messageOf } from "../base/errors.js";
import type { TrialAnswer, TrialMessage, TrialRecords, TrialTask, TrialTransition } from "../base/rules-trial.js";

const file = fileURLToPath(new URL("../../workers/rules-trial.js", import.meta.url));

interface Waiting {
  resolve(answer: TrialAnswer): void;
  reject(error: Error): void;
}

/** The kernels on a thread of their own, as in the engine; what they are given is answered in order. */
export class TrialThread {
  readonly #worker: Worker;
  readonly #waiting: Waiting[] = [];
  #failure: Error | null = null;

  constructor(task: TrialTask) {
    this.#worker = new Worker(file, { workerData: task });
    this.#worker.on("message", (answer: TrialAnswer) => this.#waiting.shift()?.resolve(answer));
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("exit", (code) => this.#fail(new Error(`it ended with ${code}`)));
  }

  /** Takes the arrays away. Resolves when the records are judged. */
  async feed(meter: string, { readings, exchanges }: TrialRecords): Promise<void> {
    await this.#ask({ type: "feed", meter, readings, exchanges }, [
      readings.buffer as ArrayBuffer,
      exchanges.buffer as ArrayBuffer,
    ]);
  }

  async end(meter: string): Promise<{ transitions: TrialTransition[]; refused: number }> {
    const answer = await this.#ask({ type: "end", meter }, []);
    return answer.type === "ended" ? answer : { transitions: [], refused: 0 };
  }

  async close(): Promise<void> {
    this.#failure = new Error("it was closed");
    await this.#worker.terminate();
  }

  async #ask(message: TrialMessage, transfer: ArrayBuffer[]): Promise<TrialAnswer> {
    if (this.#failure !== null) throw this.#failure;
    const answer = await new Promise<TrialAnswer>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(message, transfer);
    });
    if (answer.type === "failed") throw new MeterstormError(answer.code, answer.message);
    return answer;
  }

  #fail(error: unknown): void {
    this.#failure ??= new MeterstormError("internal", `the thread of the rules failed: ${messageOf(error)}`, { cause: error });
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}
