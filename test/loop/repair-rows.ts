import { ExchangeInfo, Kind, PERIODS, UnitType } from "../../engine/base/entries.js";
import { entryBytes, viewsOf } from "../../engine/base/entry-views.js";
import type { ConsumptionRow, ReadingRow } from "../../engine/store/interface.js";
import type { Input } from "../reference/history.js";
import type { ExchangeRow, MeterRows } from "../reference/meter-rows.js";

/** What one unit says of a shard's only meter. */
export interface UnitSaid {
  isRepair: boolean;
  /** Rows that it writes, as often as it writes them. */
  rows: MeterRows;
  /** Inputs that it leaves for a later repair. */
  late: number;
  /** Of the first `count` inputs that wait, those between two instants are worked in. */
  mended: { from: number; to: number; count: number } | null;
}

export function saidBy(unit: Uint8Array): UnitSaid {
  const views = viewsOf(unit);
  const readings: ReadingRow[] = [];
  const consumption: ConsumptionRow[] = [];
  const exchanges: ExchangeRow[] = [];
  const isRepair = views.u32[0]! >>> 8 === UnitType.REPAIR;
  const said: UnitSaid = { isRepair, rows: { readings, consumption, exchanges }, late: 0, mended: null };
  for (let at = 0; at < unit.length; at += entryBytes(views, at)) {
    const word = at >> 2;
    const info = views.u32[word]! >>> 8;
    const number = (index: number) => views.f64[(at >> 3) + index]!;
    const rev = views.u32[word + 8]!;
    switch (views.u32[word]! & 0xff) {
      case Kind.READING:
      case Kind.REWRITE:
        readings.push({ ts: number(1), value: number(2), rev, delta: orNull(number(3)), flags: info });
        break;
      case Kind.LATE:
        said.late++;
        break;
      case Kind.EXCHANGE:
        if ((info & ExchangeInfo.LATE) !== 0) said.late++;
        if ((info & ExchangeInfo.NO_ROW) === 0)
          exchanges.push({ ts: number(1), final: orNull(number(2)), start: orNull(number(3)), rev });
        break;
      case Kind.PERIOD:
        consumption.push({
          ...{ ts: number(1), period: PERIODS[views.u32[word + 13]!]!, coverage: number(5), flags: info },
          ...{ value: orNull(number(2)), min: orNull(number(3)), max: orNull(number(4)), readings: views.u32[word + 12]! },
        });
        break;
      case Kind.MENDED:
        said.mended = { from: number(1), to: number(2), count: number(3) };
        break;
    }
  }
  return said;
}

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

/** How many rows a unit writes. */
export function rowCount({ readings, consumption, exchanges }: MeterRows): number {
  return readings.length + consumption.length + exchanges.length;
}

/** Which of a meter's inputs its rows are made of so far, and which wait. */
export class TakenInputs {
  taken: Input[] = [];
  #waiting: Input[] = [];

  /** An input came, and the unit that it caused said so much. */
  came(input: Input, { late }: UnitSaid): void {
    (late > 0 ? this.#waiting : this.taken).push(input);
  }

  /** A repair's unit: what is taken from now on. */
  mended({ mended }: UnitSaid): void {
    const { from, to, count } = mended!;
    const isMended = ({ ts }: Input, i: number) => i < count && ts >= from && ts <= to;
    this.taken = [...this.taken, ...this.#waiting.filter(isMended)];
    this.#waiting = this.#waiting.filter((input, i) => !isMended(input, i));
  }
}
