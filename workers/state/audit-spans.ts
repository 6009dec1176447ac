import { Flag } from "../../engine/base/flags.js";
import type { MeterHistory } from "../../engine/store/interface.js";
import type { CompiledSettings } from "../kernels/compiled-settings.js";

/** A stretch of time, `from` < t ≤ `to`. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** The stretch over which a reading's delta is spread. */
export interface Spread {
  /** Of `units` the part up to an instant. */
  upTo(ts: number, units: number): bigint;
}

/** Rows alone do not tell how much of the day is whose. */
export const NO_RULE = "no rule";

/** How the delta of the reading at an index is spread, as far as it reaches into a day; null: not at all. Indices come in order. */
export type SpreadRule = (index: number, day: Span) => Spread | typeof NO_RULE | null;

/** The rule of a meter's kind over what is stored of it: a span between two neighbouring rows, or an interval's own. */
export function ruleFor(settings: CompiledSettings, history: MeterHistory): SpreadRule {
  if (settings.isInterval) return intervalRule(settings, history);
  return settings.isPower ? powerRule(settings, history) : counterRule(history);
}

function intervalRule(settings: CompiledSettings, { readings }: MeterHistory): SpreadRule {
  return (index, day) => {
    const from = settings.intervalStart(readings.ts[index]!);
    const to = settings.intervalEnd(readings.ts[index]!);
    return to <= day.from || from >= day.to ? null : evenly(from, to);
  };
}

/** Lines: the area up to an instant is the line's own. */
function powerRule(settings: CompiledSettings, { readings }: MeterHistory): SpreadRule {
  const { ts, value } = readings;
  return (index, day) => {
    const [from, to] = [ts[index - 1], ts[index]!];
    if (to <= day.from || from === undefined) return null;
    if (from >= day.to) return null;
    const [low, high] = [BigInt(settings.units(value[index - 1]!)), BigInt(settings.units(value[index]!))];
    const length = BigInt(to - from);
    return {
      upTo(at, units) {
        if (at >= to) return BigInt(units);
        if (at <= from) return 0n;
        const part = BigInt(at - from);
        return rounded(2n * low * part * length + (high - low) * part * part, length);
      },
    };
  };
}

/** Accepted readings follow each other; a delta is spread over the time since the one before. */
function counterRule({ readings, exchanges }: MeterHistory): SpreadRule {
  const { ts, delta, flags } = readings;
  const declared = exchanges.ts.filter((_, i) => !Number.isNaN(exchanges.final[i]!));
  const isAccepted = (index: number) => (flags[index]! & Flag.SPIKE) === 0;
  const lastTs = ts.findLast((_, index) => isAccepted(index)) ?? Number.NaN;
  let before = Number.NaN;
  return (index, day) => {
    // What an exchange closed in the day belongs to a reading that is still to come.
    if (!(lastTs >= day.to)) return NO_RULE;
    if (!isAccepted(index)) return null;
    const [from, to] = [before, ts[index]!];
    before = to;
    // What an exchange closes at the instant of a day's last reading belongs to that day, and to the delta of the next.
    if (from === day.to && declared.includes(from)) return NO_RULE;
    if (to <= day.from || from >= day.to) return null;
    // An exchange at the instant of a reading comes after it.
    const exchanged = declared.filter((at) => at < to && !(at < from));
    if (exchanged.length === 0) {
      if (Number.isNaN(from)) return Number.isNaN(delta[index]!) ? null : NO_RULE;
      return evenly(from, to);
    }
    // It makes two stretches of one delta, and only where both lie within does it not matter which has how much.
    const isWithin = from >= day.from && to <= day.to && exchanged[0]! > day.from;
    return isWithin && (flags[index]! & Flag.UNDISTRIBUTED) === 0 ? evenly(from, to) : NO_RULE;
  };
}

function evenly(from: number, to: number): Spread {
  const length = BigInt(to - from);
  return {
    upTo(at, units) {
      if (at >= to) return BigInt(units);
      if (at <= from) return 0n;
      return rounded(BigInt(units) * BigInt(at - from), length);
    },
  };
}

/** A quotient to the nearest whole number, halves up. */
function rounded(dividend: bigint, divisor: bigint): bigint {
  const doubled = 2n * dividend + divisor;
  const by = 2n * divisor;
  const quotient = doubled / by;
  return quotient * by > doubled ? quotient - 1n : quotient;
}
