import { PERIODS } from "../../engine/base/entries.js";
import type { ExplainedFlag, PeriodExplanation } from "../../engine/base/explanation.js";
import { Flag, type FlagName, flagNames } from "../../engine/base/flags.js";
import { durationText } from "../../engine/base/plain-text.js";
import type { CompiledSettings } from "../kernels/compiled-settings.js";
import { KNOWN, PeriodSum, REACHED } from "../kernels/period-sum.js";
import { RecordType } from "../kernels/record.js";
import { explainedRecord, Listing } from "./explain-records.js";
import type { Judged, JudgedRun } from "./explain-run.js";
import { iso, orNull, scaleOf, wholeOf } from "./explain-whole.js";
import { flagWhy } from "./explain-words.js";

/** Parts that a sentence can name. */
const MOST_NAMED = 6;

type Figure = Omit<PeriodExplanation, "meter" | "pending">;

/**
 * What lies behind a row of `consumption`, the period being an index into PERIODS: from a run that kept all records behind `start` and was
 * fed until it is past `end`, or everything. Null: the period has no row, and is not the one that runs. Goes on in steps of one record.
 */
export function* explainPeriod(
  settings: CompiledSettings,
  run: JudgedRun,
  period: number,
  start: number,
  end: number,
): Generator<undefined, Figure | null> {
  const sum = new PeriodSum();
  sum.open(period, start, end);
  const { judged } = run;
  const listing = new Listing(judged.length);
  const behind: Judged[] = [];
  let running = true;
  let provisional = false;
  let estimated: Estimate | null = null;
  for (const [i, each] of judged.entries()) {
    const { record } = each;
    if (record.type === RecordType.READING && record.at >= end) running = false;
    sum.add(settings, record);
    const listed = explainedRecord(settings, sum, each, lookAheadOf(judged, i));
    if (listed === null) continue;
    listing.add(listed);
    const { ms, estimated: isEstimated } = listed.segment ?? { ms: 0, estimated: false };
    if (isEstimated && !(estimated !== null && estimated.ms >= ms)) estimated = { ms, maxGapMs: record.settings.maxGapMs };
    if (record.flags !== 0) behind.push(each);
    if (!record.settings.isLine && record.type === RecordType.READING && run.isNewest(record)) provisional = true;
    yield;
  }
  const records = listing.entries;
  const hasRow = (sum.flags & REACHED) !== 0;
  if (!hasRow && !(running && records.length > 0)) return null;
  const isKnown = (sum.flags & KNOWN) !== 0;
  const hasLevels = sum.min <= sum.max;
  const scale = scaleOf(settings.settings);
  const figure: Figure = {
    ...{ kind: settings.settings.kind, unit: settings.settings.unit, timezone: settings.settings.timezone },
    period: PERIODS[period]!,
    ts: iso(start),
    end: iso(end),
    localDate: settings.calendar.localDate(start),
    lengthMs: end - start,
    figure: {
      value: orNull(sum.value(settings)),
      min: hasLevels ? settings.shownLevel(sum.min) : null,
      max: hasLevels ? settings.shownLevel(sum.max) : null,
      coverage: sum.coverage,
      readings: sum.readings,
      flags: flagNames(sum.rowFlags),
    },
    running,
    provisional,
    flags: flagNames(sum.rowFlags).map((flag) => flagOf(sum, flag, behind, running, estimated)),
    records,
    part: isKnown ? wholeOf(sum.sum, sum.sumLow) : null,
    coveredMs: sum.coveredMs,
    scale,
    divisor: settings.isPower ? scale.divisor * 7_200_000 : settings.isGauge ? 2 * sum.coveredMs * scale.divisor : scale.divisor,
    recompute: "",
    settings: settings.settings,
  };
  figure.recompute = recomputeText(figure, records);
  return figure;
}

/** The record behind, a withdrawn exchange apart. */
export function nextOf(judged: readonly Judged[], index: number): Judged["record"] | null {
  for (let i = index + 1; i < judged.length; i++) if (!Number.isNaN(judged[i]!.record.value)) return judged[i]!.record;
  return null;
}

/** The record behind as far as it has a say in how this one is judged: another register has none. */
export function lookAheadOf(judged: readonly Judged[], index: number): Judged["record"] | null {
  const next = nextOf(judged, index);
  return next !== null && next.settings.series === judged[index]!.record.settings.series ? next : null;
}

/** The longest stretch whose share is an estimate. */
interface Estimate {
  ms: number;
  maxGapMs: number;
}

function flagOf(
  sum: PeriodSum,
  name: FlagName,
  behind: readonly Judged[],
  running: boolean,
  estimated: Estimate | null,
): ExplainedFlag {
  const flag = Flag[name];
  if (flag === Flag.PARTIAL) {
    const covered = `${durationText(sum.coveredMs)} of ${durationText(sum.end - sum.start)} are covered`;
    return { flag: name, why: running ? `the period is not over; ${covered}` : covered };
  }
  if (flag === Flag.ESTIMATED && estimated !== null) {
    const { ms, maxGapMs } = estimated;
    const long = ms > maxGapMs ? `longer than maxGap ${durationText(maxGapMs)}` : `two ${PERIODS[sum.period]}s or more`;
    return {
      flag: name,
      why: `a stretch that reaches into it is ${durationText(ms)} long, ${long}: its share is an estimate`,
    };
  }
  const carrying = behind.filter(({ record }) => (record.flags & flag) !== 0);
  const first = carrying[0];
  if (first === undefined) return { flag: name, why: "" };
  const why = flagWhy(first, flag);
  return { flag: name, why: carrying.length === 1 ? why : `${carrying.length} times, the first: ${why}` };
}

function recomputeText(figure: Figure, records: PeriodExplanation["records"]): string {
  const { part, scale, divisor, coveredMs } = figure;
  const { value } = figure.figure;
  if (part === null) return "No stretch with a known amount reaches into the period: the figure is unknown.";
  const parts = records.flatMap((each) => (each.what === "run" ? [each.part] : each.segment === null ? [] : [each.segment.part]));
  const named = parts.length > 1 && parts.length <= MOST_NAMED ? `${parts.map(bracketed).join(" + ")} = ${part}` : `${part}`;
  const unit = figure.unit === "" ? "" : ` ${figure.unit}`;
  if (figure.kind === "gauge") {
    if (coveredMs === 0) return "No line lies within the period: the figure is unknown.";
    return `Add the parts (areas below the lines, in half units × ms): ${named}. × ${scale.digits} ÷ (2 × ${coveredMs} ms × ${scale.divisor}) = ${value}${unit}.`;
  }
  if (figure.kind === "power") {
    return `Add the parts (areas below the lines, in half units × ms): ${named}. × ${scale.digits} ÷ (7200000 × ${scale.divisor}) = ${value}${unit}.`;
  }
  return `Add the parts: ${named} units of 10^-${scale.decimals}. × ${scale.digits} ÷ ${divisor} = ${value}${unit}.`;
}

function bracketed(part: number | string): string {
  return `${part}`.startsWith("-") ? `(${part})` : `${part}`;
}
