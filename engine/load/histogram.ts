const STEPS_PER_DOUBLING = 32;
const DOUBLINGS = 40;

/**
 * Counts durations in buckets that grow by 1/32 of a doubling, so that every quantile is known
 * within 2.2 % from a microsecond to twelve days, in 10 KiB and without keeping a sample.
 */
export class Histogram {
  readonly #counts = new Float64Array(STEPS_PER_DOUBLING * DOUBLINGS + 1);
  #total = 0;
  #maxMs = 0;

  /** Adds `count` observations of `durationMs`. */
  record(durationMs: number, count = 1): void {
    const us = durationMs * 1000;
    const bucket = us <= 1 ? 0 : Math.min(this.#counts.length - 1, Math.ceil(Math.log2(us) * STEPS_PER_DOUBLING));
    this.#counts[bucket]! += count;
    this.#total += count;
    if (durationMs > this.#maxMs) this.#maxMs = durationMs;
  }

  get total(): number {
    return this.#total;
  }

  get maxMs(): number {
    return this.#maxMs;
  }

  /** The duration that the share `q` (0 … 1) of the observations does not exceed; the upper end of its bucket. NaN when empty. */
  quantileMs(q: number): number {
    if (this.#total === 0) return Number.NaN;
    const rank = Math.max(1, Math.ceil(q * this.#total));
    let seen = 0;
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket]!;
      if (seen >= rank) return Math.min(this.#maxMs, 2 ** (bucket / STEPS_PER_DOUBLING) / 1000);
    }
    return this.#maxMs;
  }
}
