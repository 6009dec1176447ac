import { Worker } from "node:worker_threads";
import { shown } from "./corpus.js";
import type { Finding, Outcome } from "./rounds.js";

/** One input may keep its thread busy for so long before it counts as one that never ends: far above what is called slow. */
const NEVER_MS = 15_000;
const LOOK_MS = 250;
/** The heap of a thread; a target needs a tenth of it. */
const HEAP_MB = 256;
/** What all buffers of this process may take together beside what they took before. */
const BUFFERS_BYTES = 512 * 1024 * 1024;
const INPUT_BYTES = 256 * 1024;

export interface Order {
  target: string;
  seed: number;
  forMs: number;
  board: SharedArrayBuffer;
}

/** Where a thread writes which input it works on, for who has to end it. */
export class Board {
  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(16 + INPUT_BYTES);
  }

  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer, 0, 4);
    this.#bytes = new Uint8Array(buffer, 16);
  }

  write(number: number, input: Uint8Array): void {
    this.#bytes.set(input.subarray(0, INPUT_BYTES));
    this.#words[1] = number;
    this.#words[2] = Math.min(input.length, INPUT_BYTES);
    Atomics.add(this.#words, 0, 1);
  }

  /** How many inputs were begun. */
  get begun(): number {
    return Atomics.load(this.#words, 0);
  }

  get last(): { number: number; input: Uint8Array } {
    return { number: this.#words[1]!, input: this.#bytes.slice(0, this.#words[2]) };
  }
}

/** Runs a target on a thread of its own, which is ended when an input never ends or takes too much memory. */
export function fuzzOnThread(target: string, seed: number, forMs: number): Promise<Outcome> {
  const buffer = Board.create();
  const board = new Board(buffer);
  const workerData: Order = { target, seed, forMs, board: buffer };
  const worker = new Worker(new URL("./fuzz-thread.js", import.meta.url), {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
  });
  return new Promise((resolve) => {
    let outcome: Outcome | null = null;
    const buffersBefore = process.memoryUsage().arrayBuffers;
    let seen = { begun: -1, atMs: performance.now() };
    const found = (what: string): void => {
      const { number, input } = board.last;
      const finding: Finding = { target, seed, number, what, input: shown(input) };
      outcome ??= { inputs: board.begun, finding };
    };
    const looking = setInterval(() => {
      const { begun } = board;
      const nowMs = performance.now();
      if (begun !== seen.begun) seen = { begun, atMs: nowMs };
      const buffers = process.memoryUsage().arrayBuffers - buffersBefore;
      if (nowMs - seen.atMs > NEVER_MS) found(`has not ended within ${NEVER_MS} ms`);
      else if (buffers > BUFFERS_BYTES) found(`buffers of ${buffers} bytes`);
      else return;
      void worker.terminate();
    }, LOOK_MS);
    worker.on("message", (message: Outcome) => {
      outcome = message;
    });
    // Also what was thrown outside of any call, and memory that ran out.
    worker.on("error", (error) => found(`ended its thread: ${error.stack ?? String(error)}`));
    worker.on("exit", (code) => {
      clearInterval(looking);
      if (outcome === null) found(`its thread ended with ${code} and said nothing`);
      resolve(outcome!);
    });
  });
}
