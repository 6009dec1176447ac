import type { CompiledTimeline } from "../kernels/compiled-timeline.js";
import type { InputListener } from "./book.js";
import { inOrder, type KnownRecord, knownExchange, knownReading, unsettleBeside, withNews } from "./known-record.js";
import { type KnownStretch, restartBefore } from "./meter-repair.js";

/** Records of one meter that are worth keeping. */
const MOST_OF_ONE = 1_024;
/** So many records back from the newest a late one finds its neighbours here. */
const NEAR = 64;
/** Records kept behind the period in which the first one lies, for the runs to become alike. */
const BEHIND = 8;

interface Tail extends KnownStretch {
  records: KnownRecord[];
}

/** Says of which meters the book is to tell. */
export interface Followed {
  follow(meter: number, on: boolean): void;
}

/**
 * Records in memory, of those meters whose inputs come out of order: what a repair has read or found stays known, as long as it is little, and
 * is kept up with what comes; so the next late input of the meter needs no store. Nothing here has to survive.
 */
export class KnownTails implements InputListener {
  readonly #book: Followed;
  readonly #most: number;
  /** In order of their last use. */
  readonly #tails = new Map<number, Tail>();
  /** Inputs of a meter since a repair of it began to wait for the store. */
  readonly #since = new Map<number, KnownRecord[]>();
  readonly #versions = new Map<number, number>();
  #changes = 0;
  /** Records kept. */
  size = 0;
  /** Inputs remembered since. */
  sinceSize = 0;

  /** `most`: records of all meters together. */
  constructor(book: Followed, most: number) {
    this.#book = book;
    this.#most = most;
  }

  reading(meter: number, ts: number, value: number, rev: number): void {
    this.#note(meter, knownReading(ts, value, rev));
  }

  exchange(meter: number, ts: number, final: number, start: number, rev: number): void {
    this.#note(meter, knownExchange(ts, final, start, rev));
  }

  #note(meter: number, record: KnownRecord): void {
    this.#versions.set(meter, ++this.#changes);
    const since = this.#since.get(meter);
    if (since !== undefined) {
      since.push(record);
      this.sinceSize++;
    }
    const tail = this.#tails.get(meter);
    if (tail === undefined || tail.to !== Number.POSITIVE_INFINITY) return;
    const { records } = tail;
    const last = records[records.length - 1];
    if (last === undefined || inOrder(last, record) < 0) {
      records.push(record);
      unsettleBeside(records, records.length - 1);
      this.size++;
    } else {
      const before = records.length;
      tail.records = withNews(records, [record]);
      this.size += tail.records.length - before;
    }
    if (tail.records.length > MOST_OF_ONE) this.#forget(meter);
  }

  /** Another one with every input of a followed meter; 0: nobody follows it. */
  version(meter: number): number {
    return this.#versions.get(meter) ?? 0;
  }

  /** What is known of a meter without asking anyone; null: nothing. */
  stretch(meter: number): KnownStretch | null {
    return this.#tails.get(meter) ?? null;
  }

  /** From now on every input of the meter is remembered, until `endSince`. */
  beginSince(meter: number): void {
    this.#forget(meter);
    this.#since.set(meter, []);
    this.#follow(meter);
  }

  /** Inputs since `beginSince`, in order of time. */
  since(meter: number): KnownRecord[] {
    return [...(this.#since.get(meter) ?? [])].sort(inOrder);
  }

  endSince(meter: number): void {
    this.sinceSize -= this.#since.get(meter)?.length ?? 0;
    this.#since.delete(meter);
    this.#follow(meter);
  }

  /** Keeps of a meter's known records what lies around its last late input, where that is little. */
  keep(meter: number, timeline: CompiledTimeline, known: KnownStretch, lastLateTs: number): void {
    this.#forget(meter);
    const { records } = known;
    const middle = records[records.length >> 1]!;
    const fits = records.length <= MOST_OF_ONE / 2;
    const isFront = known.from === Number.NEGATIVE_INFINITY && (known.to < Number.POSITIVE_INFINITY || lastLateTs < middle.ts);
    const kept = fits ? { ...known, records: [...records] } : isFront ? frontOf(timeline, known) : backOf(timeline, known);
    if (kept === null || kept.records.length > MOST_OF_ONE) return;
    this.#tails.set(meter, kept);
    this.size += kept.records.length;
    this.#follow(meter);
    for (const oldest of this.#tails.keys()) {
      if (this.size <= this.#most) break;
      this.#forget(oldest);
    }
  }

  #forget(meter: number): void {
    const tail = this.#tails.get(meter);
    if (tail === undefined) return;
    this.#tails.delete(meter);
    this.size -= tail.records.length;
    this.#follow(meter);
  }

  #follow(meter: number): void {
    const on = this.#since.has(meter) || this.#tails.get(meter)?.to === Number.POSITIVE_INFINITY;
    this.#book.follow(meter, on);
    if (!on) this.#versions.delete(meter);
    else if (!this.#versions.has(meter)) this.#versions.set(meter, ++this.#changes);
  }
}

/** The beginning of a history: for what comes newest first. */
function frontOf(timeline: CompiledTimeline, { records, from, sound }: KnownStretch): Tail | null {
  const end = timeline.largestPeriodEnd(records[0]!.ts) + timeline.maxGapMs;
  let count = 0;
  while (count < records.length && records[count]!.ts <= end) count++;
  if (count + BEHIND > records.length) return null;
  const kept = records.slice(0, count + BEHIND);
  // There may be another record at the instant of the last one.
  return { records: kept, from, to: kept[kept.length - 1]!.ts - 1, sound };
}

/** The newest records, from a place where judging may begin. */
function backOf(timeline: CompiledTimeline, known: KnownStretch): Tail | null {
  if (known.to !== Number.POSITIVE_INFINITY) return null;
  const start = restartBefore(timeline, known, known.records.length - NEAR);
  if (start < 0) return null;
  const records = known.records.slice(start);
  return start === 0 ? { ...known, records } : { records, from: records[0]!.ts, to: known.to, sound: true };
}
