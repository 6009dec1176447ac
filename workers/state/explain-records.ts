import type { ExplainedRecord, ExplainedRun, ExplainedSegment, Whole } from "../../engine/base/explanation.js";
import { Flag, flagNames } from "../../engine/base/flags.js";
import type { CompiledSettings } from "../kernels/compiled-settings.js";
import { KNOWN, PeriodSum } from "../kernels/period-sum.js";
import { type MeterRecord, RecordType } from "../kernels/record.js";
import type { Judged } from "./explain-run.js";
import { iso, orNull, whole, wholeOf } from "./explain-whole.js";
import { ruleOf } from "./explain-words.js";

/** More records than this are not listed one by one where they have nothing to say. */
const MOST_LISTED = 1_500;
/** Fewer in a row are not put together. */
const LEAST_RUN = 3;

/** What one record brings to a period; null: nothing. */
export function explainedRecord(
  settings: CompiledSettings,
  sum: PeriodSum,
  judged: Judged,
  next: MeterRecord | null,
): ExplainedRecord | null {
  const { record } = judged;
  const { start, end } = sum;
  const one = new PeriodSum();
  one.open(sum.period, start, end);
  one.add(settings, record);
  const inside = record.at > start && record.at <= end;
  const segment = (one.flags & KNOWN) === 0 ? null : explainedSegment(settings, judged, one);
  if (segment === null && !inside) return null;
  return describe(settings, judged, next, inside, segment);
}

/** A record by itself: what it is and the rule that fitted. */
export function describe(
  settings: CompiledSettings,
  judged: Judged,
  next: MeterRecord | null,
  inside: boolean,
  segment: ExplainedSegment | null,
): ExplainedRecord {
  const { record } = judged;
  const isReading = record.type === RecordType.READING;
  return {
    what: isReading ? "reading" : "exchange",
    ts: iso(record.ts),
    value: record.value,
    units: record.units,
    start: orNull(record.start),
    rev: record.rev,
    delta: deltaOf(record),
    flags: flagNames(record.flags),
    accepted: record.accepted,
    inside,
    rule: ruleOf(settings, judged, next),
    segment,
  };
}

/** A reading's delta, or what an exchange closed; null: unknown. */
export function deltaOf(record: MeterRecord): Whole | null {
  const delta = record.type === RecordType.READING ? record.delta : record.amount;
  return Number.isNaN(delta) ? null : wholeOf(delta, record.type === RecordType.READING ? record.deltaLow : 0);
}

function explainedSegment(settings: CompiledSettings, { record, base }: Judged, one: PeriodSum): ExplainedSegment {
  const { from, at } = record;
  const { isInterval, isLine } = settings;
  const fromUnits = isInterval ? null : isLine ? record.fromUnits : base.units;
  return {
    from: iso(from),
    fromValue: fromUnits === null ? null : fromUnits / 10 ** settings.settings.decimals,
    fromUnits,
    to: iso(at),
    ms: at - from,
    units: isLine ? null : wholeOf(record.amount),
    begin: iso(Math.max(from, one.start)),
    until: iso(Math.min(at, one.end)),
    part: wholeOf(one.sum, one.sumLow),
    coveredMs: one.coveredMs,
    estimated: (one.flags & Flag.ESTIMATED) !== 0,
    min: isLine ? one.min : null,
    max: isLine ? one.max : null,
  };
}

/** A short list as it is; of a long one ordinary readings in a row become one entry. */
export function folded(records: readonly ExplainedRecord[]): (ExplainedRecord | ExplainedRun)[] {
  if (records.length <= MOST_LISTED) return [...records];
  const list: (ExplainedRecord | ExplainedRun)[] = [];
  for (let at = 0; at < records.length; ) {
    let end = at;
    while (end < records.length && isOrdinary(records[end]!) && (end === at || followsOn(records[end - 1]!, records[end]!)))
      end++;
    if (end - at >= LEAST_RUN) {
      list.push(runOf(records.slice(at, end)));
      at = end;
    } else list.push(records[at++]!);
  }
  return list;
}

function isOrdinary({ what, inside, flags, segment }: ExplainedRecord): boolean {
  if (what !== "reading" || !inside || flags.length > 0 || segment === null || segment.estimated) return false;
  return segment.begin === segment.from && segment.until === segment.to;
}

function followsOn(before: ExplainedRecord, { segment }: ExplainedRecord): boolean {
  return before.segment!.to === segment!.from;
}

function runOf(records: readonly ExplainedRecord[]): ExplainedRun {
  const first = records[0]!.segment!;
  const last = records[records.length - 1]!;
  let part = 0n;
  let coveredMs = 0;
  let min: number | null = null;
  let max: number | null = null;
  for (const { segment } of records) {
    part += BigInt(segment!.part);
    coveredMs += segment!.coveredMs;
    if (segment!.min !== null && (min === null || segment!.min < min)) min = segment!.min;
    if (segment!.max !== null && (max === null || segment!.max > max)) max = segment!.max;
  }
  return {
    what: "run",
    readings: records.length,
    from: first.from,
    fromUnits: first.fromUnits,
    to: last.segment!.to,
    toUnits: last.units,
    part: whole(part),
    coveredMs,
    min,
    max,
  };
}
