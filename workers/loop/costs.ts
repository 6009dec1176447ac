import { Outcome } from "../../engine/memory/protocol.js";
import type { Outbox } from "./outbox.js";

/** What each lane's frames cost in a batch, for the scheduler to charge. */
export class Costs {
  readonly #lanes = new Map<number, { bytes: number; readings: number; micros: number }>();

  add(lane: number, bytes: number, readings: number, micros: number): void {
    const cost = this.#lanes.get(lane);
    if (cost === undefined) this.#lanes.set(lane, { bytes, readings, micros });
    else {
      cost.bytes += bytes;
      cost.readings += readings;
      cost.micros += micros;
    }
  }

  report(outbox: Outbox): void {
    for (const [lane, cost] of this.#lanes) {
      const payload = new Uint8Array(new Uint32Array([cost.bytes]).buffer);
      outbox.send(Outcome.COST, lane, cost.readings, cost.micros, payload);
    }
    this.#lanes.clear();
  }
}
