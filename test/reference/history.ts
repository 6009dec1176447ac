import type { ReadingRow } from "../../engine/store/interface.js";
import type { Step } from "./steps.js";

export interface ReadingInput {
  ts: number;
  value: number;
  rev?: number;
}

/** A declared exchange; `null` withdraws the one at this ts. */
export interface ExchangeInput {
  ts: number;
  exchange: { final: number; start: number } | null;
  rev?: number;
}

export type Input = ReadingInput | ExchangeInput;

/** The reading that stands at its ts. */
export interface Reading {
  step: Step;
  ts: number;
  value: number;
  rev: number;
  conflict: boolean;
}

export interface Exchange {
  step: Step;
  ts: number;
  exchange: { final: number; start: number } | null;
}

/** A reading that has been judged. */
export interface Judged {
  row: ReadingRow;
  step: Step;
  /** When it counts: its ts, for an interval its end. */
  at: number;
  accepted: boolean;
}

/** A stretch of time whose amount is known. */
export interface Segment {
  /** In force at its end. */
  step: Step;
  from: number;
  to: number;
  /** The part of its amount up to an instant within it, in whole units; for lines the area, in units × ms ÷ 2. */
  upTo(ts: number): bigint;
  /** Flags of the reading that ends it. */
  flags: number;
  /** For lines: the values at both ends. */
  line?: { from: bigint; to: bigint };
}

/** What was made of all records, before it is spread over periods. */
export interface History {
  judged: Judged[];
  segments: Segment[];
  /** Times of all records, in order: accepted or not, withdrawn exchanges too. */
  records: number[];
}

export const LONGEST_SPREAD_MS = 92 * 24 * 3_600_000;
