import type { Clock } from "../../engine/base/clock.js";
import { NONE, UnitType } from "../../engine/base/entries.js";
import type { Applier } from "./applier.js";

const TICK_MS = 1000;

/** Lets time alone move alerts on, once a second; a tick that moves none leaves nothing behind. */
export class Ticks {
  readonly #clock: Clock;
  readonly #applier: Applier;
  /** When it was last done, by the clock that never goes back. */
  #doneMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, applier: Applier) {
    this.#clock = clock;
    this.#applier = applier;
  }

  /** Writes a unit of all that is due; an earlier tick that was cut short goes on at once. Returns how many rules on meters it moved on. */
  run(): number {
    const { alerts, out } = this.#applier;
    const monotonicMs = this.#clock.monotonicMs();
    if (monotonicMs - this.#doneMs < TICK_MS && !alerts.isBehind) return 0;
    this.#doneMs = monotonicMs;
    const nowMs = this.#clock.nowMs();
    this.#applier.arrivalMs = nowMs;
    this.#applier.datalogger = NONE;
    out.beginUnit(UnitType.TICK, nowMs, NONE, 0, 0, 0);
    const moved = this.#applier.tick(nowMs);
    out.endUnit(0);
    if (moved === 0) out.reset();
    return moved;
  }
}
