import type { PeriodName } from "./entries.js";
import type { FlagName } from "./flags.js";
import type { MeterSettings } from "./settings.js";

/** A whole number; its text where a double does not hold it exactly. Either way `BigInt` reads it. */
export type Whole = number | string;

/** Why a record counts as it does: the case of the rules that fitted, and the same in words with the numbers in it. */
export interface ExplainedRule {
  case: string;
  text: string;
}

export interface ExplainedFlag {
  flag: FlagName;
  why: string;
}

/** How whole units become what is shown: units × digits ÷ divisor. `multiplier` is digits × 10^-k, `divisor` 10^(decimals + k). */
export interface Scale {
  decimals: number;
  digits: number;
  divisor: number;
}

/** The stretch that a record ends, and what of it lies in the period. Times are RFC 3339 in UTC. */
export interface ExplainedSegment {
  from: string;
  /** Of the baseline it starts from, in register units and in whole units; null for intervals, which have none. */
  fromValue: number | null;
  fromUnits: number | null;
  to: string;
  /** Length in milliseconds. */
  ms: number;
  /** What it carries altogether: whole units; null for lines, of which the two levels say it. */
  units: Whole | null;
  /** What of it lies in the period, and the part that falls there: whole units, or area of a line in half units × ms. */
  begin: string;
  until: string;
  part: Whole;
  /** What it adds to the time covered, in milliseconds. */
  coveredMs: number;
  estimated: boolean;
  /** Lowest and highest level of a line within the period, in whole units rounded outwards; null where there is no line. */
  min: number | null;
  max: number | null;
}

/** A reading or a declared exchange. */
export interface ExplainedRecord {
  what: "reading" | "exchange";
  ts: string;
  /** As sent; an exchange's `final`. */
  value: number;
  units: number;
  /** An exchange's new register. */
  start: number | null;
  rev: number;
  /** In whole units (area of power), with what exchanges closed; null: unknown. */
  delta: Whole | null;
  flags: FlagName[];
  /** Accepted: it left a baseline. */
  accepted: boolean;
  /** Its flags count for the period: start < its time ≤ end. */
  inside: boolean;
  rule: ExplainedRule;
  /** Null where it ends none that reaches into the period. */
  segment: ExplainedSegment | null;
}

/** Ordinary readings in a row whose segments lie in the period, put together where there are very many. */
export interface ExplainedRun {
  what: "run";
  readings: number;
  from: string;
  fromUnits: number | null;
  to: string;
  toUnits: number;
  part: Whole;
  coveredMs: number;
  min: number | null;
  max: number | null;
}

interface ExplainedFigure {
  meter: string;
  kind: MeterSettings["kind"];
  unit: string;
  timezone: string;
  settings: MeterSettings;
  scale: Scale;
  /** The period is not over; of a reading: it is its meter's newest. */
  running: boolean;
  /** The next reading may still change how the newest one is judged. */
  provisional: boolean;
  /** Late inputs of the meter that are not worked in yet. */
  pending: number;
  flags: ExplainedFlag[];
  /** How to get the figure from its parts. */
  recompute: string;
}

/** The delta of one reading. */
export interface ReadingExplanation extends ExplainedFigure {
  period: "reading";
  figure: { ts: string; value: number; delta: number | null; flags: FlagName[]; rev: number };
  units: number;
  /** What it is compared with; null: nothing. An interval has none. */
  baseline: { ts: string; value: number; units: number } | null;
  /** The next record, whatever becomes of it. */
  next: { what: "reading" | "exchange"; ts: string; value: number; units: number } | null;
  /** In whole units: how the register moved, the most that it may have, two steps; null where that means nothing. */
  moved: Whole | null;
  bound: Whole | null;
  jitter: number;
  /** The undeclared epoch that this reading ends: what the register showed before it, and what was counted since. */
  epoch: { beforeTs: string; beforeUnits: number; countedUnits: number } | null;
  rule: ExplainedRule;
  /** Units that the rule counts; null: unknown. */
  counted: Whole | null;
  /** Declared exchanges since the last accepted reading, and what they closed. */
  exchanges: { ts: string; final: number; start: number; units: number | null; text: string }[];
  closedUnits: number | null;
  /** Both together: the delta, in whole units or area of power. */
  delta: Whole | null;
  /** The figure is delta × digits ÷ divisor. */
  divisor: number;
}

export interface PeriodExplanation extends ExplainedFigure {
  period: PeriodName;
  ts: string;
  end: string;
  localDate: string;
  lengthMs: number;
  figure: { value: number | null; min: number | null; max: number | null; coverage: number; readings: number; flags: FlagName[] };
  records: (ExplainedRecord | ExplainedRun)[];
  /** Sum of all parts; null where nothing is known. */
  part: Whole | null;
  coveredMs: number;
  /** The figure is part × digits ÷ divisor. */
  divisor: number;
}

export interface ExplainedDay {
  localDate: string;
  ts: string;
  lengthMs: number;
  /** Null: there is no row, or nothing is known. */
  value: number | null;
  /** In units of the month's scale. */
  units: Whole | null;
  min: number | null;
  max: number | null;
  coverage: number;
  coveredMs: number;
  readings: number;
  flags: FlagName[];
  hasRow: boolean;
}

/** A local month, from its days' rows. */
export interface MonthExplanation extends ExplainedFigure {
  period: "month";
  ts: string;
  end: string;
  localDate: string;
  lengthMs: number;
  figure: PeriodExplanation["figure"];
  days: ExplainedDay[];
  coveredMs: number;
}

export type Explanation = ReadingExplanation | PeriodExplanation | MonthExplanation;
