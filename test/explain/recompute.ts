import assert from "node:assert/strict";
import { decimalParts } from "../../engine/base/decimal.js";
import type { ExplainedSegment, PeriodExplanation, ReadingExplanation } from "../../engine/base/explanation.js";
import { Flag, flagNames } from "../../engine/base/flags.js";
import type { MeterSettings } from "../../engine/base/settings.js";

/** A figure worked out from an explanation's JSON and nothing else, with exact arithmetic of its own. */

const NOMINAL_MS = { quarter: 900_000, hour: 3_600_000, day: 86_400_000 };

function rounded(numerator: bigint, denominator: bigint): bigint {
  return floored(2n * numerator + denominator, 2n * denominator);
}

function floored(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator;
  return quotient * denominator > numerator ? quotient - 1n : quotient;
}

function shown({ decimals, multiplier }: MeterSettings, amount: bigint, divisor: number): number {
  const { digits, decimals: k } = decimalParts(multiplier);
  return Number(amount * BigInt(digits)) / (divisor * 10 ** (decimals + k));
}

/** What the segment brings to the period, by the rule of cumulative rounding. */
function partOf({ kind }: PeriodExplanation, { units }: { units: number }, segment: ExplainedSegment): bigint {
  const [from, to, begin, until] = [segment.from, segment.to, segment.begin, segment.until].map((ts) => BigInt(Date.parse(ts)));
  const length = to! - from!;
  if (kind === "power" || kind === "gauge") {
    const [low, high] = [BigInt(segment.fromUnits!), BigInt(units)];
    const area = (time: bigint) => rounded(2n * low * time * length + (high - low) * time * time, length);
    return area(until! - from!) - area(begin! - from!);
  }
  const whole = BigInt(segment.units!);
  if (length === 0n) return whole;
  const upTo = (ts: bigint) => rounded(whole * (ts - from!), length);
  return upTo(until!) - upTo(begin!);
}

/** Lowest and highest level of a line within its part of the period, rounded outwards. */
function levelsOf({ units }: { units: number }, segment: ExplainedSegment): bigint[] {
  const length = BigInt(segment.ms);
  const [low, high] = [BigInt(segment.fromUnits!), BigInt(units)];
  return [segment.begin, segment.until].flatMap((ts) => {
    const above = low * length + (high - low) * BigInt(Date.parse(ts) - Date.parse(segment.from));
    return [floored(above, length), -floored(-above, length)];
  });
}

function unionMs(spans: [number, number][]): number {
  let covered = 0;
  let upTo = Number.NEGATIVE_INFINITY;
  for (const [from, to] of spans.sort(([a], [b]) => a - b)) {
    covered += Math.max(0, to - Math.max(from, upTo));
    upTo = Math.max(upTo, to);
  }
  return covered;
}

export function recomputedPeriod(explanation: PeriodExplanation): PeriodExplanation["figure"] {
  const { settings, kind, period, lengthMs } = explanation;
  const isLine = kind === "power" || kind === "gauge";
  let amount = 0n;
  let known = false;
  let flags = 0;
  let readings = 0;
  const covered: [number, number][] = [];
  const levels: bigint[] = [];
  for (const record of explanation.records) {
    if (record.what === "run") {
      amount += BigInt(record.part);
      known = true;
      readings += record.readings;
      covered.push([Date.parse(record.from), Date.parse(record.to)]);
      if (isLine) levels.push(BigInt(record.min!), BigInt(record.max!));
      // Registers run on from one reading to the next, so the ends alone tell the sum.
      if (kind === "counter") assert.equal(BigInt(record.part), BigInt(record.toUnits) - BigInt(record.fromUnits!));
      continue;
    }
    const { segment, inside, what } = record;
    const bits = record.flags.reduce((sum, name) => sum | Flag[name], 0);
    if (inside && what === "reading") {
      flags |= bits;
      if (record.accepted) readings++;
      if (isLine) levels.push(BigInt(record.units));
    }
    if (segment === null) continue;
    const part = partOf(explanation, record, segment);
    assert.equal(BigInt(segment.part), part, `the part of what ends at ${segment.to}`);
    amount += part;
    known = true;
    flags |= bits;
    if (isLine) levels.push(...levelsOf(record, segment));
    const isLong = segment.ms > settings.maxGapMs;
    if (isLong || segment.ms >= 2 * NOMINAL_MS[period]) flags |= Flag.ESTIMATED;
    if (kind === "interval" || !isLong) covered.push([Date.parse(segment.begin), Date.parse(segment.until)]);
  }
  const coveredMs = unionMs(covered);
  if (coveredMs < lengthMs) flags |= Flag.PARTIAL;
  const divisor = kind === "power" ? 7_200_000 : kind === "gauge" ? 2 * coveredMs : 1;
  const isUnknown = !known || (kind === "gauge" && coveredMs === 0);
  const sorted = levels.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return {
    value: isUnknown ? null : shown(settings, amount, divisor),
    min: sorted.length === 0 ? null : shown(settings, sorted[0]!, 1),
    max: sorted.length === 0 ? null : shown(settings, sorted[sorted.length - 1]!, 1),
    coverage: coveredMs / lengthMs,
    readings,
    flags: flagNames(flags),
  };
}

/** The delta that the named case makes of the baseline and the reading. */
export function recomputedDelta(explanation: ReadingExplanation): number | null {
  const { settings, kind, baseline, units, rule } = explanation;
  const i = BigInt(units);
  const p = BigInt(baseline?.units ?? 0);
  let counted: bigint | null;
  switch (rule.case) {
    case "counted":
      counted = i - p;
      break;
    case "backward":
    case "spike":
      counted = 0n;
      break;
    case "rollover":
      counted = BigInt(Math.round(settings.modulus! * 10 ** settings.decimals)) + i - p;
      break;
    case "reset":
    case "interval":
      counted = i;
      break;
    case "return": {
      const grown = i - BigInt(explanation.epoch!.beforeUnits) - BigInt(explanation.epoch!.countedUnits);
      counted = grown > 0n ? grown : 0n;
      break;
    }
    case "line":
      counted = (p + i) * BigInt(Date.parse(explanation.figure.ts) - Date.parse(baseline!.ts));
      break;
    default:
      assert.ok(["first", "reset_unknown", "exchange_undeclared"].includes(rule.case), rule.case);
      counted = null;
  }
  const closed = explanation.exchanges.flatMap((each) => (each.units === null ? [] : [BigInt(each.units)]));
  if (closed.length > 0) counted = closed.reduce((sum, each) => sum + each, counted ?? 0n);
  if (counted === null || kind === "gauge") return null;
  return shown(settings, counted, kind === "power" ? 7_200_000 : 1);
}
