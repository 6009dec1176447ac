import { limits } from "../../engine/base/limits.js";
import { advance } from "../kernels/advance.js";
import { Baseline } from "../kernels/baseline.js";
import type { CompiledTimeline } from "../kernels/compiled-timeline.js";
import { judge } from "../kernels/judge.js";
import { PeriodSum } from "../kernels/period-sum.js";
import { Case, MeterRecord, RecordType } from "../kernels/record.js";

/** What nearly all meters have: shared, so that it costs nothing, and never added to. */
export const NONE_SPILLED: PeriodSum[] = [];

/**
 * One meter, opened for work: its two newest records and all that is settled before them.
 *
 *     settled │ older │ newer        time ──▶
 *             ▲ base  ▲ middle
 *
 * `newer` may still be corrected, and `older` is judged by what `newer` says, so what they bring is never in
 * `sums` or `spilled`: it is added on top whenever a row is needed, and becomes settled when a third record arrives.
 * The kernels decide from the inputs alone, so only inputs and settled state are kept between calls.
 */
export class MeterWindow {
  timeline!: CompiledTimeline;
  /** What the settled records leave. */
  readonly base = new Baseline();
  /** What `older` leaves on top. */
  readonly middle = new Baseline();
  older = new MeterRecord();
  newer = new MeterRecord();
  /** What `insert` pushed out of `older`: to be settled once its successor is known. */
  settledLast = new MeterRecord();
  /**
   * By period: the settled part of the one in which `anchor` lies; end NaN: none yet. Where the settings of the time keep no such period,
   * an empty one as long as they are in force.
   */
  readonly sums: readonly PeriodSum[] = [new PeriodSum(), new PeriodSum(), new PeriodSum()];
  /** Settled parts of periods after that, where there are any; by period, and those of one in order of time. */
  spilled: PeriodSum[] = NONE_SPILLED;
  /** Periods that end by then have had their rows written; NaN before the first record. */
  closedTo = Number.NaN;
  /** A withdrawn exchange that is the newest record; NaN: none. */
  withdrawnTs = Number.NaN;
  withdrawnRev = 0;

  /** Decides both records; `newer` has no successor yet. */
  judge(): void {
    const { base, middle, older, newer } = this;
    const hasNewer = newer.type !== RecordType.NONE;
    middle.copy(base);
    if (older.type !== RecordType.NONE) {
      judge(base, older, hasNewer ? newer : null);
      advance(middle, older);
    }
    if (hasNewer) judge(middle, newer, null);
  }

  /**
   * Makes room for a new newest record: `older` is settled, `newer` becomes `older`. The caller fills in `newer`
   * from `ts`, `value`, `rev` on and judges.
   */
  shift(): void {
    if (this.newer.type === RecordType.NONE) return;
    if (this.older.type !== RecordType.NONE) this.settle(this.older, this.newer);
    const older = this.newer;
    this.newer = this.older;
    this.older = older;
    this.newer.clear();
    const reach = this.defaultReach(older.at, this.base.ts);
    if (!Number.isNaN(reach) && !(reach > older.reachFrom)) older.reachFrom = reach;
  }

  /** Makes room between the two: what was `older` is in `settledLast`, `older` is empty. */
  insert(): void {
    const { older, settledLast } = this;
    this.settledLast = older;
    this.older = settledLast;
    this.older.clear();
  }

  /** Gives a record its place in time. `value` is finite. */
  place(record: MeterRecord, ts: number, value: number, rev: number): void {
    const settings = this.timeline.at(ts);
    record.settings = settings;
    record.ts = ts;
    record.at = settings.countsAt(ts);
    record.value = value;
    record.units = settings.units(value);
    record.rev = rev;
  }

  /** Where a stretch that ends at `at` begins if its neighbour is at `before`; NaN where that is too far, or no stretch at all. */
  defaultReach(at: number, before: number): number {
    return at >= before && at - before <= limits.maxSpreadMs ? before : Number.NaN;
  }

  /** See Status.STEADY. */
  get isSteady(): boolean {
    const { timeline, base, older, newer } = this;
    if (older.type !== RecordType.READING || newer.type !== RecordType.READING) return false;
    const { settings } = newer;
    return (
      settings.isCounter &&
      // The open periods say where a step of the settings ends.
      (timeline.only !== null || settings.periods.length > 0) &&
      older.flags === 0 &&
      newer.flags === 0 &&
      older.case === Case.PLAIN &&
      newer.case === Case.PLAIN &&
      older.ts - base.ts <= settings.maxGapMs &&
      newer.ts - older.ts <= settings.maxGapMs
    );
  }

  /**
   * What a judged record brings can change no more; `next` is the first of those that are not settled. Periods are kept from `keepFrom` on,
   * whatever else may be let go of.
   */
  settle(record: MeterRecord, next: MeterRecord, keepFrom = Number.POSITIVE_INFINITY): void {
    advance(this.base, record);
    this.addSettled(record, next, keepFrom);
  }

  /** Adds a record to the settled sums, and lets go of periods that nothing can reach any more. */
  addSettled(record: MeterRecord, next: MeterRecord, keepFrom = Number.POSITIVE_INFINITY): void {
    const anchor = Math.min(keepFrom, this.#anchor(record, next));
    const { timeline } = this;
    for (const period of timeline.periods) {
      const sum = this.sums[period]!;
      if (!(anchor < sum.end)) this.#reopen(sum, period, anchor);
      const settings = timeline.at(sum.start);
      if (timeline.only !== null || settings.keeps(period)) sum.add(settings, record);
      if (record.at > sum.end) this.#spill(period, sum.end, record);
    }
    if (this.spilled.length > 0) this.#prune(record, anchor);
  }

  /** No later record changes what lies before, and all rows of periods that end by then are written. */
  #anchor(record: MeterRecord, next: MeterRecord): number {
    const { base, closedTo } = this;
    let anchor = Number.isNaN(base.ts) ? record.at : base.ts;
    if (closedTo < anchor) anchor = closedTo;
    if (next.type === RecordType.NONE) return anchor;
    // One that counts at the very same instant belongs to the period that ends there.
    if (next.at - 1 < anchor) anchor = next.at - 1;
    const { isInterval, intervalSlackMs } = next.settings;
    if (isInterval && next.from - intervalSlackMs < anchor) anchor = next.from - intervalSlackMs;
    return anchor;
  }

  #reopen(sum: PeriodSum, period: number, anchor: number): void {
    const settings = this.timeline.at(anchor);
    const start = settings.periodStart(period, anchor);
    const spilled = this.spilledAt(period, start);
    if (spilled === null) sum.open(period, start, settings.periodEnd(period, anchor));
    else sum.copy(spilled);
  }

  #spill(period: number, from: number, record: MeterRecord): void {
    const { timeline } = this;
    if (this.spilled === NONE_SPILLED) this.spilled = [];
    const { spilled } = this;
    let place = spilledFrom(spilled, period, from);
    for (let start = from, end = from; start < record.at; start = end) {
      const settings = timeline.at(start);
      end = settings.periodEnd(period, start);
      if (!settings.keeps(period)) continue;
      while (place < spilled.length && spilled[place]!.period === period && spilled[place]!.start < start) place++;
      let sum = spilled[place];
      if (sum === undefined || sum.period !== period || sum.start !== start) {
        sum = new PeriodSum();
        sum.open(period, start, end);
        spilled.splice(place, 0, sum);
      }
      sum.add(settings, record);
    }
    if (spilled.length === 0) this.spilled = NONE_SPILLED;
  }

  #prune(record: MeterRecord, anchor: number): void {
    // From so far back nothing is spread any more; only the period of the last records still counts.
    const isFar = record.at - anchor > limits.maxSpreadMs && this.closedTo >= record.at;
    const keepFrom = isFar ? record.at - 1 : anchor;
    this.spilled = this.spilled.filter((sum) => sum.end > keepFrom && sum.start > this.sums[sum.period]!.start);
  }

  spilledAt(period: number, start: number): PeriodSum | null {
    const sum = this.spilled[spilledFrom(this.spilled, period, start)];
    return sum !== undefined && sum.period === period && sum.start === start ? sum : null;
  }

  /** All that is known of one period, the two newest records included. */
  compose(period: number, start: number, end: number, into: PeriodSum): void {
    const sum = this.sums[period]!;
    const settled = sum.start === start ? sum : this.spilled.length > 0 ? this.spilledAt(period, start) : null;
    if (settled === null) into.open(period, start, end);
    else into.copy(settled);
    const settings = this.timeline.at(start);
    into.add(settings, this.older);
    into.add(settings, this.newer);
  }
}

/** Where the first of a period's sums stands that begins at `start` or later: a meter that was silent for months has thousands of them. */
export function spilledFrom(spilled: readonly PeriodSum[], period: number, start: number): number {
  let low = 0;
  for (let high = spilled.length; low < high; ) {
    const middle = (low + high) >>> 1;
    const sum = spilled[middle]!;
    if (sum.period < period || (sum.period === period && sum.start < start)) low = middle + 1;
    else high = middle;
  }
  return low;
}
