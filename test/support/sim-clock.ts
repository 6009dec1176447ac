import type { Clock, Timer } from "../../engine/base/clock.js";

interface Due {
  atMs: number;
  order: number;
  task: () => void;
}

/** Time that stands still until `advance` moves it. */
export class SimClock implements Clock {
  #nowMs: number;
  readonly #startMs: number;
  #order = 0;
  #due: Due[] = [];

  constructor(startMs = 1_767_225_600_000) {
    this.#startMs = startMs;
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs - this.#startMs;
  }

  after(delayMs: number, task: () => void): Timer {
    const due: Due = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, task };
    this.#due.push(due);
    return {
      cancel: () => {
        this.#due = this.#due.filter((other) => other !== due);
      },
    };
  }

  /** Timers that wait. */
  get waiting(): number {
    return this.#due.length;
  }

  /** Moves time on and runs what falls due on the way, each at its own moment, in order; what those start included. */
  advance(ms: number): void {
    const end = this.#nowMs + ms;
    for (;;) {
      const next = this.#next(end);
      if (next === undefined) break;
      this.#due = this.#due.filter((other) => other !== next);
      this.#nowMs = next.atMs;
      next.task();
    }
    this.#nowMs = end;
  }

  #next(end: number): Due | undefined {
    let first: Due | undefined;
    for (const due of this.#due) {
      if (due.atMs > end) continue;
      if (first === undefined || due.atMs < first.atMs || (due.atMs === first.atMs && due.order < first.order)) first = due;
    }
    return first;
  }
}
