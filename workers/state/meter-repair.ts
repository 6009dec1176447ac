import { type EntryWriter, ExchangeInfo, Kind } from "../../engine/base/entries.js";
import { entryBytes } from "../../engine/base/entry-views.js";
import { Flag } from "../../engine/base/flags.js";
import type { CompiledTimeline } from "../kernels/compiled-timeline.js";
import type { PeriodSum } from "../kernels/period-sum.js";
import { RecordType } from "../kernels/record.js";
import { inOrder, type KnownRecord, mergedRecords, placeOf, UNSETTLED } from "./known-record.js";
import { isSameImage } from "./meter-image.js";
import { MeterRun } from "./meter-run.js";

/** What is known of a meter without a gap: every record with from ≤ ts ≤ to; −Infinity: nothing was before, Infinity: nothing came after. */
export interface KnownStretch {
  records: readonly KnownRecord[];
  from: number;
  to: number;
  /** Judging may begin at the very first record: no epoch, exchange or high-water mark of before matters any more. */
  sound: boolean;
}

export const Repair = {
  /** There is more to do. */
  GOES_ON: 0,
  DONE: 1,
  /** Older records are needed, or younger ones. */
  NEEDS_BEFORE: 2,
  NEEDS_AFTER: 3,
} as const;

/** From the beginning of a history one may begin to judge without looking for a better place. */
export const FEW_RECORDS = 500;
/** A row after which it is not known from the row alone what baseline was left. */
const UNCLEAN = Flag.BACKWARD | Flag.SPIKE | Flag.RESET | Flag.EXCHANGE | Flag.QUESTIONABLE;
/** Rows that may have opened an epoch. */
const EPOCH = Flag.RESET | Flag.EXCHANGE;

/**
 * Works late inputs into what is known of a meter: one run without them, one with them, both from a place early enough to
 * judge from, until both stand in the same state. What differs between their rows is all that has to be written again.
 *
 *     ├─ restart ─ … ─ before ─ late ─ after ─ … ─ same state ─────────── newest
 *     └───────── rows alike ──┘└──── rows may differ ────────┘└ rows alike ┘
 */
export class MeterRepair {
  readonly #few: number;
  readonly #timeline: CompiledTimeline;
  readonly #known: KnownStretch;
  readonly #lates: readonly KnownRecord[];
  /** All records, the late ones among them. */
  readonly #merged: KnownRecord[];
  #without!: MeterRun;
  #with!: MeterRun;
  #start = 0;
  #nextWithout = 0;
  #nextWith = 0;
  #state: number = Repair.GOES_ON;
  #atEnd = false;

  /** `lates` are in order, within the known stretch, and at least one. */
  constructor(timeline: CompiledTimeline, known: KnownStretch, lates: readonly KnownRecord[], few = FEW_RECORDS) {
    this.#few = few;
    this.#timeline = timeline;
    this.#known = known;
    this.#lates = lates;
    this.#merged = mergedRecords(known.records, lates);
    this.#begin(this.#lookedFrom(placeOf(known.records, lates[0]!) - 1));
  }

  /** The record whose look-ahead the first late input may be: a withdrawn exchange between them is looked through. */
  #lookedFrom(before: number): number {
    const { records } = this.#known;
    let at = before;
    while (at > 0 && records[at]!.type === RecordType.EXCHANGE && Number.isNaN(records[at]!.value)) at--;
    return at;
  }

  /** Both runs begin early enough for the record at `before`. */
  #begin(before: number): void {
    this.#start = restartBefore(this.#timeline, this.#known, before, this.#few);
    this.#nextWithout = this.#start;
    this.#nextWith = this.#start;
    this.#without = new MeterRun(this.#timeline);
    this.#with = new MeterRun(this.#timeline);
    this.#state = this.#start < 0 ? Repair.NEEDS_BEFORE : Repair.GOES_ON;
  }

  /** Judges about `most` records. The answer is of `Repair`; where it needs more, a new repair with more is to be made. */
  advance(most: number): number {
    const last = this.#lates[this.#lates.length - 1]!;
    const { records } = this.#known;
    for (let fed = 0; fed < most && this.#state === Repair.GOES_ON; fed++) {
      const before = records[this.#nextWithout];
      const after = this.#merged[this.#nextWith];
      if (before !== undefined && inOrder(before, last) <= 0) {
        this.#without.feed(before);
        this.#nextWithout++;
      } else if (after !== undefined && inOrder(after, last) <= 0) {
        this.#with.feed(after);
        this.#nextWith++;
      } else this.#bothOn(before, after);
    }
    return this.#state;
  }

  /** Behind the last late input both runs are fed the same, until they are alike. */
  #bothOn(before: KnownRecord | undefined, after: KnownRecord | undefined): void {
    if (isSameImage(this.#without.image, this.#with.image)) this.#over();
    else if (before !== undefined && after !== undefined) {
      this.#without.feed(before);
      this.#with.feed(after);
      this.#nextWithout++;
      this.#nextWith++;
    } else if (this.#known.to < Number.POSITIVE_INFINITY) this.#state = Repair.NEEDS_AFTER;
    else {
      this.#atEnd = true;
      this.#over();
    }
  }

  #over(): void {
    if (!this.#changesTooEarly()) this.#state = Repair.DONE;
    else {
      this.#atEnd = false;
      // Further back in what is known, or else in what is not.
      this.#begin(this.#start === 0 ? -1 : this.#start);
    }
  }

  /** Whether everything before the first record fed is known not to be there. */
  get #fromBeginning(): boolean {
    return this.#start === 0 && this.#known.from === Number.NEGATIVE_INFINITY;
  }

  /** A period in which the runs began cannot be worked out by them. */
  #changesTooEarly(): boolean {
    if (this.#fromBeginning) return false;
    const { ts } = this.#known.records[this.#start]!;
    const at = this.#timeline.at(ts).countsAt(ts);
    const { views, periods } = this.#with;
    for (const [key, offset] of periods) {
      if (views.f64[(offset >> 3) + 1]! < at && !this.#isAlike(this.#without.periods.get(key), offset)) return true;
    }
    if (this.image === null) return false;
    // The live path adds to these sums, so nothing of before may be missing in them.
    const { sums, spilled } = this.#with.window;
    const isOpen = ({ period, start, end }: PeriodSum) => !Number.isNaN(end) && this.#timeline.at(start).keeps(period);
    return [...sums, ...spilled].some((sum) => isOpen(sum) && sum.start < at);
  }

  #isAlike(without: number | undefined, offset: number): boolean {
    if (without === undefined) return false;
    const was = this.#without.views;
    const is = this.#with.views;
    const size = entryBytes(is, offset);
    // The kind says only how a row came about.
    if (was.u32[without >> 2]! >>> 8 !== is.u32[offset >> 2]! >>> 8) return false;
    return Buffer.compare(was.u8.subarray(without + 4, without + size), is.u8.subarray(offset + 4, offset + size)) === 0;
  }

  /** Writes every row that is another one now, as rows of `meter`. Returns how many. */
  writeRows(meter: number, out: EntryWriter): number {
    const { views, readings, periods } = this.#with;
    const { u32, f64 } = views;
    let rows = 0;
    for (const [ts, at] of readings) {
      if (this.#isAlike(this.#without.readings.get(ts), at)) continue;
      const [u, f] = [at >> 2, at >> 3];
      out.reading(Kind.REWRITE, meter, ts, f64[f + 2]!, f64[f + 3]!, u32[u + 8]!, u32[u]! >>> 8);
      rows++;
    }
    for (const [key, at] of periods) {
      if (this.#isAlike(this.#without.periods.get(key), at)) continue;
      const [u, f] = [at >> 2, at >> 3];
      const [period, readingCount, flags] = [u32[u + 13]!, u32[u + 12]!, u32[u]! >>> 8];
      out.period(meter, period, f64[f + 1]!, f64[f + 2]!, f64[f + 3]!, f64[f + 4]!, f64[f + 5]!, readingCount, flags);
      rows++;
    }
    return rows + this.#writeExchanges(meter, out);
  }

  #writeExchanges(meter: number, out: EntryWriter): number {
    let rows = 0;
    let written: KnownRecord | null = null;
    for (const late of this.#lates) {
      if (late.type !== RecordType.EXCHANGE) continue;
      const stands = this.#merged[placeOf(this.#merged, late)]!;
      if (stands === written || stands === this.#known.records[placeOf(this.#known.records, late)]) continue;
      const info = Number.isNaN(stands.value) ? ExchangeInfo.WITHDRAWN : 0;
      out.exchange(meter, stands.ts, stands.value, stands.start, stands.rev, info);
      written = stands;
      rows++;
    }
    return rows;
  }

  /** What the live path goes on from; null where it has nothing to do with it. */
  get image(): readonly number[] | null {
    if (!this.#atEnd) return null;
    const image = this.#with.image;
    return isSameImage(this.#without.image, image) ? null : image;
  }

  /** All that is known now, with the flags that rows have now, as far as nothing may change them any more. */
  get records(): KnownRecord[] {
    const { views, readings, window } = this.#with;
    const { u32 } = views;
    const open = this.#atEnd ? Math.min(window.older.ts, window.newer.ts) : Number.POSITIVE_INFINITY;
    const first = this.#fromBeginning ? -1 : this.#start;
    return this.#merged.map((record, i) => {
      if (record.type !== RecordType.READING || i <= first || i >= this.#nextWith) return record;
      const at = readings.get(record.ts);
      const flags = at === undefined || record.ts >= open ? UNSETTLED : u32[at >> 2]! >>> 8;
      return flags === record.flags ? record : { ...record, flags };
    });
  }
}

/**
 * Index of the last record from which judging may begin so that everything from the record at `before` on comes out right, periods included;
 * −1 where it lies further back than what is known.
 */
export function restartBefore(timeline: CompiledTimeline, known: KnownStretch, before: number, few = FEW_RECORDS): number {
  const { records, from } = known;
  if (from === Number.NEGATIVE_INFINITY && before < few) return 0;
  if (before < 1) return -1;
  const until = timeline.largestPeriodStart(endOf(timeline, records[before]!) - 1);
  let found = from === Number.NEGATIVE_INFINITY || (known.sound && endOf(timeline, records[0]!) <= until) ? 0 : -1;
  let epochTs = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < before; i++) {
    const { ts, type, flags } = records[i]!;
    const { isCounter } = timeline.at(ts);
    if (isCounter && type === RecordType.READING && (flags === UNSETTLED || (flags & EPOCH) !== 0)) epochTs = ts;
    if (type !== RecordType.READING || endOf(timeline, records[i]!) > until) continue;
    if (!isCounter) found = i;
    else if (flags !== UNSETTLED && (flags & UNCLEAN) === 0 && ts - epochTs > timeline.maxGapMs) {
      if (known.sound || from === Number.NEGATIVE_INFINITY || ts - from > timeline.maxGapMs) found = i;
    }
  }
  return found;
}

function endOf(timeline: CompiledTimeline, { ts, type }: KnownRecord): number {
  return type === RecordType.READING ? timeline.at(ts).countsAt(ts) : ts;
}
