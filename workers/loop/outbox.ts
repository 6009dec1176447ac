import type { RingProducer } from "../../engine/memory/ring.js";

interface Waiting {
  type: number;
  id: number;
  extra: number;
  number: number;
  payload: Uint8Array | undefined;
}

const utf8 = new TextEncoder();

/**
 * The shard's side of the outcome ring. What does not fit now waits here, in order: the main thread
 * empties the ring within a turn of its loop, and windows and query limits bound what can gather.
 */
export class Outbox {
  readonly #ring: RingProducer;
  readonly #waiting: Waiting[] = [];

  constructor(ring: RingProducer) {
    this.#ring = ring;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  send(type: number, id: number, extra: number, number: number, payload?: Uint8Array): void {
    if (this.#waiting.length === 0 && this.#ring.write(type, id, extra, number, payload)) return;
    this.#waiting.push({ type, id, extra, number, payload: payload?.slice() });
  }

  sendText(type: number, id: number, extra: number, number: number, text: string): void {
    this.send(type, id, extra, number, utf8.encode(text));
  }

  /** Makes everything visible; call once per batch. */
  publish(): void {
    let done = 0;
    for (const record of this.#waiting) {
      if (!this.#ring.write(record.type, record.id, record.extra, record.number, record.payload)) break;
      done++;
    }
    if (done > 0) this.#waiting.splice(0, done);
    this.#ring.publish();
  }
}
