import { PERIODS } from "../../engine/base/entries.js";
import type { EntryViews } from "../../engine/base/entry-views.js";
import { flagNames } from "../../engine/base/flags.js";
import type { MeterHistory, MeterPeriods } from "../../engine/store/interface.js";
import type { CompiledTimeline } from "../kernels/compiled-timeline.js";
import type { Span } from "./audit-spans.js";
import { AuditSums } from "./audit-sums.js";
import { type KnownRecord, recordsOf } from "./known-record.js";
import { type KnownStretch, restartBefore } from "./meter-repair.js";
import { MeterRun, periodKey } from "./meter-run.js";
import type { MeterWindow } from "./meter-window.js";

export const Audit = {
  /** There is more to do. */
  GOES_ON: 0,
  DONE: 1,
  /** Older records are needed, or younger ones. */
  NEEDS_BEFORE: 2,
  NEEDS_AFTER: 3,
} as const;

/** A day's interval by the wall clock may be as long as this. */
const LONGEST_DAY_MS = 27 * 3_600_000;

/** What a store holds of a meter between two instants, and of a day within; −Infinity: nothing was before, Infinity: nothing came after. */
export interface StoredDay {
  /** The local day, `from` < t ≤ `to`, as far as one step of the meter's settings reaches. */
  readonly day: Span;
  readonly from: number;
  readonly to: number;
  readonly history: MeterHistory;
  /** Periods that begin within the day. */
  readonly periods: MeterPeriods;
}

/** Up to when a meter's rows depend on nothing that may still come, late inputs apart; −Infinity: nothing is settled. */
export function settledTo({ base, closedTo }: MeterWindow): number {
  const { settings } = base;
  if (settings === null || Number.isNaN(base.ts) || Number.isNaN(closedTo)) return Number.NEGATIVE_INFINITY;
  // Later intervals may begin before this one ends.
  const overlapMs = Number.isNaN(settings.intervalMs) ? LONGEST_DAY_MS : settings.intervalMs;
  const settled = settings.isInterval ? base.ts - overlapMs - settings.intervalSlackMs : base.ts;
  return Math.min(settled, closedTo);
}

/**
 * Judges the stored readings of a meter anew, from a place early enough to judge from until the day is settled, and compares every
 * row that is stored of the day with what follows; then looks at what the rows add up to.
 *
 *     ├─ restart ─ … ─┤ from ───────── the day: rows are compared ───────── to ├─ … ─ settled
 */
export class AuditDay {
  readonly #timeline: CompiledTimeline;
  readonly #stored: StoredDay;
  readonly #records: readonly KnownRecord[];
  readonly #run: MeterRun;
  #next = 0;
  #state: number = Audit.GOES_ON;
  /** What differs, in words: one a row; then what does not add up. */
  readonly faults: string[] = [];
  /** Rows compared. */
  rows = 0;

  constructor(timeline: CompiledTimeline, stored: StoredDay) {
    this.#timeline = timeline;
    this.#stored = stored;
    this.#records = recordsOf(stored.history, (ts) => timeline.at(ts).isCounter);
    this.#run = new MeterRun(timeline);
    this.#begin();
  }

  #begin(): void {
    const { day, from, to, history } = this.#stored;
    const without = history.readings.value.findIndex((value) => !Number.isFinite(value));
    if (without >= 0) {
      this.faults.push(`reading ${iso(history.readings.ts[without]!)} is stored without a value`);
      this.#state = Audit.DONE;
      return;
    }
    const records = this.#records;
    const first = records.findIndex((record) => this.#at(record) > day.from);
    if (first < 0) {
      if (to < Number.POSITIVE_INFINITY) this.#state = Audit.NEEDS_AFTER;
      return;
    }
    const known: KnownStretch = { records, from, to, sound: false };
    this.#next = restartBefore(this.#timeline, known, first);
    if (this.#next < 0) this.#state = Audit.NEEDS_BEFORE;
  }

  #at({ ts }: { ts: number }): number {
    return this.#timeline.at(ts).countsAt(ts);
  }

  /** Judges about `most` records. The answer is of `Audit`; where it needs more, another one with more is to be made. */
  advance(most: number): number {
    const { day, to } = this.#stored;
    for (let fed = 0; fed < most && this.#state === Audit.GOES_ON; fed++) {
      const record = this.#records[this.#next];
      if (settledTo(this.#run.window) >= day.to || (record === undefined && to === Number.POSITIVE_INFINITY)) this.#compare();
      else if (record === undefined) this.#state = Audit.NEEDS_AFTER;
      else {
        this.#run.feed(record);
        this.#next++;
      }
    }
    return this.#state;
  }

  #compare(): void {
    this.#state = Audit.DONE;
    this.#compareReadings();
    this.#comparePeriods();
    const sums = new AuditSums(this.#timeline, this.#stored.day.from);
    sums.check(this.#stored.day, this.#stored.history, this.#stored.periods);
    this.faults.push(...sums.faults);
  }

  #compareReadings(): void {
    const { day, history } = this.#stored;
    const { ts, delta, flags } = history.readings;
    const { readings, views } = this.#run;
    for (const [i, at] of ts.entries()) {
      const counts = this.#at({ ts: at });
      if (!(counts > day.from && counts <= day.to)) continue;
      this.rows++;
      const offset = readings.get(at);
      const name = `reading ${iso(at)}`;
      if (offset === undefined) this.faults.push(`${name} cannot be judged: no reading behind the day is stored`);
      else {
        const differs = new Differences();
        differs.number("delta", delta[i]!, views.f64[(offset >> 3) + 3]!);
        differs.flags(flags[i]!, views.u32[offset >> 2]! >>> 8);
        differs.addTo(this.faults, name);
      }
    }
  }

  #comparePeriods(): void {
    const { day, periods } = this.#stored;
    const { ts, period } = periods.consumption;
    const run = this.#run;
    const { views } = run;
    const seen = new Set<number>();
    for (const [i, start] of ts.entries()) {
      this.rows++;
      const key = periodKey(period[i]!, start);
      seen.add(key);
      const name = `${PERIODS[period[i]!] ?? "period"} ${iso(start)}`;
      const offset = run.periods.get(key);
      if (offset === undefined) this.faults.push(`${name} is stored and should not be there`);
      else periodDifferences(periods, i, views, offset).addTo(this.faults, name);
    }
    for (const [key, offset] of run.periods) {
      const start = views.f64[(offset >> 3) + 1]!;
      if (seen.has(key) || start < day.from || start >= day.to) continue;
      this.rows++;
      this.faults.push(
        `${PERIODS[views.u32[(offset >> 2) + 13]!]!} ${iso(start)} is missing, its value should be ${views.f64[(offset >> 3) + 2]!}`,
      );
    }
  }
}

function periodDifferences({ consumption }: MeterPeriods, i: number, { u32, f64 }: EntryViews, offset: number): Differences {
  const [u, f] = [offset >> 2, offset >> 3];
  const differs = new Differences();
  for (const [k, column] of (["value", "min", "max", "coverage"] as const).entries()) {
    differs.number(column, consumption[column][i]!, f64[f + 2 + k]!);
  }
  differs.number("readings", consumption.readings[i]!, u32[u + 12]!);
  differs.flags(consumption.flags[i]!, u32[u]! >>> 8);
  return differs;
}

/** What of one row is not as it should be, in words. */
class Differences {
  #words = "";

  /** NaN is NULL; zero has no sign. */
  number(column: string, stored: number, should: number): void {
    if (stored === should || (Number.isNaN(stored) && Number.isNaN(should))) return;
    this.#add(column, shown(stored), shown(should));
  }

  flags(stored: number, should: number): void {
    if (stored !== should) this.#add("flags", flagsText(stored), flagsText(should));
  }

  #add(column: string, stored: string, should: string): void {
    this.#words += `${this.#words === "" ? "" : ", "}${column} is ${stored} and should be ${should}`;
  }

  addTo(faults: string[], name: string): void {
    if (this.#words !== "") faults.push(`${name}: ${this.#words}`);
  }
}

function shown(number: number): string {
  return Number.isNaN(number) ? "NULL" : String(number);
}

function flagsText(flags: number): string {
  return Number.isNaN(flags) ? "NULL" : flagNames(flags).join("|") || "none";
}

function iso(ts: number): string {
  return new Date(ts).toISOString();
}
