import { PERIODS } from "../engine/base/entries.js";
import { Flag } from "../engine/base/flags.js";
import { type Series, UNITS } from "../engine/load/series.js";
import type { Names } from "../engine/store/interface.js";
import { tenantOf } from "./fleet.js";

const HOUR_MS = 3_600_000;
const LENGTHS_MS = [HOUR_MS, 24 * HOUR_MS] as const;
const PERIOD_OF = [PERIODS.indexOf("hour"), PERIODS.indexOf("day")] as const;

export interface RowTarget {
  reading(meter: number, ts: number, value: number, delta: number, flags: number): void;
  period(meter: number, period: number, start: number, value: number, coverage: number, readings: number, flags: number): void;
}

/** One period that is running for a meter. */
class Running {
  readonly start: Float64Array;
  /** The register, in units, where the period (or the meter's history within it) began. */
  readonly from: Float64Array;
  readonly readings: Uint32Array;
  /** Time of the history's begin where it lies within the period, else NaN. */
  readonly begun: Float64Array;

  constructor(meters: number) {
    this.start = new Float64Array(meters);
    this.from = new Float64Array(meters);
    this.readings = new Uint32Array(meters);
    this.begun = new Float64Array(meters).fill(Number.NaN);
  }
}

/**
 * The rows that the first `readings` of a fleet make by the rules for counters, in the order in which
 * a load test sends the readings; worked out here by themselves, in UTC and for readings at most an
 * hour apart. Meters are numbered over all dataloggers. Returns how many rows of periods there are.
 */
export function makeRows(series: Series, readings: number, target: RowTarget): number {
  const { dataloggers, metersPerDatalogger, intervalMs } = series.options;
  const meters = dataloggers * metersPerDatalogger;
  const running = LENGTHS_MS.map(() => new Running(meters));
  const last = new Float64Array(meters);
  let periods = 0;

  const close = (which: number, meter: number, ts: number, units: number) => {
    const length = LENGTHS_MS[which]!;
    const { start, from, readings: count, begun } = running[which]!;
    const end = start[meter]! + length;
    if (ts < end) {
      count[meter]!++;
      return;
    }
    if (ts === end) count[meter]!++;
    const delta = units - last[meter]!;
    const atEnd = last[meter]! + Math.floor((delta * (end - (ts - intervalMs))) / intervalMs + 0.5);
    const first = !Number.isNaN(begun[meter]!);
    const coverage = first ? (end - begun[meter]!) / length : 1;
    const flags = first ? Flag.FIRST | Flag.PARTIAL : 0;
    target.period(meter, PERIOD_OF[which]!, start[meter]!, (atEnd - from[meter]!) / UNITS, coverage, count[meter]!, flags);
    periods++;
    start[meter] = end;
    from[meter] = atEnd;
    begun[meter] = Number.NaN;
    count[meter] = ts === end ? 0 : 1;
  };

  const begin = (which: number, meter: number, ts: number, units: number) => {
    const { start, from, readings: count, begun } = running[which]!;
    start[meter] = Math.floor(ts / LENGTHS_MS[which]!) * LENGTHS_MS[which]!;
    from[meter] = units;
    count[meter] = 1;
    // A history that begins with the period covers all of it, and its first reading belongs to the one before.
    if (ts > start[meter]!) begun[meter] = ts;
  };

  const share = (datalogger: number) => Math.floor(readings / dataloggers) + (datalogger < readings % dataloggers ? 1 : 0);
  const rounds = Math.ceil(share(0) / metersPerDatalogger);
  for (let round = 0; round < rounds; round++) {
    for (let datalogger = 0; datalogger < dataloggers; datalogger++) {
      const left = Math.min(metersPerDatalogger, share(datalogger) - round * metersPerDatalogger);
      for (let m = 0; m < left; m++) {
        const meter = datalogger * metersPerDatalogger + m;
        const ts = series.tsMs(datalogger, m, round);
        const units = series.valueUnits(datalogger, m, round);
        target.reading(
          meter,
          ts,
          units / UNITS,
          round === 0 ? Number.NaN : (units - last[meter]!) / UNITS,
          round === 0 ? Flag.FIRST : 0,
        );
        for (let which = 0; which < LENGTHS_MS.length; which++) (round === 0 ? begin : close)(which, meter, ts, units);
        last[meter] = units;
      }
    }
  }
  return periods;
}

/** What a store must hold in the end. */
export interface Totals {
  readonly readings: number;
  readonly periods: number;
  /** Sum of all known deltas, in units. */
  readonly deltaUnits: number;
  /** Sum of the values of all rows of hours, in units. */
  readonly hourUnits: number;
}

export function totalsOf(series: Series, readings: number): Totals {
  let count = 0;
  let deltaUnits = 0;
  let hourUnits = 0;
  const periods = makeRows(series, readings, {
    reading(_meter, _ts, _value, delta) {
      count++;
      if (!Number.isNaN(delta)) deltaUnits += Math.round(delta * UNITS);
    },
    period(_meter, period, _start, value) {
      if (PERIODS[period] === "hour") hourUnits += Math.round(value * UNITS);
    },
  });
  return { readings: count, periods, deltaUnits, hourUnits };
}

/** The names behind the numbers of meters. */
export function namesOf(series: Series): Names {
  const { metersPerDatalogger } = series.options;
  const datalogger = (meter: number) => Math.floor(meter / metersPerDatalogger);
  return {
    tenantOfMeter: (meter) => tenantOf(datalogger(meter)),
    meter: (meter) => series.meterId(datalogger(meter), meter % metersPerDatalogger),
    datalogger: (number) => ({ tenant: tenantOf(number), id: series.dataloggerId(number) }),
    rule: String,
  };
}
