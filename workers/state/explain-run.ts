import { EntryWriter } from "../../engine/base/entries.js";
import { Baseline } from "../kernels/baseline.js";
import type { CompiledTimeline } from "../kernels/compiled-timeline.js";
import { MeterRecord, RecordType } from "../kernels/record.js";
import type { KnownRecord } from "./known-record.js";
import { takeExchange } from "./meter-exchange.js";
import { RowWriter } from "./meter-rows.js";
import { takeReading } from "./meter-step.js";
import { MeterWindow } from "./meter-window.js";

/** A record as it was judged, and the baseline that it was judged against. */
export interface Judged {
  readonly record: MeterRecord;
  readonly base: Baseline;
}

/**
 * A meter's records in order of time through the kernels that the live path uses; what becomes of each is kept. A record is final once its
 * successor has been fed. It begins with nothing, so what the first record says is only right where nothing was before.
 */
export class JudgedRun {
  readonly #window = new MeterWindow();
  readonly #rows = new RowWriter();
  readonly #out = new EntryWriter(1 << 12);
  /** By time, and of one instant the reading first. */
  readonly #judged = new Map<number, Judged>();
  readonly #keepFrom: number;
  #lastAt = Number.NaN;

  /** Records that count up to `keepFrom` are let go of. */
  constructor(timeline: CompiledTimeline, keepFrom: number) {
    this.#window.timeline = timeline;
    this.#window.judge();
    this.#keepFrom = keepFrom;
  }

  /** Records come in order, each instant and type once. */
  feed({ ts, type, value, start, rev, conflict }: KnownRecord): void {
    const window = this.#window;
    this.#rows.begin();
    this.#out.reset();
    if (type === RecordType.READING) takeReading(0, window, ts, value, rev, conflict, this.#rows, this.#out);
    else takeExchange(0, window, ts, value, start, rev, this.#rows, this.#out);
    if (type === RecordType.EXCHANGE && Number.isNaN(value)) this.#withdrawn(ts);
    else {
      this.#keep(window.older, window.base);
      this.#keep(window.newer, window.middle);
      this.#lastAt = window.newer.at;
    }
  }

  #keep(record: MeterRecord, base: Baseline): void {
    if (record.type === RecordType.NONE || record.at <= this.#keepFrom) return;
    const kept = Object.assign(new MeterRecord(), record);
    const left = new Baseline();
    if (base.isFor(record.settings)) left.copy(base);
    this.#judged.set(keyOf(record.ts, record.type), { record: kept, base: left });
  }

  /** A withdrawn exchange counts nothing, but is a neighbour to others: periods between them have rows. */
  #withdrawn(ts: number): void {
    const mark = new MeterRecord();
    mark.type = RecordType.EXCHANGE;
    mark.settings = this.#window.timeline.at(ts);
    mark.ts = ts;
    mark.at = ts;
    mark.reachFrom = this.#window.defaultReach(ts, this.#lastAt);
    this.#lastAt = ts;
    if (ts > this.#keepFrom) this.#judged.set(keyOf(ts, RecordType.EXCHANGE), { record: mark, base: new Baseline() });
  }

  /** Whether a record whose verdict can change no more lies at or behind `end` and lets no segment reach from before over it. */
  isPast(end: number): boolean {
    const { older, newer } = this.#window;
    if (older.type === RecordType.NONE || newer.type === RecordType.NONE) return false;
    const { isInterval, intervalSlackMs } = older.settings;
    if (isInterval) return older.from - intervalSlackMs >= end;
    return older.at >= end && (older.accepted || older.type === RecordType.EXCHANGE);
  }

  /** Whether nothing came after this record. */
  isNewest({ ts, type }: MeterRecord): boolean {
    const { newer } = this.#window;
    return newer.ts === ts && newer.type === type;
  }

  /** All that was kept, in order. */
  get judged(): Judged[] {
    return [...this.#judged.values()];
  }

  get kept(): number {
    return this.#judged.size;
  }
}

function keyOf(ts: number, type: number): number {
  return ts * 4 + type;
}
