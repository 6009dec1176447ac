import type { MeterSettings, MeterTimeline } from "../../engine/base/settings.js";

/** A step of a meter's settings: in force from ≤ ts < until. */
export interface Step {
  settings: MeterSettings;
  from: number;
  until: number;
  series: Series;
}

/** Steps side by side in which the register stays the same one: between two series nothing goes on. */
export interface Series {
  from: number;
  until: number;
}

export function stepsOf(timeline: MeterSettings | MeterTimeline): Step[] {
  const given = "kind" in timeline ? [{ from: Number.NEGATIVE_INFINITY, settings: timeline }] : timeline;
  const steps: Step[] = [];
  for (const [k, { from, settings }] of given.entries()) {
    const until = given[k + 1]?.from ?? Number.POSITIVE_INFINITY;
    const before = steps.at(-1);
    const series = before !== undefined && sameRegister(before.settings, settings) ? before.series : { from, until };
    series.until = until;
    steps.push({ settings, from, until, series });
  }
  return steps;
}

/** A register is another one with another kind, decimals, modulus or step. Intervals have no register, but must fit side by side. */
function sameRegister(a: MeterSettings, b: MeterSettings): boolean {
  if (a.kind === "interval" && b.kind === "interval")
    return a.interval === b.interval && a.label === b.label && (a.interval !== "1d" || a.timezone === b.timezone);
  return a.kind === b.kind && a.decimals === b.decimals && a.modulus === b.modulus && a.step === b.step;
}

/** The step in force at an instant; one of exactly `from` belongs to the new one. */
export function stepOf(steps: readonly Step[], ts: number): Step {
  const step = steps.find(({ from, until }) => from <= ts && ts < until);
  if (step === undefined) throw new Error(`no settings are in force at ${ts}`);
  return step;
}
