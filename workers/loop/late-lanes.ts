/**
 * Lanes of clients that sent late inputs, by the clients' numbers: repairs are charged to them, and where far more wait than are good to
 * have in memory, though windows are closed, nothing more is taken from them until half is worked in.
 */
export class LateLanes {
  readonly #most: number;
  readonly #hold: (lane: number, on: boolean) => void;
  readonly #lanes = new Map<number, number>();
  readonly #held = new Set<number>();

  /** `most`: late inputs that may wait; `hold`: nothing is to be taken from a lane, or again. */
  constructor(most: number, hold: (lane: number, on: boolean) => void) {
    this.#most = most;
    this.#hold = hold;
  }

  /** A frame of a client came by this lane with late inputs; so many wait now. */
  came(client: number, lane: number, waiting: number): void {
    this.#lanes.set(client, lane);
    if (waiting <= this.#most || this.#held.has(lane)) return;
    this.#held.add(lane);
    this.#hold(lane, true);
  }

  /** Some were worked in; so many wait still. */
  mended(waiting: number): void {
    if (this.#held.size === 0 || waiting > this.#most / 2) return;
    for (const lane of this.#held) this.#hold(lane, false);
    this.#held.clear();
  }

  /** The lane by which a client's late inputs came last. */
  of(client: number): number | undefined {
    return this.#lanes.get(client);
  }
}
