import { type Clock, sleep, type Timer } from "../../engine/base/clock.js";

/** Work beside the loop goes on for so long before others are let by. */
export const SLICE_MS = 2;
/** What lies further back than this was not all work. */
const MOST_WORKED_MS = 20;

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
  readonly #restMs: (workedMs: number) => number;
  #beganMs = 0;

  /** `restMs`: how long others have their turn after a slice of so many milliseconds; one turn of theirs where it is not given. */
  constructor(clock: Clock, restMs: (workedMs: number) => number = () => 0) {
    this.#clock = clock;
    this.#restMs = restMs;
  }

  /** A slice begins now. */
  begin(): void {
    this.#beganMs = this.#clock.monotonicMs();
  }

  /** Lets others by once a slice is used up. Returns how long that took, in milliseconds. */
  async letBy(): Promise<number> {
    const nowMs = this.#clock.monotonicMs();
    const workedMs = nowMs - this.#beganMs;
    if (workedMs < SLICE_MS) return 0;
    await sleep(this.#clock, this.#restMs(Math.min(workedMs, MOST_WORKED_MS)));
    this.begin();
    return this.#clock.monotonicMs() - nowMs;
  }
}
