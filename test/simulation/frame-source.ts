import {
  type AliasedReading,
  encodeBinaryFrame,
  encodeTextFrame,
  type MeterExchange,
  type MeterReading,
} from "../../engine/client/frames.js";
import type { Random } from "../support/random.js";

/** A frame as its datalogger keeps it until it is acked. Its bytes never change. */
export interface MadeFrame {
  readonly seq: number;
  readonly bytes: Uint8Array;
  readonly binary: boolean;
  /** Readings of it that must be taken. */
  readonly readings: readonly MeterReading[];
  /** Exchanges of it. */
  readonly exchanges: readonly MeterExchange[];
}

interface Series {
  readonly meter: string;
  ts: number;
  value: number;
}

const MINUTE_MS = 60_000;
/** Not bound by anybody: a reading under it is rejected. */
const UNBOUND_ALIAS = 99;

/** What a datalogger reads off its meters: mostly the next quarter of an hour, with all that goes wrong in the field. */
export class FrameSource {
  readonly #random: Random;
  readonly #series: Series[];
  /** Probability that a reading is something else than the next one in order. */
  readonly #oddRate: number;
  #seq = 0;

  constructor(random: Random, meters: readonly string[], firstTs: number, oddRate: number) {
    this.#random = random;
    this.#series = meters.map((meter) => ({ meter, ts: firstTs, value: 1000 + random.int(1000) }));
    this.#oddRate = oddRate;
  }

  /** The next frame; now and then a seq is left out. */
  make(): MadeFrame {
    const random = this.#random;
    this.#seq += random.chance(0.1) ? 1 + random.int(5) : 1;
    const dice = random.int(100);
    if (dice < 3) return this.#malformed();
    const count = dice < 10 ? 0 : 1 + random.int(4);
    return random.chance(0.5) ? this.#binary(count) : this.#text(count);
  }

  #malformed(): MadeFrame {
    const bytes = new TextEncoder().encode(`{"seq":${this.#seq},"readings":[{"meter":`);
    return { seq: this.#seq, bytes, binary: false, readings: [], exchanges: [] };
  }

  #binary(count: number): MadeFrame {
    const readings: MeterReading[] = [];
    const sent: AliasedReading[] = [];
    for (let i = 0; i < count; i++) {
      if (this.#random.chance(0.03)) {
        sent.push({ alias: UNBOUND_ALIAS, ts: 1, value: 1 });
        continue;
      }
      const alias = this.#random.int(this.#series.length);
      const reading = this.#next(alias);
      readings.push(reading);
      sent.push({ ...reading, alias });
    }
    return { seq: this.#seq, bytes: encodeBinaryFrame(this.#seq, sent), binary: true, readings, exchanges: [] };
  }

  #text(count: number): MadeFrame {
    const readings: MeterReading[] = [];
    const exchanges: MeterExchange[] = [];
    const sent: (MeterReading | MeterExchange)[] = [];
    for (let i = 0; i < count; i++) {
      const at = this.#random.int(this.#series.length);
      if (this.#random.chance(0.03)) sent.push(this.#faulty(at));
      else if (this.#random.chance(this.#oddRate / 8) && isCounter(this.#series[at]!.meter)) {
        const exchange = this.#exchange(this.#series[at]!);
        exchanges.push(exchange);
        sent.push(exchange);
      } else {
        const reading = this.#next(at);
        readings.push(reading);
        sent.push(reading);
      }
    }
    return { seq: this.#seq, bytes: encodeTextFrame(this.#seq, sent), binary: false, readings, exchanges };
  }

  /** A reading that no time of arrival makes good. */
  #faulty(at: number): MeterReading {
    const { meter, ts } = this.#series[at]!;
    return this.#random.pick([
      { meter, ts: Date.UTC(2090, 0, 1), value: 1 },
      { meter, ts: Date.UTC(1990, 0, 1), value: 1 },
      { meter, ts, value: 1e300 },
      { meter: "", ts, value: 1 },
    ]);
  }

  #next(at: number): MeterReading {
    const random = this.#random;
    const series = this.#series[at]!;
    if (random.chance(this.#oddRate)) return this.#odd(series);
    series.ts += 15 * MINUTE_MS;
    series.value = round(series.value + random.int(4000) / 1000);
    return { meter: series.meter, ts: series.ts, value: series.value };
  }

  /** Declared now or later than it happened; some are withdrawn, some come twice. */
  #exchange(series: Series): MeterExchange {
    const random = this.#random;
    const ts = series.ts - random.int(200) * MINUTE_MS;
    if (random.chance(0.3)) return { meter: series.meter, ts, exchange: null, rev: random.int(2) };
    const start = random.int(100);
    if (random.chance(0.5)) series.value = start;
    return { meter: series.meter, ts, exchange: { final: round(series.value + random.int(3)), start }, rev: random.int(2) };
  }

  #odd(series: Series): MeterReading {
    const random = this.#random;
    const { meter } = series;
    const dice = random.int(7);
    if (dice === 6) {
      // Far behind: days, or before everything that was ever sent.
      const ts = series.ts - (random.chance(0.2) ? 90 * 24 * 60 : random.int(5000)) * MINUTE_MS;
      return { meter, ts, value: round(series.value - random.int(30)) };
    }
    if (dice === 0) return { meter, ts: series.ts, value: series.value };
    if (dice === 1) return { meter, ts: series.ts, value: round(series.value + 0.25), rev: random.int(3) };
    if (dice === 2) return { meter, ts: series.ts - random.int(40) * MINUTE_MS, value: round(series.value - random.int(3)) };
    series.ts += random.pick([MINUTE_MS, 3 * 60 * MINUTE_MS, 30 * 60 * MINUTE_MS]);
    // A dip, a peak or a new register: what it is, the next reading tells.
    const value = random.pick([0, series.value + 5000, series.value]);
    if (dice === 5) series.value = value;
    return { meter, ts: series.ts, value };
  }
}

/** Kinds are the names' beginnings. */
function isCounter(meter: string): boolean {
  return ["plain", "bounded", "rolling", "net"].some((kind) => meter.startsWith(kind));
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
