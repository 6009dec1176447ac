/**
 * Readings behind their meter's newest, of which only the store knows whether it has that very
 * moment already. The decision is the same for every store; how existing rows are found is not.
 *
 * First every LATE entry of a batch is added, then what the store holds at those moments is told by
 * `found`, then the batch is walked in order: rows that it brings itself are told by `found` too, and
 * each LATE entry is asked for by `stands`.
 */
export class LateReadings {
  /** By meter, then by ts: what stands there; null while nothing is known. */
  readonly #moments = new Map<number, Map<number, { value: number; rev: number } | null>>();
  size = 0;

  add(meter: number, ts: number): void {
    let times = this.#moments.get(meter);
    if (times === undefined) {
      times = new Map();
      this.#moments.set(meter, times);
    }
    if (times.has(ts)) return;
    times.set(ts, null);
    this.size++;
  }

  clear(): void {
    this.#moments.clear();
    this.size = 0;
  }

  /** The moments to look up, meter by meter in the order in which they were first added. */
  *moments(): Generator<{ meter: number; ts: number }> {
    for (const [meter, times] of this.#moments) for (const ts of times.keys()) yield { meter, ts };
  }

  /** A row that is, or by now will be, in the store. */
  found(meter: number, ts: number, value: number, rev: number): void {
    const times = this.#moments.get(meter);
    if (times?.has(ts)) times.set(ts, { value, rev });
  }

  /**
   * Whether a late reading is to be written; then it is what stands there from now on. The same value
   * changes nothing; of two values the greater rev stands, of equal ones the greater value.
   */
  stands(meter: number, ts: number, value: number, rev: number): boolean {
    const existing = this.#moments.get(meter)?.get(ts) ?? null;
    if (existing !== null) {
      if (existing.value === value || existing.rev > rev) return false;
      if (existing.rev === rev && existing.value > value) return false;
    }
    this.found(meter, ts, value, rev);
    return true;
  }
}
