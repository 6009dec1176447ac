import { PERIODS, type PeriodName } from "../../engine/base/entries.js";
import type { PeriodExplanation, ReadingExplanation } from "../../engine/base/explanation.js";
import { always, type MeterSettings, type MeterTimeline } from "../../engine/base/settings.js";
import { CompiledTimeline } from "../../workers/kernels/compiled-timeline.js";
import { RecordType } from "../../workers/kernels/record.js";
import { explainPeriod } from "../../workers/state/explain-period.js";
import { explainReading } from "../../workers/state/explain-reading.js";
import { JudgedRun } from "../../workers/state/explain-run.js";
import { inOrder, type KnownRecord, knownExchange, knownReading, mergedRecords } from "../../workers/state/known-record.js";
import type { Input } from "../reference/history.js";

function compiledOf(settings: MeterSettings | MeterTimeline): CompiledTimeline {
  return new CompiledTimeline("kind" in settings ? always(settings) : settings);
}

/** What stands of a meter's inputs, in order. Exchanges mean nothing while a meter is no counter. */
export function recordsOf(settings: MeterSettings | MeterTimeline, inputs: readonly Input[]): KnownRecord[] {
  const records = inputs.map((input): KnownRecord => {
    const { ts, rev = 0 } = input;
    if ("value" in input) return knownReading(ts, input.value, rev);
    const { final, start } = input.exchange ?? { final: Number.NaN, start: Number.NaN };
    return knownExchange(ts, final, start, rev);
  });
  const timeline = compiledOf(settings);
  const counting = records.filter(({ type, ts }) => type === RecordType.READING || timeline.at(ts).isCounter);
  return mergedRecords([], counting.sort(inOrder));
}

function fed(timeline: CompiledTimeline, records: readonly KnownRecord[], keepFrom: number): JudgedRun {
  const run = new JudgedRun(timeline, keepFrom);
  for (const record of records) run.feed(record);
  return run;
}

/** As a client sees it: through JSON. */
function seen<T>(explanation: Omit<T, "meter" | "pending"> | null): T | null {
  return explanation === null ? null : (JSON.parse(JSON.stringify({ meter: "m", pending: 0, ...explanation })) as T);
}

export function readingOf(
  settings: MeterSettings | MeterTimeline,
  records: readonly KnownRecord[],
  ts: number,
): ReadingExplanation | null {
  return seen<ReadingExplanation>(explainReading(fed(compiledOf(settings), records, Number.NEGATIVE_INFINITY), ts));
}

export function periodOf(
  settings: MeterSettings | MeterTimeline,
  records: readonly KnownRecord[],
  name: PeriodName,
  ts: number,
): PeriodExplanation | null {
  const timeline = compiledOf(settings);
  const inForce = timeline.at(ts);
  const period = PERIODS.indexOf(name);
  const start = inForce.periodStart(period, ts);
  const end = inForce.periodEnd(period, ts);
  const steps = explainPeriod(inForce, fed(timeline, records, start), period, start, end);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return seen<PeriodExplanation>(step.value);
  }
}
