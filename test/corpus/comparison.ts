import type { MeterSettings } from "../../engine/base/settings.js";
import type { ReadingRow } from "../../engine/store/interface.js";
import type { Input } from "../reference/history.js";
import { reference } from "../reference/reference.js";
import { inTimeOrder } from "../state/tables.js";
import { OTHER_RULES, valuesOf } from "./other-rules.js";
import type { Trace } from "./trace.js";

/** What rows add up to, in register units. */
export interface Sum {
  amount: number;
  /** Deltas that are unknown, the first reading's apart. A RESET may settle one later: then the amount holds it. */
  unknown: number;
}

export function sumOf(settings: MeterSettings, readings: readonly ReadingRow[]): Sum {
  const amount = readings.reduce((sum, { delta }) => sum + (delta ?? 0), 0);
  return {
    amount: toResolution(settings, amount),
    unknown: readings.slice(1).filter(({ delta }) => delta === null).length,
  };
}

/** Rounded to the resolution; never −0. */
export function toResolution({ decimals }: MeterSettings, amount: number): number {
  return Math.round(amount * 10 ** decimals) / 10 ** decimals || 0;
}

/** Whether a sum is what flowed, and hides nothing that cannot be known. */
export function isTrue(trace: Trace, { amount, unknown }: Sum): boolean {
  return amount === trace.flowed && unknown >= trace.unknowable;
}

/** What each other rule says of some arrivals, in the order of OTHER_RULES. None can say that it does not know. */
export function othersOf({ settings }: Trace, arrivals: readonly Input[]): number[] {
  return OTHER_RULES.map(([, , rule]) => toResolution(settings, rule(valuesOf(arrivals))));
}

/**
 * The comparison as aligned text: a line of titles, one for each trace, then how many each rule gets right. A rule that cannot say
 * "unknown" counts as right where it finds the part that can be known.
 */
export function comparisonOf(corpus: readonly Trace[]): string {
  const known = corpus.filter(({ flowed }) => flowed !== null);
  const right = new Array<number>(1 + OTHER_RULES.length).fill(0);
  const rightSorted = new Array<number>(OTHER_RULES.length).fill(0);
  const lines: string[][] = [["trace", "true", "ours", ...OTHER_RULES.map(([, title]) => title)]];
  for (const trace of corpus) {
    const { name, settings, arrivals, flowed, unknowable } = trace;
    const ours = sumOf(settings, reference(settings, arrivals).readings);
    const others = othersOf(trace, arrivals);
    const verdicts = [isTrue(trace, ours), ...others.map((amount) => amount === flowed)];
    const said = [withUnknown(ours), ...others.map(String)];
    lines.push([
      name,
      flowed === null ? "—" : withUnknown({ amount: flowed, unknown: unknowable }),
      ...said.map((text, i) => `${text} ${flowed === null || verdicts[i] ? " " : "✗"}`),
    ]);
    for (const [i, verdict] of verdicts.entries()) if (verdict) right[i]!++;
    for (const [i, amount] of othersOf(trace, inTimeOrder(arrivals)).entries()) if (amount === flowed) rightSorted[i]!++;
  }
  const counts = (numbers: readonly number[], titles: readonly string[]) =>
    titles.map((title, i) => `${title} ${numbers[i]}`).join(", ");
  const titles = OTHER_RULES.map(([, title]) => title);
  return [
    ...aligned(lines),
    `Right in total, of ${known.length} traces whose truth can be known: ${counts(right, ["ours", ...titles])}.`,
    `The same values sorted by time first: ${counts(rightSorted, titles)}.`,
  ].join("\n");
}

function withUnknown({ amount, unknown }: Sum): string {
  return unknown === 0 ? String(amount) : `${amount} + ${unknown} unknown`;
}

/** Names to the left, numbers to the right. */
function aligned(lines: readonly string[][]): string[] {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)));
  return lines.map((line) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join("  ")
      .trimEnd(),
  );
}
