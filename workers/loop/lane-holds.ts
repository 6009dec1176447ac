/** Why nothing is taken from a lane for now. */
export type HoldReason = "late" | "journal";

/** Lanes from which nothing is to be taken for now: as long as there is a reason, whichever. */
export class LaneHolds {
  readonly #hold: (lane: number, on: boolean) => void;
  readonly #reasons = new Map<number, Set<HoldReason>>();

  /** `hold`: nothing is to be taken from a lane, or again. */
  constructor(hold: (lane: number, on: boolean) => void) {
    this.#hold = hold;
  }

  set(lane: number, reason: HoldReason, on: boolean): void {
    const reasons = this.#reasons.get(lane) ?? new Set();
    const wasHeld = reasons.size > 0;
    if (on) reasons.add(reason);
    else reasons.delete(reason);
    if (reasons.size > 0) this.#reasons.set(lane, reasons);
    else this.#reasons.delete(lane);
    if (wasHeld !== reasons.size > 0) this.#hold(lane, !wasHeld);
  }
}
