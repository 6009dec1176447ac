/** What clients have written since about the same time. */
interface Stretch {
  end: number;
  bytes: number;
  readonly ofClients: Map<number, number>;
}

/** Of the budget: files are let go of as a whole, and what the last snapshot has not passed stays as well. */
const FOR_BACKLOG = 3 / 4;
/** Stretches that the budget is cut into: what the store has taken is seen as exactly as that. */
const STRETCHES = 256;
/** Of its share: below it a client that was held may go on. */
const GO_ON = 3 / 4;

/**
 * What each client's frames hold of the journal while the store has not taken them. A client may hold as much as is left for all: one
 * alone half of the budget, of two that both send too much each a third. So there is always room for the frames of those that hold
 * little, and nobody has to say beforehand how many clients there will be (dynamic thresholds, Choudhury and Hahne, 1998).
 */
export class JournalShares {
  readonly #budget: number;
  readonly #stretches: Stretch[] = [];
  readonly #held = new Map<number, number>();
  /** The lanes of the clients that wait. */
  readonly #waiting = new Map<number, number>();
  #total = 0;

  /** Nothing is to be taken from a lane, or again. */
  hold: (lane: number, on: boolean) => void = () => undefined;

  /** `budget`: bytes that the journal may take. */
  constructor(budget: number) {
    this.#budget = budget * FOR_BACKLOG;
  }

  /** Bytes that a client may hold now. */
  get share(): number {
    return Math.max(0, this.#budget - this.#total);
  }

  heldBy(client: number): number {
    return this.#held.get(client) ?? 0;
  }

  /** The client's units take so many bytes up to this position of the journal, which never goes back. */
  wrote(client: number, bytes: number, position: number): void {
    let last = this.#stretches.at(-1);
    if (last === undefined || last.bytes >= this.#budget / STRETCHES) {
      last = { end: position, bytes: 0, ofClients: new Map() };
      this.#stretches.push(last);
    }
    last.end = position;
    last.bytes += bytes;
    last.ofClients.set(client, (last.ofClients.get(client) ?? 0) + bytes);
    this.#held.set(client, this.heldBy(client) + bytes);
    this.#total += bytes;
  }

  /** A frame of the client came by this lane: nothing more is taken from it while the client holds more than its share. */
  came(client: number, lane: number): void {
    if (this.heldBy(client) <= this.share || this.#waiting.has(client)) return;
    this.#waiting.set(client, lane);
    this.hold(lane, true);
  }

  /** The store has everything up to here. */
  stored(position: number): void {
    let passed = 0;
    for (const { end, bytes, ofClients } of this.#stretches) {
      if (end > position) break;
      passed++;
      this.#total -= bytes;
      for (const [client, held] of ofClients) {
        const left = this.heldBy(client) - held;
        if (left > 0) this.#held.set(client, left);
        else this.#held.delete(client);
      }
    }
    if (passed === 0) return;
    this.#stretches.splice(0, passed);
    for (const [client, lane] of this.#waiting) {
      if (this.heldBy(client) > this.share * GO_ON) continue;
      this.#waiting.delete(client);
      this.hold(lane, false);
    }
  }
}
