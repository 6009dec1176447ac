/** What is kept is told as exactly as this part of how long it is kept. */
const EXACTNESS = 1 / 64;

/** Since when the store has had what. Of the time before it was first told nothing is known: that counts as had since then. */
export class StoredSince {
  readonly #leastMs: number;
  /** Positions with the time since which the store has all before them, both growing. */
  readonly #marks: { position: number; ms: number }[] = [];

  /** `keepMs`: the longest time that is asked for. */
  constructor(keepMs: number) {
    this.#leastMs = keepMs * EXACTNESS;
  }

  /** The store has everything before `position`; where that is less than before, it has lost what lies behind. */
  saw(position: number, nowMs: number): void {
    const marks = this.#marks;
    while (marks.length > 0 && marks.at(-1)!.position > position) marks.pop();
    const last = marks.at(-1);
    if (last === undefined || (last.position < position && nowMs - last.ms >= this.#leastMs)) marks.push({ position, ms: nowMs });
  }

  /** What the store has had since `ms` or longer; 0 where nothing. */
  before(ms: number): number {
    const marks = this.#marks;
    while (marks.length > 1 && marks[1]!.ms <= ms) marks.shift();
    const first = marks[0];
    return first !== undefined && first.ms <= ms ? first.position : 0;
  }
}
