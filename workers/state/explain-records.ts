import { MeterstormError } from "../../engine/base/errors.js";
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
/** More entries than this are too many for one answer. */
const MOST_ENTRIES = 4_000;
/** Fewer in a row are not put together. */
const LEAST_RUN = 3;

/** What one record brings to a period, at whose start `settings` are in force; null: nothing. */
export function explainedRecord(
  settings: CompiledSettings,
  sum: PeriodSum,
  judged: Judged,
  next: MeterRecord | null,
): ExplainedRecord | null {
  const { record } = judged;
  // A withdrawn exchange says only which periods have rows.
  if (Number.isNaN(record.value)) return null;
  const { start, end } = sum;
  const one = new PeriodSum();
  one.open(sum.period, start, end);
  one.add(settings, record);
  const inside = record.at > start && record.at <= end;
  const segment = (one.flags & KNOWN) === 0 ? null : explainedSegment(judged, one);
  if (segment === null && !inside) return null;
  return describe(judged, next, inside, segment);
}

/** A record by itself: what it is and the rule that fitted. */
export function describe(
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
    rule: ruleOf(judged, next),
    segment,
  };
}

/** A reading's delta, or what an exchange closed; null: unknown. */
export function deltaOf(record: MeterRecord): Whole | null {
  const delta = record.type === RecordType.READING ? record.delta : record.amount;
  return Number.isNaN(delta) ? null : wholeOf(delta, record.type === RecordType.READING ? record.deltaLow : 0);
}

function explainedSegment({ record, base }: Judged, one: PeriodSum): ExplainedSegment {
  const { from, at, settings } = record;
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

/** Records in the order in which they come; where there are very many, ordinary readings in a row become one entry. */
export class Listing {
  readonly entries: (ExplainedRecord | ExplainedRun)[] = [];
  readonly #folds: boolean;
  /** Ordinary records at the end of the list that follow on one another. */
  #tail = 0;

  /** `most`: how many may come. */
  constructor(most: number) {
    this.#folds = most > MOST_LISTED;
  }

  /** Throws MeterstormError `figure_too_large`. */
  add(record: ExplainedRecord): void {
    const { entries } = this;
    const last = entries[entries.length - 1];
    if (!this.#folds || !isOrdinary(record)) this.#tail = 0;
    else if (last !== undefined && last.what === "run" && last.to === record.segment!.from) {
      extend(last, record);
      return;
    } else {
      const goesOn = this.#tail > 0 && (last as ExplainedRecord).segment!.to === record.segment!.from;
      this.#tail = goesOn ? this.#tail + 1 : 1;
    }
    if (entries.length >= MOST_ENTRIES) {
      const message = `more than ${MOST_ENTRIES} of the readings behind it have something to say; ask for a shorter period within it`;
      throw new MeterstormError("figure_too_large", message);
    }
    entries.push(record);
    if (this.#tail < LEAST_RUN) return;
    entries.push(runOf(entries.splice(-LEAST_RUN) as ExplainedRecord[]));
    this.#tail = 0;
  }
}

function isOrdinary({ what, inside, flags, segment }: ExplainedRecord): boolean {
  if (what !== "reading" || !inside || flags.length > 0 || segment === null || segment.estimated) return false;
  return segment.begin === segment.from && segment.until === segment.to;
}

function runOf(records: readonly ExplainedRecord[]): ExplainedRun {
  const first = records[0]!.segment!;
  const run: ExplainedRun = {
    what: "run",
    readings: 0,
    from: first.from,
    fromUnits: first.fromUnits,
    to: first.from,
    toUnits: 0,
    part: 0,
    coveredMs: 0,
    min: first.min,
    max: first.max,
  };
  for (const record of records) extend(run, record);
  return run;
}

function extend(run: ExplainedRun, record: ExplainedRecord): void {
  const { to, part, coveredMs, min, max } = record.segment!;
  run.readings++;
  run.to = to;
  run.toUnits = record.units;
  run.part = whole(BigInt(run.part) + BigInt(part));
  run.coveredMs += coveredMs;
  if (min !== null && min < run.min!) run.min = min;
  if (max !== null && max > run.max!) run.max = max;
}
