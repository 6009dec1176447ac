import { Kind, PERIODS } from "../../engine/base/entries.js";
import { entryBytes, viewsOf } from "../../engine/base/entry-views.js";
import { grown } from "./alerts-slots.js";

/** A period that has ended and whose energy the look-ahead may still change. */
export interface EndedPeriod {
  /** Index into PERIODS. */
  period: number;
  start: number;
  end: number;
  /** NaN: nothing is known. */
  energy: number;
}

const KINDS = PERIODS.length;

/**
 * Ended periods that wait to be judged, per row of the alert book, in order of their ends. A period
 * that was judged once is not judged again when its row is rewritten.
 */
export class EndedPeriods {
  readonly #waiting = new Map<number, EndedPeriod[]>();
  /** Per row and period the end up to which it was judged. */
  #judged = new Float64Array(64 * KINDS).fill(Number.NEGATIVE_INFINITY);

  /** Takes note of a row of `consumption`, new or rewritten. */
  put(row: number, period: number, start: number, end: number, energy: number): void {
    if (end <= this.judged(row, period)) return;
    const waiting = this.#waiting.get(row) ?? [];
    this.#waiting.set(row, waiting);
    let at = waiting.length;
    for (; at > 0 && waiting[at - 1]!.end >= end; at--) {
      const known = waiting[at - 1]!;
      if (known.period !== period || known.start !== start) continue;
      known.energy = energy;
      return;
    }
    while (at < waiting.length && waiting[at]!.end === end && waiting[at]!.period < period) at++;
    waiting.splice(at, 0, { period, start, end, energy });
  }

  /** The next one that ended at or before `ts`; it counts as judged. */
  next(row: number, ts: number): EndedPeriod | undefined {
    const waiting = this.#waiting.get(row);
    if (waiting === undefined || waiting[0]!.end > ts) return undefined;
    const ended = waiting.shift()!;
    if (waiting.length === 0) this.#waiting.delete(row);
    this.setJudged(row, ended.period, ended.end);
    return ended;
  }

  waiting(row: number): readonly EndedPeriod[] {
    return this.#waiting.get(row) ?? [];
  }

  judged(row: number, period: number): number {
    return this.#judged[row * KINDS + period] ?? Number.NEGATIVE_INFINITY;
  }

  setJudged(row: number, period: number, end: number): void {
    const need = (row + 1) * KINDS;
    let size = this.#judged.length;
    while (size < need) size *= 2;
    if (size > this.#judged.length) this.#judged = grown(this.#judged, new Float64Array(size).fill(Number.NEGATIVE_INFINITY));
    this.#judged[row * KINDS + period] = end;
  }

  /** Nothing waits any more. */
  release(row: number): void {
    this.#waiting.delete(row);
  }

  forget(row: number): void {
    this.release(row);
    for (let period = 0; period < KINDS; period++) this.setJudged(row, period, Number.NEGATIVE_INFINITY);
  }
}

/** Calls `row` for each row of `consumption` of the meter among entries, whole ones that begin on 8 bytes. */
export function eachPeriodRow(
  meter: number,
  entries: Uint8Array,
  row: (period: number, start: number, energy: number) => void,
): void {
  const views = viewsOf(entries);
  for (let at = 0; at < entries.length; at += entryBytes(views, at)) {
    const head = views.u32[at >> 2]!;
    if ((head & 0xff) !== Kind.PERIOD || views.u32[(at >> 2) + 1] !== meter) continue;
    row(views.u32[(at >> 2) + 13]!, views.f64[(at >> 3) + 1]!, views.f64[(at >> 3) + 2]!);
  }
}
