import { EntryWriter, Kind, PERIODS } from "../../engine/base/entries.js";
import { entryBytes, viewsOf } from "../../engine/base/entry-views.js";
import type { ConsumptionRow, ReadingRow } from "../../engine/store/interface.js";
import type { MeterBook } from "../../workers/state/book.js";
import type { Input } from "../reference/history.js";

/** Both tables of one meter as a store would hold them: by identity, the last row written wins. */
export class Tables {
  readonly #readings = new Map<number, ReadingRow>();
  readonly #consumption = new Map<string, ConsumptionRow>();

  /** Takes entries of one meter's number over; others are passed by. */
  take(entries: Uint8Array, meter: number): void {
    const views = viewsOf(entries);
    for (let at = 0; at < entries.length; at += entryBytes(views, at)) {
      const word = at >> 2;
      const double = at >> 3;
      if (views.u32[word + 1] !== meter) continue;
      const kind = views.u32[word]! & 0xff;
      const flags = views.u32[word]! >>> 8;
      const number = (index: number) => views.f64[double + index]!;
      const ts = number(1);
      if (kind === Kind.READING || kind === Kind.REWRITE) {
        this.#readings.set(ts, { ts, value: number(2), rev: views.u32[word + 8]!, delta: orNull(number(3)), flags });
      } else if (kind === Kind.PERIOD) {
        const period = PERIODS[views.u32[word + 13]!]!;
        this.#consumption.set(`${period} ${ts}`, {
          ts,
          period,
          value: orNull(number(2)),
          min: orNull(number(3)),
          max: orNull(number(4)),
          coverage: number(5),
          readings: views.u32[word + 12]!,
          flags,
        });
      }
    }
  }

  rows(): { readings: ReadingRow[]; consumption: ConsumptionRow[] } {
    const order = (row: ConsumptionRow) => PERIODS.indexOf(row.period);
    return {
      readings: [...this.#readings.values()].sort((a, b) => a.ts - b.ts),
      consumption: [...this.#consumption.values()].sort((a, b) => order(a) - order(b) || a.ts - b.ts),
    };
  }
}

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

/** Arrivals in order of time: at one ts readings come before exchanges, otherwise as they were. */
export function inTimeOrder(inputs: readonly Input[]): Input[] {
  return [...inputs].sort((a, b) => a.ts - b.ts || Number("exchange" in a) - Number("exchange" in b));
}

/** Hands one input to a book. */
export function give(book: MeterBook, meter: number, input: Input, out: EntryWriter): number {
  const rev = input.rev ?? 0;
  if (!("exchange" in input)) return book.apply(meter, input.ts, input.value, rev, out);
  const { final, start } = input.exchange ?? { final: Number.NaN, start: Number.NaN };
  return book.applyExchange(meter, input.ts, final, start, rev, input.exchange === null, out);
}

/** What a book makes of a meter's inputs, one unit after the other. */
export function tablesOf(book: MeterBook, meter: number, inputs: readonly Input[]): Tables {
  const tables = new Tables();
  const out = new EntryWriter(1 << 12);
  for (const input of inputs) {
    out.reset();
    give(book, meter, input, out);
    tables.take(out.bytes(), meter);
  }
  return tables;
}
