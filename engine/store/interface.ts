import type { PeriodName, Severity } from "../base/entries.js";

/** Names behind the numbers in entries. Numbers are a shard's own. */
export interface Names {
  tenantOfMeter(meter: number): string;
  meter(meter: number): string;
  datalogger(datalogger: number): { tenant: string; id: string };
  rule(rule: number): string;
}

/** Why a batch is not in the store. */
export type StoreFailure = (
  | /** The store finds a fault in a table, or in more than a few rows; sent again it would be refused again until somebody puts that right. */
  { kind: "refused"; message: string; line?: number }
  /** Not reached, or an answer that says "later". */
  | { kind: "unavailable"; message: string }
  /** It may have been taken, now or later: an old copy may still commit (see the sink's settle time). */
  | { kind: "doubtful"; message: string }
) & {
  /**
   * `hidden`: what was taken and cannot be read yet may be gone; send again from the first batch of which that was still said.
   * `all`: the store shows signs that it no longer has what could be read; send again from the oldest block that is kept.
   */
  again?: "hidden" | "all";
};

/** A row that the store refuses by itself, while it takes its neighbours; it was kept in `rejected`. */
export interface RefusedRow {
  readonly table: string;
  /** Made from an input of its unit, so that it is no stored reading. */
  readonly isReading: boolean;
  /** Which one it is and what was found, for people. */
  readonly text: string;
}

export type StoreOutcome =
  | {
      ok: true;
      /** How many of the batches with entries, this one included, the store has taken and cannot show yet: the latest ones. Left out: none. */
      hidden?: number;
      /** What is not as it should be all the same; left out: nothing. */
      trouble?: string;
      /** Rows of this batch that it refuses. */
      refused?: readonly RefusedRow[];
    }
  | ({ ok: false } & StoreFailure);

/**
 * Writes entries in journal order. `entries` is a whole number of units (see `base/entries.ts`);
 * the sink takes READING, REWRITE, PERIOD, ALERT, EXCHANGE and REJECT out of them and ignores the rest (an EXCHANGE
 * that is only an input has no row either). Within one call a later row of the same identity wins over an earlier one. One call at a time.
 */
export interface Sink {
  /** Most rows that a batch should have; `limits.sinkBatchRows` where it does not say. */
  readonly batchRows?: number;
  /**
   * How long after a doubtful outcome, or after its sender died, an old copy of a batch may still commit, in milliseconds;
   * 0 where none can. Left out: 5,000.
   */
  readonly settleMs?: number;
  write(entries: readonly Uint8Array[]): Promise<StoreOutcome>;
  /** All that the journal keeps can be read in the store as it is now: a later start may take it for granted. Throws what the disk says. */
  remember?(): void;
  /**
   * What the store holds of some meters, each within its own range; at most one call at a time, also beside `write`. Resolves only once all
   * rows of writes that were answered `ok` before the call can be read. Rejects with MeterstormError `store_unavailable` when they cannot be
   * (the store is away, hangs, a table is suspended): the caller asks again later.
   */
  history(ranges: readonly HistoryRange[]): Promise<MeterHistory[]>;
  /** The same for rows of `consumption`; it and `history` are one question at a time together. */
  consumption(ranges: readonly HistoryRange[]): Promise<MeterPeriods[]>;
  close(): Promise<void>;
}

/** A meter's records between two instants, both included; epoch milliseconds. */
export interface HistoryRange {
  meter: number;
  from: number;
  to: number;
}

/** Columns of what stands in a range, each ordered by ts, `delta` NaN for NULL; one object for each range asked for, in the same order. */
export interface MeterHistory {
  meter: number;
  readings: { ts: number[]; value: number[]; rev: number[]; delta: number[]; flags: number[] };
  /** A withdrawn exchange is one whose final and start are NaN. */
  exchanges: { ts: number[]; final: number[]; start: number[]; rev: number[] };
}

/** As `MeterHistory`; `period` is an index into PERIODS, −1: none of them. NaN for NULL. */
export interface MeterPeriods {
  meter: number;
  consumption: {
    ts: number[];
    period: number[];
    value: number[];
    min: number[];
    max: number[];
    coverage: number[];
    readings: number[];
    flags: number[];
  };
}

export interface ReadingRow {
  ts: number;
  value: number;
  rev: number;
  delta: number | null;
  flags: number;
}

export interface ConsumptionRow {
  ts: number;
  period: PeriodName;
  value: number | null;
  min: number | null;
  max: number | null;
  coverage: number;
  readings: number;
  flags: number;
}

export interface AlertRow {
  ts: number;
  meter: string;
  rule: string;
  incident: string;
  state: "firing" | "resolved";
  severity: Severity;
  value: number | null;
  /** Null for rules that have none. */
  threshold: number | null;
}

export interface RejectedRow {
  ts: number;
  datalogger: string;
  seq: number;
  index: number;
  meter: string;
  code: string;
  raw: string;
}

/** Half-open range of epoch milliseconds: from ≤ ts < to. */
export interface Range {
  from: number;
  to: number;
}

export interface AlertFilter extends Range {
  state?: "firing" | "resolved";
  meter?: string;
  rule?: string;
  limit: number;
}

/** An alert from its opening to its end. */
export interface IncidentRow {
  incident: string;
  meter: string;
  rule: string;
  /** Of its newest transition, whenever that was. */
  state: "firing" | "resolved";
  /** The severity it has now, or had last. */
  severity: Severity;
  /** The gravest that it had. */
  worst: Severity;
  /** When it opened, the value that opened it and the threshold that this was beyond; null for rules that have none. */
  ts: number;
  value: number | null;
  threshold: number | null;
  resolved: number | null;
}

/** Those that were open at any instant of the range: opened before `to`, and not resolved at or before `from`. */
export interface IncidentFilter extends Range {
  state?: "firing" | "resolved";
  meter?: string;
  rule?: string;
  /** Only what opened before this one, of those that opened at one instant by their ids. */
  before?: { ts: number; incident: string };
  limit: number;
}

/** A store seen from the engine: its tables, and what the queries need. All rows come ordered by ts. */
export interface Store {
  /** Creates missing tables, checks existing ones. Throws MeterstormError `store_schema` on a table that does not fit, `store_unavailable` when not reached. */
  prepare(): Promise<void>;
  /** What the data directory remembers: the store's own identity, stable over its restarts. */
  identity(): Promise<string>;
  /** Rejects when the store does not answer now or is not healthy; the message says why. */
  check(): Promise<void>;
  readings(tenant: string, meter: string, range: Range, limit: number): Promise<ReadingRow[]>;
  consumption(tenant: string, meter: string, period: PeriodName, range: Range, limit: number): Promise<ConsumptionRow[]>;
  alerts(tenant: string, filter: AlertFilter): Promise<AlertRow[]>;
  /** Of more than `limit` those that opened last; in order of their opening. */
  incidents(tenant: string, filter: IncidentFilter): Promise<IncidentRow[]>;
  rejected(tenant: string, range: Range, limit: number): Promise<RejectedRow[]>;
  close(): Promise<void>;
}
