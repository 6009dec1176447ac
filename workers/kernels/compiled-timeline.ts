import { PERIODS } from "../../engine/base/entries.js";
import type { MeterSettings, MeterTimeline } from "../../engine/base/settings.js";
import { CompiledSettings } from "./compiled-settings.js";

/**
 * A meter's settings over time, made ready. Nearly all meters have one step for ever.
 *
 *     −∞ ── step 0 ──│── step 1 ──│── step 2 ──▶ ∞
 *          series 0  │        series 1            a series ends where the register becomes another one
 */
export class CompiledTimeline {
  readonly timeline: MeterTimeline;
  readonly steps: readonly CompiledSettings[];
  /** The only step; null where there are more. */
  readonly only: CompiledSettings | null;
  readonly #last: number;
  /** Indices into PERIODS that some step keeps, ascending. */
  readonly periods: readonly number[];
  /** The longest maxGap of all steps. */
  readonly maxGapMs: number;
  /** Whether sums need what only lines have: levels, or more than one double holds. */
  readonly hasLevels: boolean;

  constructor(timeline: MeterTimeline) {
    const seriesOf = seriesNumbers(timeline);
    this.timeline = timeline;
    this.steps = timeline.map(({ from, settings }, index) => {
      const series = seriesOf[index]!;
      const next = seriesOf.lastIndexOf(series) + 1;
      return new CompiledSettings(settings, {
        from,
        until: fromOf(timeline, index + 1),
        index,
        series,
        seriesFrom: fromOf(timeline, seriesOf.indexOf(series)),
        seriesUntil: fromOf(timeline, next),
      });
    });
    this.only = this.steps.length === 1 ? this.steps[0]! : null;
    this.#last = this.steps.length - 1;
    this.periods = PERIODS.map((_, period) => period).filter((period) => this.steps.some((step) => step.keeps(period)));
    this.maxGapMs = Math.max(...this.steps.map((step) => step.maxGapMs));
    const decimals = this.steps.filter(({ isInterval }) => isInterval).map(({ settings }) => settings.decimals);
    this.hasLevels = this.steps.some(({ isLine }) => isLine) || decimals.some((each) => each !== decimals[0]);
  }

  /** The step in force. */
  at(ts: number): CompiledSettings {
    if (this.only !== null) return this.only;
    let index = this.#last;
    // NaN, no instant, is before all.
    while (index > 0 && !(ts >= this.steps[index]!.from)) index--;
    return this.steps[index]!;
  }

  /** The local day in which an instant lies, as far as one step reaches. */
  dayOf(ts: number): { from: number; to: number } {
    const { calendar, from, until } = this.at(ts);
    return { from: Math.max(calendar.dayStart(ts), from), to: Math.min(calendar.dayEnd(ts), until) };
  }

  largestPeriodStart(ts: number): number {
    return this.at(ts).largestPeriodStart(ts);
  }

  largestPeriodEnd(ts: number): number {
    return this.at(ts).largestPeriodEnd(ts);
  }
}

function fromOf(timeline: MeterTimeline, index: number): number {
  return timeline[index]?.from ?? Number.POSITIVE_INFINITY;
}

function seriesNumbers(timeline: MeterTimeline): number[] {
  let series = 0;
  return timeline.map(({ settings }, index) => {
    if (index > 0 && !goesOn(timeline[index - 1]!.settings, settings)) series++;
    return series;
  });
}

/** Whether the baseline goes on from one step to the next. Intervals have none, but they lie side by side. */
function goesOn(a: MeterSettings, b: MeterSettings): boolean {
  if (a.kind !== b.kind) return false;
  if (a.kind !== "interval") return a.decimals === b.decimals && a.modulus === b.modulus && a.step === b.step;
  return a.interval === b.interval && a.label === b.label && (a.interval !== "1d" || a.timezone === b.timezone);
}
