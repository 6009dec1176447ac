import type { Range, ReadingRow } from "../store/interface.js";

/** A declared exchange that stands; `final` and `start` null where it was withdrawn. */
export interface DeclaredExchange {
  ts: number;
  final: number | null;
  start: number | null;
  rev: number;
}

/** Where stored history is read from. All methods throw MeterstormError: `store_unavailable` where asking again may help, else what is wrong. */
export interface History {
  /** Every meter of the client that ever sent, in order of their ids. */
  meters(tenant: string): Promise<string[]>;
  /** Ordered by ts. */
  readings(tenant: string, meter: string, range: Range, limit: number): Promise<ReadingRow[]>;
  /** Ordered by ts: at least all those between the first and the last of some readings that follow each other. */
  exchanges(tenant: string, meter: string, readings: readonly ReadingRow[]): Promise<DeclaredExchange[]>;
  close(): Promise<void>;
}
