import { HELD_UP } from "../memory/protocol.js";
import type { RingProducer } from "../memory/ring.js";

/** A record on its way to a shard's ring. */
export interface Queued {
  type: number;
  id: number;
  arrivalMs: number;
  payload: Uint8Array;
}

/** What a record costs beyond its bytes: so many small ones do not get more of the machine than few large ones. */
export const RECORD_COST_BYTES = 256;

/**
 * The queue of one client in front of one shard: raw frames in order of arrival, nothing parsed.
 * Bounded by the windows of its connections (see `windows.ts`).
 */
export class Lane {
  readonly id: number;
  readonly tenant: string;
  #weight: number;
  #readingsPerSecond: number | null;
  #items: (Queued | undefined)[] = [];
  #head = 0;
  /** Bytes waiting here. */
  bytes = 0;
  /** What the lane may still send in its turn, in bytes; negative while it works off what it cost. */
  deficit = 0;
  /** Whether the scheduler has it in its round. */
  active = false;
  /** Nothing is taken from it for now. */
  isHeld = false;
  /** It had to wait for its own sake since it was empty last. */
  isHeldUp = false;
  /** Whether its turn in the round was cut short by a full ring. */
  inTurn = false;
  /** What a byte of its frames has cost lately, in microseconds; NaN: not known yet. */
  microsPerByte = Number.NaN;
  /** Of what it has in the ring: bytes, and microseconds that they are likely to take; of the ring's filling `ringFilling`. */
  ringBytes = 0;
  ringMicros = 0;
  ringFilling = 0;
  #tokens: number;
  #refilledMs = 0;

  constructor(id: number, tenant: string, weight: number, readingsPerSecond: number | null) {
    this.id = id;
    this.tenant = tenant;
    this.#weight = weight;
    this.#readingsPerSecond = readingsPerSecond;
    this.#tokens = readingsPerSecond ?? 0;
  }

  get weight(): number {
    return this.#weight;
  }

  /** Readings per second that the client may send; null: as many as there is room for. */
  get readingsPerSecond(): number | null {
    return this.#readingsPerSecond;
  }

  /** Another share and another limit from now on; what was sent too much under the old limit is worked off under the new one. */
  retune(weight: number, readingsPerSecond: number | null): void {
    if (readingsPerSecond !== null) {
      const most = this.#readingsPerSecond === null ? readingsPerSecond : this.#tokens;
      this.#tokens = Math.min(most, readingsPerSecond);
    }
    this.#weight = weight;
    this.#readingsPerSecond = readingsPerSecond;
  }

  get depth(): number {
    return this.#items.length - this.#head;
  }

  push(item: Queued): void {
    this.#items.push(item);
    this.bytes += item.payload.length + RECORD_COST_BYTES;
  }

  peek(): Queued | undefined {
    return this.#items[this.#head];
  }

  shift(): void {
    const item = this.#items[this.#head];
    if (item === undefined) return;
    this.#items[this.#head++] = undefined;
    this.bytes -= item.payload.length + RECORD_COST_BYTES;
    if (this.#head === this.#items.length) {
      this.#items.length = 0;
      this.#head = 0;
    } else if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
  }

  /** What waits here, in order. */
  *waiting(): Generator<Queued> {
    for (let i = this.#head; i < this.#items.length; i++) yield this.#items[i]!;
  }

  /** Lets go of what waits here but for what `keeps` says; returns what went. */
  discard(keeps: (item: Queued) => boolean): Queued[] {
    const waiting = this.#items.slice(this.#head).filter((item) => item !== undefined);
    this.#items = [];
    this.#head = 0;
    this.bytes = 0;
    const gone: Queued[] = [];
    for (const item of waiting) {
      if (keeps(item)) this.push(item);
      else gone.push(item);
    }
    return gone;
  }

  /** Takes readings from the client's allowance; it may go below zero, then the lane pauses until it is refilled. */
  spend(readings: number): void {
    if (this.readingsPerSecond !== null) this.#tokens -= readings;
  }

  /** Milliseconds until the client may send again, 0 when it may now. */
  pauseMs(nowMs: number): number {
    if (this.readingsPerSecond === null) return 0;
    const elapsed = Math.max(0, nowMs - this.#refilledMs);
    this.#refilledMs = nowMs;
    this.#tokens = Math.min(this.readingsPerSecond, this.#tokens + (elapsed * this.readingsPerSecond) / 1000);
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens * 1000) / this.readingsPerSecond);
  }

  /** Writes the head into the ring; false when the ring has no room. */
  moveTo(ring: RingProducer): boolean {
    const item = this.peek();
    const extra = this.isHeldUp ? this.id | HELD_UP : this.id;
    if (item === undefined || !ring.write(item.type, item.id, extra, item.arrivalMs, item.payload)) return false;
    this.shift();
    return true;
  }
}
