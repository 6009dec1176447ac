import { EntryWriter, Kind, PERIODS } from "../../engine/base/entries.js";
import { type EntryViews, entryBytes, viewsOf } from "../../engine/base/entry-views.js";
import type { CompiledTimeline } from "../kernels/compiled-timeline.js";
import { RecordType } from "../kernels/record.js";
import type { KnownRecord } from "./known-record.js";
import { takeExchange } from "./meter-exchange.js";
import { imageOf } from "./meter-image.js";
import { RowWriter } from "./meter-rows.js";
import { takeReading } from "./meter-step.js";
import { MeterWindow } from "./meter-window.js";

/**
 * A meter's records in order of time through the very kernels that the live path uses, in a window of its own; its rows are kept, the last of
 * each identity standing. It begins with nothing, so what the first record and its periods say is only right where nothing was before.
 */
export class MeterRun {
  readonly window = new MeterWindow();
  readonly #rows = new RowWriter();
  readonly #out = new EntryWriter(1 << 14);
  /** Where the row of each reading begins in what was written, by ts; of each period by `periodKey`. */
  readonly readings = new Map<number, number>();
  readonly periods = new Map<number, number>();
  #read = 0;
  #views: EntryViews | null = null;

  constructor(timeline: CompiledTimeline) {
    this.window.timeline = timeline;
    this.window.judge();
  }

  /** Records come in order. An exchange where there was no counter means nothing. */
  feed(record: KnownRecord): void {
    const { ts, type, value, start, rev, conflict } = record;
    if (type === RecordType.EXCHANGE && !this.window.timeline.at(ts).isCounter) return;
    this.#rows.begin();
    if (type === RecordType.READING) takeReading(0, this.window, ts, value, rev, conflict, this.#rows, this.#out);
    else takeExchange(0, this.window, ts, value, start, rev, this.#rows, this.#out);
    this.#keep();
  }

  get image(): number[] {
    return imageOf(this.window);
  }

  /** All that was written, for the offsets of `readings` and `periods`; the same object until more is fed. */
  get views(): EntryViews {
    this.#views ??= viewsOf(this.#out.bytes());
    return this.#views;
  }

  #keep(): void {
    this.#views = null;
    const { views } = this;
    for (let at = this.#read; at < views.u8.length; at += entryBytes(views, at)) {
      const kind = views.u32[at >> 2]! & 0xff;
      if (kind === Kind.READING || kind === Kind.REWRITE) this.readings.set(views.f64[(at >> 3) + 1]!, at);
      else if (kind === Kind.PERIOD) this.periods.set(periodKey(views.u32[(at >> 2) + 13]!, views.f64[(at >> 3) + 1]!), at);
    }
    this.#read = views.u8.length;
  }
}

export function periodKey(period: number, start: number): number {
  return start * PERIODS.length + period;
}
