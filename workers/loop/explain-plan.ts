import { Flag } from "../../engine/base/flags.js";
import { limits } from "../../engine/base/limits.js";
import type { MeterHistory } from "../../engine/store/interface.js";
import type { CompiledTimeline } from "../kernels/compiled-timeline.js";
import { RecordType } from "../kernels/record.js";
import type { MeterBook } from "../state/book.js";
import { type KnownRecord, knownExchange } from "../state/known-record.js";

const LEAST_REACH_MS = 15 * 60_000;
/** Each time that what was read is too little, so many times more is read. */
const GROWTH = 8;
const YEAR_MS = 366 * 24 * 3_600_000;

/** The stretch of time that a figure is about, start < t ≤ end. */
export interface Span {
  start: number;
  end: number;
}

/** What is read of a meter, and whether that reaches to its first record or to its last. */
export interface ExplainRange {
  from: number;
  to: number;
  isFirst: boolean;
  isLast: boolean;
}

/** How far around the span is read; grows until it is enough. */
export class ExplainReach {
  readonly #span: Span;
  readonly #begin: number;
  readonly #newest: number;
  #beforeMs: number;
  #afterMs: number;

  constructor(book: MeterBook, meter: number, span: Span) {
    const timeline = book.timeline(meter);
    const cadenceMs = book.cadenceMs(meter);
    const someMs = 4 * (Number.isNaN(cadenceMs) ? 0 : Math.min(cadenceMs, limits.maxSpreadMs));
    const intervals = timeline.steps.filter(({ isInterval }) => isInterval);
    const lengthMs = Math.max(0, ...intervals.map(({ intervalMs }) => (Number.isNaN(intervalMs) ? 25 * 3_600_000 : intervalMs)));
    const slackMs = Math.max(0, ...intervals.map(({ intervalSlackMs }) => intervalSlackMs));
    this.#span = { start: timeline.largestPeriodStart(span.start), end: span.end };
    this.#begin = book.firstTs(meter);
    this.#newest = book.newestTs(meter);
    this.#beforeMs = timeline.maxGapMs + lengthMs + Math.max(LEAST_REACH_MS, someMs);
    this.#afterMs = lengthMs + slackMs + Math.max(LEAST_REACH_MS, someMs);
  }

  get range(): ExplainRange {
    const from = this.#span.start - this.#beforeMs;
    const to = this.#span.end + this.#afterMs;
    const isFirst = !(from > this.#begin);
    const isLast = !(to < this.#newest);
    const first = isFirst ? this.#begin : from;
    return { from: first, to: isLast ? this.#newest + YEAR_MS : Math.max(to, first), isFirst, isLast };
  }

  furtherBack(): void {
    this.#beforeMs *= GROWTH;
  }

  furtherOn(): void {
    this.#afterMs *= GROWTH;
  }
}

/** What a store holds of a meter as records in order, one after the other. Exchanges mean nothing while a meter is no counter. */
export function* recordsIn({ readings, exchanges }: MeterHistory, timeline: CompiledTimeline): Generator<KnownRecord> {
  const declared = exchanges.ts.length;
  let next = 0;
  for (let i = 0; i < readings.ts.length; i++) {
    const ts = readings.ts[i]!;
    for (; next < declared && exchanges.ts[next]! < ts; next++) {
      if (timeline.at(exchanges.ts[next]!).isCounter) yield exchangeAt(exchanges, next);
    }
    const flags = readings.flags[i]!;
    const conflict = (flags & Flag.CONFLICT) !== 0;
    yield { ts, type: RecordType.READING, value: readings.value[i]!, start: Number.NaN, rev: readings.rev[i]!, conflict, flags };
  }
  for (; next < declared; next++) {
    if (timeline.at(exchanges.ts[next]!).isCounter) yield exchangeAt(exchanges, next);
  }
}

function exchangeAt({ ts, final, start, rev }: MeterHistory["exchanges"], i: number): KnownRecord {
  return knownExchange(ts[i]!, final[i]!, start[i]!, rev[i]!);
}
