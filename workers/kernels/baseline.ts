import type { CompiledSettings } from "./compiled-settings.js";
import { Case, type MeterRecord, RecordType } from "./record.js";

/** What the records before a reading leave for its judgement. */
export class Baseline {
  /** Time and units of the last accepted reading; NaN: none yet. Of an interval, its end. */
  ts = Number.NaN;
  units = Number.NaN;
  /** Some reading came before. */
  read = false;

  /** When the first undeclared epoch of late began; NaN: none that still matters. */
  epochTs = Number.NaN;
  /** The baseline that it left. */
  beforeTs = Number.NaN;
  beforeUnits = Number.NaN;
  /** How the register moved when it began. */
  jump = Number.NaN;
  /** Known amounts counted since that baseline. */
  counted = 0;

  /** A declared exchange waits for its next reading. */
  exchanged = false;
  /** What exchanges closed since the last accepted reading; NaN: nothing known. */
  closed = Number.NaN;
  /** Flags that go with it. */
  closedFlags = 0;

  clear(): void {
    this.ts = Number.NaN;
    this.units = Number.NaN;
    this.read = false;
    this.forgetEpoch();
    this.forgetExchange();
  }

  copy(other: Baseline): void {
    this.ts = other.ts;
    this.units = other.units;
    this.read = other.read;
    this.epochTs = other.epochTs;
    this.beforeTs = other.beforeTs;
    this.beforeUnits = other.beforeUnits;
    this.jump = other.jump;
    this.counted = other.counted;
    this.exchanged = other.exchanged;
    this.closed = other.closed;
    this.closedFlags = other.closedFlags;
  }

  /** Whether there is more to it than time and units. */
  get isPlain(): boolean {
    return !this.exchanged && Number.isNaN(this.epochTs);
  }

  /** Moves on by a record that was judged against this baseline. */
  advance(settings: CompiledSettings, record: MeterRecord): void {
    if (record.type === RecordType.EXCHANGE) {
      this.#exchange(record);
      return;
    }
    this.read = true;
    if (record.case !== Case.SPIKE) this.#reading(settings, record);
  }

  #exchange(record: MeterRecord): void {
    this.exchanged = true;
    if (!Number.isNaN(record.amount)) this.closed = (Number.isNaN(this.closed) ? 0 : this.closed) + record.amount;
    this.closedFlags |= record.flags;
    this.forgetEpoch();
    this.ts = record.ts;
    this.units = record.startUnits;
  }

  #reading(settings: CompiledSettings, record: MeterRecord): void {
    if (settings.isCounter && !settings.net) this.#keepEpoch(settings, record);
    if (record.case === Case.RETURN) {
      this.units = Math.max(record.units, this.beforeUnits);
      this.forgetEpoch();
    } else if (record.case !== Case.BACKWARD) {
      this.units = record.units;
    }
    this.ts = record.at;
    this.forgetExchange();
  }

  #keepEpoch(settings: CompiledSettings, record: MeterRecord): void {
    const amount = Number.isNaN(record.amount) ? 0 : record.amount;
    const isRecent = record.ts - this.epochTs <= settings.maxGapMs;
    if (isRecent) {
      this.counted += amount;
    } else if (record.case === Case.NEW_EPOCH) {
      this.epochTs = record.ts;
      this.beforeTs = this.ts;
      this.beforeUnits = this.units;
      this.jump = record.units - this.units;
      this.counted = amount;
    } else {
      this.forgetEpoch();
    }
  }

  forgetEpoch(): void {
    this.epochTs = Number.NaN;
    this.beforeTs = Number.NaN;
    this.beforeUnits = Number.NaN;
    this.jump = Number.NaN;
    this.counted = 0;
  }

  forgetExchange(): void {
    this.exchanged = false;
    this.closed = Number.NaN;
    this.closedFlags = 0;
  }
}
