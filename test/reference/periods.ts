import { calendarFor } from "../../engine/base/calendar.js";
import { PERIODS, type PeriodName } from "../../engine/base/entries.js";
import { Flag } from "../../engine/base/flags.js";
import type { MeterSettings } from "../../engine/base/settings.js";
import type { ConsumptionRow } from "../../engine/store/interface.js";
import { type History, LONGEST_SPREAD_MS, type Segment } from "./history.js";
import { lineRange } from "./others.js";
import { greatest, least, rounded, shown, unitsOf } from "./scale.js";
import type { Step } from "./steps.js";

const NOMINAL_MS = { quarter: 900_000, hour: 3_600_000, day: 24 * 3_600_000 };

interface Span {
  from: number;
  to: number;
}

/** The rows of `consumption`, by period and ts. */
export function consumptionOf(steps: readonly Step[], history: History): ConsumptionRow[] {
  return PERIODS.flatMap((period) =>
    steps
      .filter(({ settings }) => settings.periods.includes(period))
      .flatMap((step) => {
        const spread = history.segments.filter(
          (segment) => segment.to - segment.from <= LONGEST_SPREAD_MS && counts(step, segment),
        );
        return periodsWithRow(step, history, spread, period).map((span) => periodRow(step, history, spread, period, span));
      }),
  );
}

/** What another register measured means nothing in a period; but intervals count wherever there are intervals. */
function counts(step: Step, other: { step: Step }): boolean {
  return other.step.series === step.series || (step.settings.kind === "interval" && other.step.settings.kind === "interval");
}

/** Those that a reading has closed, and into which a stretch of at most 92 days between two neighbouring records, or an interval, reaches. */
function periodsWithRow(step: Step, { judged, records }: History, spread: Segment[], period: PeriodName): Span[] {
  const calendar = calendarFor(step.settings.timezone);
  const index = PERIODS.indexOf(period);
  const newest = Math.max(...judged.map(({ at }) => at));
  const stretches = records.slice(1).map((to, k) => ({ from: records[k] ?? to, to }));
  const reaching = [...stretches.filter(({ from, to }) => to - from <= LONGEST_SPREAD_MS), ...spread.filter(isInterval)];
  const found = new Map<number, Span>();
  for (const { from, to } of reaching) {
    // A stretch of no length lies in the period that ends there, as the record does.
    const first = Math.max(from === to ? to - 1 : from, step.from);
    for (let ts = first; ts < Math.min(to, step.until); ts = calendar.end(index, ts)) {
      const span = { from: Math.max(calendar.start(index, ts), step.from), to: Math.min(calendar.end(index, ts), step.until) };
      if (span.to <= newest) found.set(span.from, span);
    }
  }
  return [...found.values()].sort((a, b) => a.from - b.from);
}

function isInterval({ step }: Segment): boolean {
  return step.settings.kind === "interval";
}

function periodRow(
  step: Step,
  history: History,
  spread: Segment[],
  period: PeriodName,
  { from: start, to: end }: Span,
): ConsumptionRow {
  const { settings } = step;
  // What lies on the end belongs to this period, a stretch without length (an exchange at the ts of a reading) too.
  const inside = history.judged.filter(({ at }) => start < at && at <= end);
  const reaching = spread.filter(({ from, to }) => to > start && (from < end || to <= end));
  const amount = reaching.reduce((sum, segment) => sum + unitsUpTo(step, segment, end) - unitsUpTo(step, segment, start), 0n);
  const covering = reaching.filter(
    (segment) => isInterval(segment) || segment.to - segment.from <= segment.step.settings.maxGapMs,
  );
  const coveredMs = lengthOfUnion(covering.map(({ from, to }) => ({ from: Math.max(from, start), to: Math.min(to, end) })));

  let flags = 0;
  for (const { row } of inside) flags |= row.flags;
  for (const segment of reaching) {
    flags |= segment.flags;
    const length = segment.to - segment.from;
    if (length > segment.step.settings.maxGapMs || length >= 2 * NOMINAL_MS[period]) flags |= Flag.ESTIMATED;
  }
  if (coveredMs < end - start) flags |= Flag.PARTIAL;

  return {
    ts: start,
    period,
    value: reaching.length === 0 ? null : amountShown(settings, amount, coveredMs),
    ...extremes(step, history, reaching, start, end),
    coverage: coveredMs / (end - start),
    readings: inside.filter(({ accepted }) => accepted).length,
    flags,
  };
}

/** In units of the period's resolution: where they are coarser, rounded. */
function unitsUpTo({ settings }: Step, segment: Segment, ts: number): bigint {
  const finer = segment.step.settings.decimals - settings.decimals;
  return finer > 0 ? rounded(segment.upTo(ts), 10n ** BigInt(finer)) : segment.upTo(ts) * 10n ** BigInt(-finer);
}

function amountShown(settings: MeterSettings, amount: bigint, coveredMs: number): number {
  if (settings.kind === "power") return shown(settings, amount, 7_200_000);
  if (settings.kind === "gauge") return shown(settings, amount, 2 * coveredMs);
  return shown(settings, amount);
}

/** Of the lines within the period, its ends included, and of the readings in it; NULL for counters and intervals. */
function extremes(step: Step, history: History, reaching: Segment[], start: number, end: number) {
  const { settings } = step;
  if (settings.kind === "counter" || settings.kind === "interval") return { min: null, max: null };
  const lines = reaching.map((segment) => lineRange(segment, Math.max(segment.from, start), Math.min(segment.to, end)));
  const values = history.judged
    .filter((judged) => start < judged.at && judged.at <= end && counts(step, judged))
    .map(({ row }) => unitsOf(settings, row.value));
  if (lines.length + values.length === 0) return { min: null, max: null };
  return {
    min: shown(settings, least([...lines.map(({ min }) => min), ...values])),
    max: shown(settings, greatest([...lines.map(({ max }) => max), ...values])),
  };
}

/** Time covered twice counts once. */
function lengthOfUnion(spans: Span[]): number {
  let length = 0;
  let upTo = Number.NEGATIVE_INFINITY;
  for (const { from, to } of spans.sort((a, b) => a.from - b.from)) {
    length += Math.max(0, to - Math.max(from, upTo));
    upTo = Math.max(upTo, to);
  }
  return length;
}
