import type { Observation } from "../kernels/alert.js";

/** Takes note of rows of `consumption`; see AlertBook. */
export interface PeriodRows {
  period(meter: number, period: number, start: number, energy: number, end?: number): void;
  periodsIn(meter: number, entries: Uint8Array): void;
}

/** What the book asks of whoever keeps the meters, about the live reading that was applied last. */
export interface AlertSource {
  /** Fills in that reading; of running periods those with a bit in `periods` (1 << index into PERIODS). */
  observe(meter: number, into: Observation, periods: number): void;
  /** Reports by `book.period` or `book.periodsIn` each row of `consumption` that the reading wrote, new or again. */
  reportPeriods(meter: number, book: PeriodRows): void;
}
