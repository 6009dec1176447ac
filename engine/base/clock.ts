/**
 * Time as a port: everything that waits or stamps takes one of these, so that a whole node can be
 * run in a simulation where time moves only when the simulation says so.
 */
export interface Clock {
  /** Wall clock, epoch milliseconds. */
  nowMs(): number;
  /** A clock that never goes back, milliseconds with fractions, for measuring durations. */
  monotonicMs(): number;
  /** Runs `task` once after `delayMs`; the handle cancels it. */
  after(delayMs: number, task: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, task) {
    const handle = setTimeout(task, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Resolves after `delayMs` of the given clock. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve);
  });
}
