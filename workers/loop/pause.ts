import { type Clock, sleep, type Timer } from "../../engine/base/clock.js";

/** Work beside the loop goes on for so long before others are let by. */
export const SLICE_MS = 2;

/** Waits of one that works by itself: one at a time, ended by their time, by a wake-up, or by the stop of everything. */
export class Pause {
  readonly #clock: Clock;
  #wake: (() => void) | null = null;
  #timer: Timer | null = null;
  /** No wait lasts any more. */
  stopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Waits for `delayMs` (null: for ever) or, when `wakeable`, for `wake`; `stop` ends every wait. */
  wait(delayMs: number | null, wakeable = true): Promise<void> {
    if (this.stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        this.#wake = null;
        this.#timer?.cancel();
        this.#timer = null;
        resolve();
      };
      this.#wake = () => {
        if (wakeable || this.stopped) done();
      };
      if (delayMs !== null) this.#timer = this.#clock.after(delayMs, done);
    });
  }

  wake(): void {
    this.#wake?.();
  }

  stop(): void {
    this.stopped = true;
    this.wake();
  }
}

/** Cuts long work into slices, so that the loop and others have their turn. */
export class Slices {
  readonly #clock: Clock;
  #endMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A slice begins now. */
  begin(): void {
    this.#endMs = this.#clock.monotonicMs() + SLICE_MS;
  }

  /** Lets others by once a slice is used up. Returns how long that took, in milliseconds. */
  async letBy(): Promise<number> {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#endMs) return 0;
    await sleep(this.#clock, 0);
    this.begin();
    return this.#clock.monotonicMs() - nowMs;
  }
}
