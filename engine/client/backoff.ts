const FIRST_MS = 100;
const LAST_MS = 10_000;

/**
 * How long to wait before the next attempt, in milliseconds: doubling from 0.1 s to 10 s, half of
 * it at random, so that a fleet whose server restarted does not come back in one instant.
 */
export class Backoff {
  readonly #random: () => number;
  #attempt = 0;

  /** `random` gives numbers in [0, 1). */
  constructor(random: () => number) {
    this.#random = random;
  }

  nextMs(): number {
    const full = Math.min(LAST_MS, FIRST_MS * 2 ** Math.min(this.#attempt++, 16));
    return full / 2 + (full / 2) * this.#random();
  }

  reset(): void {
    this.#attempt = 0;
  }
}
