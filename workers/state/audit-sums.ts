import { decimalParts } from "../../engine/base/decimal.js";
import { PERIODS } from "../../engine/base/entries.js";
import { Flag } from "../../engine/base/flags.js";
import type { MeterHistory, MeterPeriods } from "../../engine/store/interface.js";
import type { CompiledSettings } from "../kernels/compiled-settings.js";
import type { CompiledTimeline } from "../kernels/compiled-timeline.js";
import { NO_RULE, ruleFor, type Span } from "./audit-spans.js";

/** Area under power is shown in units, and counted in half units × milliseconds. */
const AREA_PER_UNIT = 7_200_000;
/** Amounts up to this come back from a row's double as the whole number that they were; sums of them stay exact. */
const EXACT_UNITS = 2 ** 46;
/** How far from a whole number the double of a row may lead: relative, some roundings of a double; or at least so much. */
const ROUNDING = 2 ** -50;
const LEAST_DOUBT = 1e-6;

/**
 * What the rows of one local day of a meter must add up to, from what is stored alone: no kernel and no period sum is asked. In whole units:
 *
 *     Σ quarters of an hour = hour · Σ hours of a day = day · day = Σ known deltas, of those that reach over its ends the share within
 *
 * The share of a delta is the one that the rules name: round(delta × share of time), halves up, taken at both ends. What rows alone do
 * not tell (an exchange whose stretch reaches over an end of the day, deltas that are shown by other settings) is left to the comparison
 * row by row; so are means, which add up to nothing, and amounts that one double does not hold exactly.
 */
export class AuditSums {
  readonly #timeline: CompiledTimeline;
  readonly #settings: CompiledSettings;
  readonly #perUnit: number;
  readonly #digits: number;
  /** What does not add up, in words. */
  readonly faults: string[] = [];

  /** Of a day that begins at this instant. */
  constructor(timeline: CompiledTimeline, dayFrom: number) {
    const settings = timeline.at(dayFrom);
    this.#timeline = timeline;
    const { digits, decimals } = decimalParts(settings.settings.multiplier);
    this.#settings = settings;
    this.#perUnit = 10 ** (settings.settings.decimals + decimals) * (settings.isPower ? AREA_PER_UNIT : 1);
    this.#digits = digits;
  }

  check({ from, to }: Span, history: MeterHistory, { consumption }: MeterPeriods): void {
    const { periods, isGauge } = this.#settings;
    if (isGauge) return;
    const rows = periods.map((period) => this.#periodRows(period, consumption));
    for (let i = 1; i < periods.length; i++) this.#levels(periods[i]!, rows[i - 1]!, rows[i]!);
    const largest = rows[rows.length - 1];
    if (largest !== undefined) this.#deltas({ from, to }, history, largest);
  }

  /** A row's number in whole units; null where it is too large to tell. */
  #whole(value: number, what: () => string): number | null {
    if (Number.isNaN(value)) return 0;
    const units = (value * this.#perUnit) / this.#digits;
    const whole = Math.round(units);
    if (Math.abs(units - whole) > Math.max(LEAST_DOUBT, Math.abs(units) * ROUNDING)) {
      this.faults.push(`${what()} holds ${value}, which is no whole number of units`);
    }
    return Math.abs(whole) > EXACT_UNITS ? null : whole;
  }

  #periodRows(period: number, { ts, period: kinds, value }: MeterPeriods["consumption"]): Map<number, number | null> {
    const rows = new Map<number, number | null>();
    for (const [i, start] of ts.entries()) {
      if (kinds[i] === period)
        rows.set(
          start,
          this.#whole(value[i]!, () => `${PERIODS[period]!} ${iso(start)}`),
        );
    }
    return rows;
  }

  /** Each longer period against the shorter ones within. */
  #levels(longer: number, parts: ReadonlyMap<number, number | null>, wholes: ReadonlyMap<number, number | null>): void {
    const settings = this.#settings;
    const sums = new Map<number, number>();
    for (const [ts, units] of parts) {
      const start = settings.periodStart(longer, ts);
      sums.set(start, (sums.get(start) ?? 0) + (units ?? Number.NaN));
    }
    for (const start of new Set([...sums.keys(), ...wholes.keys()])) {
      const sum = sums.get(start) ?? 0;
      const whole = wholes.get(start);
      if (Number.isNaN(sum) || whole === null || sum === (whole ?? 0)) continue;
      this.faults.push(`the periods within the ${PERIODS[longer]!} ${iso(start)} add up to ${sum} units, it holds ${whole ?? 0}`);
    }
  }

  #deltas(day: Span, history: MeterHistory, largest: ReadonlyMap<number, number | null>): void {
    let held = 0;
    for (const units of largest.values()) held += units ?? Number.NaN;
    const { ts, delta, flags } = history.readings;
    if (this.#timeline.only === null && ts.some((at) => this.#timeline.at(at) !== this.#settings)) return;
    const rule = ruleFor(this.#settings, history);
    let counted = 0n;
    for (const [i, at] of ts.entries()) {
      const span = rule(i, day);
      if (span === NO_RULE) return;
      if (span === null || Number.isNaN(delta[i]!) || (flags[i]! & Flag.UNDISTRIBUTED) !== 0) continue;
      const units = this.#whole(delta[i]!, () => `the delta of the reading ${iso(at)}`);
      if (units === null) return;
      counted += span.upTo(day.to, units) - span.upTo(day.from, units);
    }
    if (Number.isNaN(held) || BigInt(held) === counted) return;
    this.faults.push(`the deltas of the day ${iso(day.from)} add up to ${counted} units, its periods hold ${held}`);
  }
}

function iso(ts: number): string {
  return new Date(ts).toISOString();
}
