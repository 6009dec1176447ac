import { decimalParts } from "../../engine/base/decimal.js";
import type { MeterSettings } from "../../engine/base/settings.js";
import type { Observation } from "../kernels/alert.js";
import { type CompiledRule, On } from "../kernels/alert-rule.js";
import { grown } from "./alerts-slots.js";

/** What a meter's rules look at, as bits: 1 << On of each rule. */
export const PERIOD_KINDS = (1 << On.QUARTER) | (1 << On.HOUR) | (1 << On.DAY);
export const ENERGY_KINDS = PERIOD_KINDS | (1 << On.DELTA) | (1 << On.RATE);
/** What needs no energy. */
export const IMMEDIATE_KINDS = (1 << On.VALUE) | (1 << On.FLAG) | (1 << On.NODATA);

/** f64 per row: ts (NaN: none is held), delta, span, quarter, hour, day of the held reading; then power, digits, divisor of the value. */
const FIELDS = 9;
const HELD = 6;

/** One row for each meter that has rules: its run of slots, what its rules look at, and the reading whose energy waits for its look-ahead. */
export class AlertRows {
  start = new Uint32Array(64);
  count = new Uint32Array(64);
  kinds = new Uint8Array(64);
  /** The meter's number. */
  meter = new Uint32Array(64);
  /** Of the newest live reading: when it arrived, its ts, where its energy counts, and its flags before the look-ahead. NaN: there was none, or none since it has rules. */
  arrived = new Float64Array(64);
  newest = new Float64Array(64);
  counts = new Float64Array(64);
  flags = new Uint16Array(64);
  #numbers = new Float64Array(64 * FIELDS);
  readonly #free: number[] = [];
  #used = 0;

  /** Rows that there are, those given back included. */
  get used(): number {
    return this.#used;
  }

  get bytes(): number {
    const { start, count, kinds, meter, arrived, newest, counts, flags } = this;
    const columns = [start, count, kinds, meter, arrived, newest, counts, flags, this.#numbers];
    return columns.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  take(meter: number): number {
    const row = this.#free.pop() ?? this.#used++;
    let size = this.start.length;
    while (size <= row) size *= 2;
    if (size > this.start.length) {
      this.start = grown(this.start, new Uint32Array(size));
      this.count = grown(this.count, new Uint32Array(size));
      this.kinds = grown(this.kinds, new Uint8Array(size));
      this.meter = grown(this.meter, new Uint32Array(size));
      this.arrived = grown(this.arrived, new Float64Array(size));
      this.newest = grown(this.newest, new Float64Array(size));
      this.counts = grown(this.counts, new Float64Array(size));
      this.flags = grown(this.flags, new Uint16Array(size));
      this.#numbers = grown(this.#numbers, new Float64Array(size * FIELDS));
    }
    this.release(row);
    this.meter[row] = meter;
    this.arrived[row] = Number.NaN;
    this.newest[row] = Number.NaN;
    this.counts[row] = Number.NaN;
    this.flags[row] = 0;
    return row;
  }

  /** The newest live reading of the row's meter; where its energy counts: `countsMs`. */
  came(row: number, arrivedMs: number, ts: number, countsMs: number, flags: number): void {
    this.arrived[row] = arrivedMs;
    this.newest[row] = ts;
    this.counts[row] = countsMs;
    this.flags[row] = flags;
  }

  /** How far the meter's own time, or that of its energy, is behind the engine's clock; Infinity: it has none yet. */
  lagMs(row: number, isEnergy: boolean): number {
    const lagMs = this.arrived[row]! - (isEnergy ? this.counts[row]! : this.newest[row]!);
    return lagMs >= 0 ? lagMs : Number.isNaN(lagMs) ? Number.POSITIVE_INFINITY : 0;
  }

  setScale(row: number, settings: MeterSettings): void {
    const { digits, decimals } = decimalParts(settings.multiplier);
    const at = row * FIELDS + HELD;
    this.#numbers[at] = 10 ** settings.decimals;
    this.#numbers[at + 1] = digits;
    this.#numbers[at + 2] = 10 ** (settings.decimals + decimals);
  }

  giveBack(row: number): void {
    this.#free.push(row);
  }

  setRun(row: number, start: number, rules: readonly CompiledRule[]): void {
    this.start[row] = start;
    this.count[row] = rules.length;
    this.kinds[row] = rules.reduce((kinds, rule) => kinds | (1 << rule.on), 0);
  }

  /** The register's number in real units: whole units × digits, divided once. */
  scaled(row: number, value: number): number {
    const at = row * FIELDS + HELD;
    return (Math.round(value * this.#numbers[at]!) * this.#numbers[at + 1]!) / this.#numbers[at + 2]!;
  }

  hold(row: number, seen: Observation): void {
    const at = row * FIELDS;
    this.#numbers[at] = seen.ts;
    this.#numbers[at + 1] = seen.delta;
    this.#numbers[at + 2] = seen.spanMs;
    this.#numbers[at + 3] = seen.quarter;
    this.#numbers[at + 4] = seen.hour;
    this.#numbers[at + 5] = seen.day;
  }

  /** ts of the held reading, NaN for none. */
  heldTs(row: number): number {
    return this.#numbers[row * FIELDS]!;
  }

  held(row: number, into: Observation): void {
    const at = row * FIELDS;
    into.ts = this.#numbers[at]!;
    // Only counters wait for their look-ahead, and they count where they stand.
    into.at = into.ts;
    into.delta = this.#numbers[at + 1]!;
    into.spanMs = this.#numbers[at + 2]!;
    into.quarter = this.#numbers[at + 3]!;
    into.hour = this.#numbers[at + 4]!;
    into.day = this.#numbers[at + 5]!;
    into.flags = 0;
  }

  release(row: number): void {
    this.#numbers[row * FIELDS] = Number.NaN;
  }
}
