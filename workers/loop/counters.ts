import type { RejectCode } from "../../engine/base/errors.js";
import type { ShardStats } from "../../engine/memory/protocol.js";

/** What a shard says of itself that is no count of events. */
export type StatsNow = Omit<ShardStats, "received" | "late" | "rejected" | "transitions" | "storeErrors" | "storedReadings">;

type Table = Map<string, Map<string, number>>;

function bump(table: Table, tenant: string, key: string, by: number): void {
  const row = table.get(tenant) ?? new Map<string, number>();
  table.set(tenant, row);
  row.set(key, (row.get(key) ?? 0) + by);
}

function plain(table: Table): Record<string, Record<string, number>> {
  return Object.fromEntries([...table].map(([tenant, row]) => [tenant, Object.fromEntries(row)]));
}

/** What a shard counts, by tenant; counted per frame, never per reading. */
export class Counters {
  readonly #received = new Map<string, number>();
  readonly #late = new Map<string, number>();
  readonly #rejected: Table = new Map();
  readonly #transitions: Table = new Map();
  readonly #storeErrors = new Map<string, number>();
  /** Readings computed and readings stored since the worker began. */
  computedReadings = 0;
  storedReadings = 0;

  received(tenant: string, readings: number): void {
    this.#received.set(tenant, (this.#received.get(tenant) ?? 0) + readings);
  }

  late(tenant: string, readings: number): void {
    this.#late.set(tenant, (this.#late.get(tenant) ?? 0) + readings);
  }

  rejected(tenant: string, code: RejectCode): void {
    bump(this.#rejected, tenant, code, 1);
  }

  transition(tenant: string, state: string): void {
    bump(this.#transitions, tenant, state, 1);
  }

  storeError(kind: string): void {
    this.#storeErrors.set(kind, (this.#storeErrors.get(kind) ?? 0) + 1);
  }

  /** `now`: what is not counted here but looked at. */
  stats(now: StatsNow): ShardStats {
    return {
      received: Object.fromEntries(this.#received),
      late: Object.fromEntries(this.#late),
      rejected: plain(this.#rejected),
      transitions: plain(this.#transitions),
      storeErrors: Object.fromEntries(this.#storeErrors),
      storedReadings: this.storedReadings,
      ...now,
    };
  }
}
