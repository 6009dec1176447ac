import type { CompiledSettings } from "./compiled-settings.js";

/** What a slot of the window holds. */
export const RecordType = { NONE: 0, READING: 1, EXCHANGE: 2 } as const;

/** Which case of the rules a reading fell under. */
export const Case = {
  FIRST: 0,
  PLAIN: 1,
  BACKWARD: 2,
  ROLLOVER: 3,
  /** Known or not: an epoch begins that nobody declared. */
  NEW_EPOCH: 4,
  /** The register is back in the epoch before. */
  RETURN: 5,
  SPIKE: 6,
} as const;

/**
 * A reading or a declared exchange, and what the rules make of it: its row's delta and flags, and the
 * segment that it ends. Used again and again; nothing here outlives one call.
 */
export class MeterRecord {
  type: number = RecordType.NONE;
  /** In force at its ts; set wherever `type` says that there is a record. */
  settings!: CompiledSettings;
  ts = Number.NaN;
  /** As sent; an exchange's `final`. */
  value = Number.NaN;
  /** The value in whole units. */
  units = Number.NaN;
  rev = 0;
  /** Two values were seen at this instant. */
  conflict = false;
  /** An exchange's new register, as sent and in whole units. */
  start = Number.NaN;
  startUnits = Number.NaN;

  /** Where it counts: its ts, or the end of its interval. */
  at = Number.NaN;
  /** From here to `at` neighbouring records are at most `maxSpreadMs` apart; NaN where the neighbour is further. */
  reachFrom = Number.NaN;

  case: number = Case.FIRST;
  /** In units, or area of power; NaN where unknown. */
  delta = Number.NaN;
  /** What an area has beyond one double. */
  deltaLow = 0;
  flags = 0;
  /** Beginning of the segment that ends at `at`; NaN: none. */
  from = Number.NaN;
  /** Units that the segment carries; of lines, fromUnits and units say it. */
  amount = Number.NaN;
  /** Of an interval: what it adds to coverage, from here to `at` and between the other two. */
  coverFrom = Number.NaN;
  headFrom = Number.NaN;
  headTo = Number.NaN;
  /** A line's level at its beginning, in units. */
  fromUnits = Number.NaN;

  clear(): void {
    this.type = RecordType.NONE;
    this.ts = Number.NaN;
    this.at = Number.NaN;
    this.reachFrom = Number.NaN;
    this.conflict = false;
    this.rev = 0;
    this.start = Number.NaN;
    this.startUnits = Number.NaN;
    this.deltaLow = 0;
    this.noSegment();
  }

  noSegment(): void {
    this.from = Number.NaN;
    this.amount = Number.NaN;
  }

  /** Whether it is a reading that left a baseline. */
  get accepted(): boolean {
    return this.type === RecordType.READING && this.case !== Case.SPIKE;
  }
}
