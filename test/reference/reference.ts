import type { MeterSettings, MeterTimeline } from "../../engine/base/settings.js";
import type { ConsumptionRow, ReadingRow } from "../../engine/store/interface.js";
import { counterHistory } from "./counter.js";
import type { Exchange, ExchangeInput, History, Input, Reading, ReadingInput } from "./history.js";
import { intervalHistory, lineHistory } from "./others.js";
import { consumptionOf } from "./periods.js";
import { type Step, stepOf, stepsOf } from "./steps.js";

/**
 * What the numbers mean, written plainly: sort, then one pass, with exact arithmetic. Slow, and short enough to be compared with the
 * rules sentence by sentence. Takes all accepted inputs of one meter in any order; gives all rows of both tables, readings by ts,
 * consumption by period and ts. Exchanges mean nothing while a meter is no counter.
 */
export function reference(
  timeline: MeterSettings | MeterTimeline,
  inputs: readonly Input[],
): { readings: ReadingRow[]; consumption: ConsumptionRow[] } {
  const steps = stepsOf(timeline);
  const readings = standingReadings(
    steps,
    inputs.filter((input): input is ReadingInput => "value" in input),
  );
  const exchanges = standingExchanges(
    steps,
    inputs.filter((input): input is ExchangeInput => "exchange" in input),
  );
  // From one series to the next nothing goes on: each is a history of its own.
  const histories = [...new Set(steps.map(({ series }) => series))].map((series) =>
    historyOf(
      readings.filter(({ step }) => step.series === series),
      exchanges.filter(({ step }) => step.series === series),
    ),
  );
  const history = {
    judged: histories.flatMap(({ judged }) => judged),
    segments: histories.flatMap(({ segments }) => segments),
    records: histories.flatMap(({ records }) => records).sort((a, b) => a - b),
  };
  return { readings: history.judged.map(({ row }) => row), consumption: consumptionOf(steps, history) };
}

function historyOf(readings: Reading[], exchanges: Exchange[]): History {
  const kind = [...readings, ...exchanges][0]?.step.settings.kind ?? "counter";
  if (kind === "counter") return counterHistory(readings, exchanges);
  return kind === "interval" ? intervalHistory(readings) : lineHistory(readings);
}

/** One reading a ts: the greater rev stands, of equal ones the greater value. Two values, as sent, are a conflict. */
function standingReadings(steps: Step[], inputs: ReadingInput[]): Reading[] {
  return [...byTime(inputs)].map(([ts, same]) => {
    const [first = { value: 0, rev: 0 }] = same
      .map(({ value, rev = 0 }) => ({ value, rev }))
      .sort((a, b) => b.rev - a.rev || b.value - a.value);
    return { step: stepOf(steps, ts), ts, ...first, conflict: same.some(({ value }) => value !== first.value) };
  });
}

/** One exchange a ts: the greater rev stands, of equal ones a withdrawal, then the greater final, then the greater start. */
function standingExchanges(steps: Step[], inputs: ExchangeInput[]): Exchange[] {
  return [...byTime(inputs)].map(([ts, same]) => {
    const [first] = same.sort(
      (a, b) =>
        (b.rev ?? 0) - (a.rev ?? 0) ||
        Number(b.exchange === null) - Number(a.exchange === null) ||
        (b.exchange?.final ?? 0) - (a.exchange?.final ?? 0) ||
        (b.exchange?.start ?? 0) - (a.exchange?.start ?? 0),
    );
    return { step: stepOf(steps, ts), ts, exchange: first?.exchange ?? null };
  });
}

/** In order of time; what is finer than a millisecond is cut. */
function byTime<T extends Input>(inputs: T[]): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const input of inputs.sort((a, b) => a.ts - b.ts)) {
    const ts = Math.trunc(input.ts);
    groups.set(ts, [...(groups.get(ts) ?? []), input]);
  }
  return groups;
}
