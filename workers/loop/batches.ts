import type { RingConsumer } from "../../engine/memory/ring.js";

interface Batch {
  position: number;
  cursor: number;
  liveMs: number;
}

/**
 * Batches that were taken from the ring and are not durable yet, in order: their part of the ring is needed again if the shard has to be
 * opened anew, and is free once they are durable.
 */
export class Batches {
  readonly #ring: RingConsumer;
  readonly #batches: Batch[] = [];
  /** When the oldest live frame of the batch under way arrived, in epoch milliseconds; Infinity: it has none. */
  #liveMs = Number.POSITIVE_INFINITY;

  constructor(ring: RingConsumer) {
    this.#ring = ring;
  }

  /** A frame without late readings, which arrived at this instant, is part of the batch under way. */
  live(arrivalMs: number): void {
    if (arrivalMs < this.#liveMs) this.#liveMs = arrivalMs;
  }

  /** The batch under way ends at this position of the journal. */
  end(position: number): void {
    this.#batches.push({ position, cursor: this.#ring.cursor, liveMs: this.#liveMs });
    this.#liveMs = Number.POSITIVE_INFINITY;
  }

  /** Everything up to here is durable; `live` is told when the oldest live frame of each batch arrived. */
  free(durable: number, live: (arrivalMs: number) => void): void {
    let freed = 0;
    for (const { position, cursor, liveMs } of this.#batches) {
      if (position > durable) break;
      this.#ring.free(cursor);
      if (liveMs < Number.POSITIVE_INFINITY) live(liveMs);
      freed++;
    }
    if (freed > 0) this.#batches.splice(0, freed);
  }

  /** When the oldest live frame arrived that is not durable; Infinity: all are. */
  get oldestLiveMs(): number {
    return this.#batches.reduce((oldest, { liveMs }) => Math.min(oldest, liveMs), this.#liveMs);
  }
}
