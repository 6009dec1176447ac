import type { MeterSettings } from "../../engine/base/settings.js";
import type { ConsumptionRow, ReadingRow } from "../../engine/store/interface.js";
import { counterHistory } from "./counter.js";
import type { Exchange, ExchangeInput, Input, Reading, ReadingInput } from "./history.js";
import { intervalHistory, lineHistory } from "./others.js";
import { consumptionOf } from "./periods.js";

/**
 * What the numbers mean, written plainly: sort, then one pass, with exact arithmetic. Slow, and short enough to be compared with the
 * rules sentence by sentence. Takes all accepted inputs of one meter in any order; gives all rows of both tables, readings by ts,
 * consumption by period and ts. Exchanges mean nothing to meters that are no counters.
 */
export function reference(
  settings: MeterSettings,
  inputs: readonly Input[],
): { readings: ReadingRow[]; consumption: ConsumptionRow[] } {
  const readings = standingReadings(inputs.filter((input): input is ReadingInput => "value" in input));
  const exchanges = standingExchanges(inputs.filter((input): input is ExchangeInput => "exchange" in input));
  const history =
    settings.kind === "counter"
      ? counterHistory(settings, readings, exchanges)
      : settings.kind === "interval"
        ? intervalHistory(settings, readings)
        : lineHistory(settings, readings);
  return { readings: history.judged.map(({ row }) => row), consumption: consumptionOf(settings, history) };
}

/** One reading a ts: the greater rev stands, of equal ones the greater value. Two values, as sent, are a conflict. */
function standingReadings(inputs: ReadingInput[]): Reading[] {
  return [...byTime(inputs)].map(([ts, same]) => {
    const [first = { value: 0, rev: 0 }] = same
      .map(({ value, rev = 0 }) => ({ value, rev }))
      .sort((a, b) => b.rev - a.rev || b.value - a.value);
    return { ts, ...first, conflict: same.some(({ value }) => value !== first.value) };
  });
}

/** One exchange a ts: the greater rev stands, of equal ones a withdrawal, then the greater final, then the greater start. */
function standingExchanges(inputs: ExchangeInput[]): Exchange[] {
  return [...byTime(inputs)].map(([ts, same]) => {
    const [first] = same.sort(
      (a, b) =>
        (b.rev ?? 0) - (a.rev ?? 0) ||
        Number(b.exchange === null) - Number(a.exchange === null) ||
        (b.exchange?.final ?? 0) - (a.exchange?.final ?? 0) ||
        (b.exchange?.start ?? 0) - (a.exchange?.start ?? 0),
    );
    return { ts, exchange: first?.exchange ?? null };
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
