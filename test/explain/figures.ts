import { PERIODS, type PeriodName } from "../../engine/base/entries.js";
import type { PeriodExplanation, ReadingExplanation } from "../../engine/base/explanation.js";
import type { MeterSettings } from "../../engine/base/settings.js";
import { CompiledSettings } from "../../workers/kernels/compiled-settings.js";
import { CompiledTimeline } from "../../workers/kernels/compiled-timeline.js";
import { RecordType } from "../../workers/kernels/record.js";
import { explainPeriod } from "../../workers/state/explain-period.js";
import { explainReading } from "../../workers/state/explain-reading.js";
import { JudgedRun } from "../../workers/state/explain-run.js";
import { inOrder, type KnownRecord, knownExchange, knownReading, mergedRecords } from "../../workers/state/known-record.js";
import type { Input } from "../reference/history.js";

/** What stands of a meter's inputs, in order. Exchanges mean nothing to meters that are no counters. */
export function recordsOf(settings: MeterSettings, inputs: readonly Input[]): KnownRecord[] {
  const records = inputs.map((input): KnownRecord => {
    const { ts, rev = 0 } = input;
    if ("value" in input) return knownReading(ts, input.value, rev);
    const { final, start } = input.exchange ?? { final: Number.NaN, start: Number.NaN };
    return knownExchange(ts, final, start, rev);
  });
  const counting = records.filter(({ type }) => type === RecordType.READING || settings.kind === "counter");
  return mergedRecords([], counting.sort(inOrder));
}

function fed(settings: CompiledSettings, records: readonly KnownRecord[], keepFrom: number): JudgedRun {
  const run = new JudgedRun(CompiledTimeline.of(settings), keepFrom);
  for (const record of records) run.feed(record);
  return run;
}

/** As a client sees it: through JSON. */
function seen<T>(explanation: Omit<T, "meter" | "pending"> | null): T | null {
  return explanation === null ? null : (JSON.parse(JSON.stringify({ meter: "m", pending: 0, ...explanation })) as T);
}

export function readingOf(settings: MeterSettings, records: readonly KnownRecord[], ts: number): ReadingExplanation | null {
  const compiled = new CompiledSettings(settings);
  return seen<ReadingExplanation>(explainReading(compiled, fed(compiled, records, Number.NEGATIVE_INFINITY), ts));
}

export function periodOf(
  settings: MeterSettings,
  records: readonly KnownRecord[],
  name: PeriodName,
  ts: number,
): PeriodExplanation | null {
  const compiled = new CompiledSettings(settings);
  const period = PERIODS.indexOf(name);
  const start = compiled.calendar.start(period, ts);
  const end = compiled.calendar.end(period, ts);
  const steps = explainPeriod(compiled, fed(compiled, records, start), period, start, end);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return seen<PeriodExplanation>(step.value);
  }
}
