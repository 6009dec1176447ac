import type { DeclaredExchange, History } from "../../engine/rules-test/history.js";
import type { Range, ReadingRow } from "../../engine/store/interface.js";

/** A store of one client that is a list; it counts what it is asked. */
export class FakeHistory implements History {
  questions = 0;
  readonly #readings = new Map<string, ReadingRow[]>();
  readonly #exchanges = new Map<string, DeclaredExchange[]>();

  /** Values at instants; what the engine had said of each is only its flags. */
  put(meter: string, readings: readonly (readonly [ts: number, value: number, flags?: number])[]): this {
    const rows = readings.map(([ts, value, flags = 0]) => ({ ts, value, rev: 0, delta: null, flags }));
    this.#readings.set(
      meter,
      [...(this.#readings.get(meter) ?? []), ...rows].sort((a, b) => a.ts - b.ts),
    );
    return this;
  }

  declare(meter: string, exchange: DeclaredExchange): this {
    this.#exchanges.set(meter, [...(this.#exchanges.get(meter) ?? []), exchange]);
    return this;
  }

  meters(): Promise<string[]> {
    return Promise.resolve([...this.#readings.keys()].sort());
  }

  readings(_tenant: string, meter: string, { from, to }: Range, limit: number): Promise<ReadingRow[]> {
    this.questions++;
    const rows = (this.#readings.get(meter) ?? []).filter(({ ts }) => ts >= from && ts < to);
    return Promise.resolve(rows.slice(0, limit));
  }

  exchanges(_tenant: string, meter: string): Promise<DeclaredExchange[]> {
    return Promise.resolve(this.#exchanges.get(meter) ?? []);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
