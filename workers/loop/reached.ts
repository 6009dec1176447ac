import { type EntryWriter, NONE, UnitType } from "../../engine/base/entries.js";
import type { Counters } from "./counters.js";
import type { Content } from "./sink-pump.js";
import type { Telling } from "./telling.js";

/** How far the store is: what of it the journal does not say yet, and how many rows it is behind. */
export class Reached {
  readonly #counters: Counters;
  /** Rows of readings that the store does not have, those apart that were computed or repaired since the start. */
  #backlogRows: number;
  /** The store has more than the journal says. */
  isUnwritten = false;

  constructor(counters: Counters, backlogRows: number) {
    this.#counters = counters;
    this.#backlogRows = backlogRows;
  }

  /** The store has this for the first time. */
  stored({ readings, repairedRows, refused }: Content): void {
    this.#counters.storedReadings += readings;
    this.#backlogRows -= repairedRows;
    for (const { isReading } of refused) {
      this.#counters.storeError("row");
      if (isReading) this.#backlogRows--;
    }
    this.isUnwritten = true;
  }

  /** Rows of readings that the store does not have, of which repairs have written so many. */
  lag(repairedRows: number): number {
    const { computedReadings, storedReadings } = this.#counters;
    return this.#backlogRows + computedReadings - storedReadings + repairedRows;
  }

  /** Says in the journal that the store is at `stored`, and who is told, as of `position`: a restart resends and tells again little. */
  write(out: EntryWriter, nowMs: number, stored: number, telling: Telling, position: number): void {
    out.beginUnit(UnitType.CONTROL, nowMs, NONE, 0, 0, 0);
    if (this.isUnwritten) out.stored(stored);
    if (telling.isUnwritten) telling.write(position);
    out.endUnit(0);
    this.isUnwritten = false;
  }
}
