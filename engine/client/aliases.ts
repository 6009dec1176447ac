import { MeterstormError } from "../base/errors.js";
import { limits } from "../base/limits.js";
import type { AliasedReading, MeterReading } from "./frames.js";

/** The length of an id in a bind frame is a u16. */
const MAX_BOUND_BYTES = 0xffff;

/** A datalogger's numbers for its meters, the same for all of its connections. */
export class Aliases {
  /** The meter behind each alias. */
  readonly meters: string[] = [];
  readonly #numbers = new Map<string, number>();

  /** A reading as a binary frame holds it. Throws MeterstormError `rev_invalid`, `meter_invalid` or `alias_limit` for what it has no room for. */
  aliased({ meter, ts, value, rev = 0 }: MeterReading): AliasedReading {
    if (rev !== rev >>> 0) {
      throw new MeterstormError(
        "rev_invalid",
        `a reading of meter ${JSON.stringify(meter)} has rev ${rev}; 0 to 4294967295 in whole numbers are allowed`,
      );
    }
    return { alias: this.#numbers.get(meter) ?? this.#add(meter), ts, value, rev };
  }

  #add(meter: string): number {
    const alias = this.meters.length;
    if (alias >= limits.aliasCount) {
      throw new MeterstormError(
        "alias_limit",
        `meter ${JSON.stringify(meter)} is the ${alias + 1}th of this datalogger; binary frames name up to ${limits.aliasCount}: send text, or use more dataloggers`,
      );
    }
    if (Buffer.byteLength(meter) > MAX_BOUND_BYTES) {
      throw new MeterstormError(
        "meter_invalid",
        `a meter's id of ${meter.length} characters was given; an id has 1 to ${limits.maxIdChars}`,
      );
    }
    this.meters.push(meter);
    this.#numbers.set(meter, alias);
    return alias;
  }
}
