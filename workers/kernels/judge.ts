import { Flag } from "../../engine/base/flags.js";
import { limits } from "../../engine/base/limits.js";
import { Baseline } from "./baseline.js";
import type { CompiledSettings } from "./compiled-settings.js";
import { judgeInterval } from "./interval.js";
import { judgeCounter } from "./judge-counter.js";
import { Case, type MeterRecord, RecordType } from "./record.js";
import { productLow, sumLow } from "./wide.js";

/** What a record of another register is judged against. */
const NOTHING = new Baseline();

/**
 * Decides a record's delta, flags and segment from the baseline before it and the next record (`null` while it
 * is the newest). Changes nothing else, so it can be asked again when the next record arrives or is corrected.
 * Neither a baseline nor a next record of another series of settings tells it anything.
 */
export function judge(before: Baseline, record: MeterRecord, after: MeterRecord | null): void {
  const { settings } = record;
  const base = before.isFor(settings) ? before : NOTHING;
  const next = after !== null && after.settings.series === settings.series ? after : null;
  if (record.type === RecordType.EXCHANGE) judgeExchange(settings, base, record);
  else if (settings.isCounter) judgeCounter(settings, base, record, next);
  else if (settings.isInterval) judgeInterval(settings, base, record, next);
  else judgeLine(settings, base, record);
  if (record.conflict) record.flags |= Flag.CONFLICT;
  if (record.at - record.from > limits.maxSpreadMs) record.flags |= Flag.UNDISTRIBUTED;
}

/** Whether the record ends a segment that is spread over periods. */
export function isSpread(record: MeterRecord): boolean {
  return record.at - record.from <= limits.maxSpreadMs;
}

/** Closes the stretch from the baseline to the exchange with what the old register showed last. */
function judgeExchange(settings: CompiledSettings, base: Baseline, exchange: MeterRecord): void {
  exchange.noSegment();
  exchange.case = Case.PLAIN;
  exchange.delta = Number.NaN;
  exchange.flags = Flag.EXCHANGE;
  // Before any reading only the new register's start counts.
  if (!base.read) return;
  if (!settings.agrees(base.units, base.ts, exchange.units, exchange.ts)) {
    exchange.flags |= Flag.QUESTIONABLE;
    return;
  }
  exchange.from = base.ts;
  exchange.amount = exchange.units - base.units;
}

/** Power and gauges: a straight line from the reading before, unless that is too far away. */
function judgeLine(settings: CompiledSettings, base: Baseline, reading: MeterRecord): void {
  reading.noSegment();
  reading.delta = Number.NaN;
  reading.deltaLow = 0;
  reading.flags = 0;
  const ms = reading.ts - base.ts;
  if (!(ms <= settings.maxGapMs)) {
    reading.case = Case.FIRST;
    if (settings.isPower) reading.flags = Flag.FIRST;
    return;
  }
  reading.case = Case.PLAIN;
  reading.from = base.ts;
  reading.fromUnits = base.units;
  if (!settings.isPower) return;
  const [before, after] = [base.units * ms, reading.units * ms];
  reading.delta = before + after;
  reading.deltaLow =
    sumLow(before, after, reading.delta) + productLow(base.units, ms, before) + productLow(reading.units, ms, after);
}
