import type { CompiledSettings } from "./compiled-settings.js";

/** What the records before a reading leave for its judgement. */
export class Baseline {
  /** By which the last record was judged; null: there was none. */
  settings: CompiledSettings | null = null;
  /** Time and units of the last accepted reading; NaN: none yet. Of intervals, the latest end. */
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

  /** Of intervals: since when time is covered without a break up to `ts`, and what came to an end shortly before that; NaN: nothing. */
  blockFrom = Number.NaN;
  gapFrom = Number.NaN;

  /** A declared exchange waits for its next reading. */
  exchanged = false;
  /** What exchanges closed since the last accepted reading; NaN: nothing known. */
  closed = Number.NaN;
  /** Flags that go with it. */
  closedFlags = 0;

  clear(): void {
    this.settings = null;
    this.ts = Number.NaN;
    this.units = Number.NaN;
    this.read = false;
    this.blockFrom = Number.NaN;
    this.gapFrom = Number.NaN;
    this.forgetEpoch();
    this.forgetExchange();
  }

  copy(other: Baseline): void {
    this.settings = other.settings;
    this.ts = other.ts;
    this.units = other.units;
    this.read = other.read;
    this.epochTs = other.epochTs;
    this.beforeTs = other.beforeTs;
    this.beforeUnits = other.beforeUnits;
    this.jump = other.jump;
    this.counted = other.counted;
    this.blockFrom = other.blockFrom;
    this.gapFrom = other.gapFrom;
    this.exchanged = other.exchanged;
    this.closed = other.closed;
    this.closedFlags = other.closedFlags;
  }

  /** Whether a record that is judged by these settings goes on from it: not where the register has become another one. */
  isFor(settings: CompiledSettings): boolean {
    return this.settings === settings || this.settings === null || this.settings.series === settings.series;
  }

  /** Whether there is more to it than time and units. */
  get isPlain(): boolean {
    return !this.exchanged && Number.isNaN(this.epochTs) && Number.isNaN(this.gapFrom);
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
