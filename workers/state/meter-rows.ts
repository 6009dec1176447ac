import type { EntryWriter } from "../../engine/base/entries.js";
import type { CompiledSettings } from "../kernels/compiled-settings.js";
import { isSpread } from "../kernels/judge.js";
import { PeriodSum, REACHED } from "../kernels/period-sum.js";
import type { MeterRecord } from "../kernels/record.js";
import { grown } from "./alerts-slots.js";
import { type MeterWindow, spilledFrom } from "./meter-window.js";

/** The earliest instant at which a record, as it is judged now, changes a period's row. */
export function touchedFrom(record: MeterRecord): number {
  // A reading exactly on a boundary belongs to the period before.
  const own = record.at - 1;
  return isSpread(record) && record.from < own ? record.from : own;
}

/** Writes rows of `consumption`, and remembers those of the last reading for the alerts. */
export class RowWriter {
  readonly #row = new PeriodSum();
  /** Rows written since `begin`: index into PERIODS, start, value. */
  count = 0;
  #periods = new Uint8Array(16);
  #starts = new Float64Array(16);
  #ends = new Float64Array(16);
  #values = new Float64Array(16);

  begin(): void {
    this.count = 0;
  }

  periodAt(index: number): number {
    return this.#periods[index]!;
  }

  startAt(index: number): number {
    return this.#starts[index]!;
  }

  endAt(index: number): number {
    return this.#ends[index]!;
  }

  valueAt(index: number): number {
    return this.#values[index]!;
  }

  /** Writes the rows of all periods that end after `from` and not after `closing`, as far as they have one. */
  write(meter: number, window: MeterWindow, from: number, closing: number, out: EntryWriter): void {
    for (const period of window.timeline.periods) {
      const sum = window.sums[period]!;
      // The usual case: nothing has ended, and it costs no look at the calendar.
      if (from >= sum.start && closing < sum.end) continue;
      this.#writePeriods(meter, window, period, from, closing, out);
    }
  }

  /** One row to be filled in and written by `writeOpen`. */
  open(period: number, start: number, end: number): PeriodSum {
    this.#row.open(period, start, end);
    return this.#row;
  }

  writeOpen(meter: number, settings: CompiledSettings, out: EntryWriter): void {
    this.#writeRow(meter, settings, this.#row, out);
  }

  #writePeriods(meter: number, window: MeterWindow, period: number, from: number, closing: number, out: EntryWriter): void {
    const { timeline } = window;
    const row = this.#row;
    let settings = timeline.at(from);
    let start = settings.periodStart(period, from);
    let end = settings.periodEnd(period, from);
    while (end <= closing) {
      if (!settings.keeps(period)) start = end;
      else {
        window.compose(period, start, end, row);
        if ((row.flags & REACHED) !== 0) {
          this.#writeRow(meter, settings, row, out);
          start = end;
        } else {
          const next = nextReached(window, period, end);
          if (!(next < closing)) return;
          start = timeline.at(next).periodStart(period, next);
        }
      }
      settings = timeline.at(start);
      end = settings.periodEnd(period, start);
    }
  }

  #writeRow(meter: number, settings: CompiledSettings, row: PeriodSum, out: EntryWriter): void {
    const value = row.value(settings);
    const hasLevels = row.min <= row.max;
    const min = hasLevels ? settings.shownLevel(row.min) : Number.NaN;
    const max = hasLevels ? settings.shownLevel(row.max) : Number.NaN;
    out.period(meter, row.period, row.start, value, min, max, row.coverage, row.readings, row.rowFlags);
    if (this.count === this.#periods.length) this.#grow();
    this.#periods[this.count] = row.period;
    this.#starts[this.count] = row.start;
    this.#ends[this.count] = row.end;
    this.#values[this.count] = value;
    this.count++;
  }

  #grow(): void {
    const size = 2 * this.#periods.length;
    this.#periods = grown(this.#periods, new Uint8Array(size));
    this.#starts = grown(this.#starts, new Float64Array(size));
    this.#ends = grown(this.#ends, new Float64Array(size));
    this.#values = grown(this.#values, new Float64Array(size));
  }
}

/** The first instant from `after` on whose period may have a row: over years without readings there is nothing to go through. */
function nextReached(window: MeterWindow, period: number, after: number): number {
  let next = Math.min(reachedBy(window.older, after), reachedBy(window.newer, after));
  const sum = window.sums[period]!;
  if (sum.start >= after && sum.start < next) next = sum.start;
  const spilled = window.spilled[spilledFrom(window.spilled, period, after)];
  if (spilled !== undefined && spilled.period === period && spilled.start < next) next = spilled.start;
  return next;
}

function reachedBy(record: MeterRecord, after: number): number {
  if (!(record.at > after)) return Number.POSITIVE_INFINITY;
  let begin = Number.POSITIVE_INFINITY;
  // A stretch of no length lies in the period that ends there.
  if (record.reachFrom < begin) begin = Math.min(record.reachFrom, record.at - 1);
  if (isSpread(record) && record.from < begin) begin = record.from;
  return Math.max(begin, after);
}
