import type { Clock } from "../../engine/base/clock.js";

/** So long a live frame may wait, from its arrival until it is durable, before late work gives way. */
const LIVE_WAIT_MS = 10;
/** The share is looked at anew so often: gives way at once, comes back slowly, and fast where nobody waits. */
const WINDOW_MS = 100;
const GIVE_WAY = 0.7;
const COME_BACK = 1.1;
const ALONE = 2;
/** Live frames come in rounds; after so long without any nobody waits. */
const ALONE_AFTER_MS = 30_000;
const LEAST_SHARE = 1 / 64;
/** A rest is no longer, so that a share that was small once does not last. */
const MOST_REST_MS = 1_000;

export interface PacePorts {
  readonly clock: Clock;
  /** When the oldest live frame arrived that is not durable yet, in epoch milliseconds; Infinity: none. */
  oldestLiveMs(): number;
}

/**
 * How much of the time late work may take: all of it while live frames do not feel it, else less and less. What hurts them may be the
 * thread, the disk that their journal is synced to, or a store that works rows of long ago into its tables on the same machine; all of
 * it shows in how long they wait until they are durable, so that alone is looked at (additive increase, multiplicative decrease).
 */
export class Pace {
  readonly #ports: PacePorts;
  /** Of the time, 0 < share ≤ 1. */
  #share = 1;
  #worstMs = 0;
  #lastLiveMs = Number.NEGATIVE_INFINITY;
  #windowEndMs = Number.NEGATIVE_INFINITY;
  /** When the late frames that were taken have used up their time. */
  #takenUntilMs = Number.NEGATIVE_INFINITY;

  constructor(ports: PacePorts) {
    this.#ports = ports;
  }

  /** A live frame that arrived at this instant is durable now. */
  live(arrivalMs: number): void {
    this.#lastLiveMs = this.#ports.clock.monotonicMs();
    this.#worstMs = Math.max(this.#worstMs, this.#ports.clock.nowMs() - arrivalMs);
    this.#look();
  }

  /** How long late work rests after it has worked for so long; milliseconds. */
  restMs(workedMs: number): number {
    this.#look();
    return Math.min(MOST_REST_MS, workedMs * (1 / this.#share - 1));
  }

  /** A frame with late readings took so long. Returns from when on (monotonic milliseconds) its sender may send more. */
  takenUntil(workedMs: number): number {
    this.#look();
    const nowMs = this.#ports.clock.monotonicMs();
    this.#takenUntilMs = Math.min(Math.max(this.#takenUntilMs, nowMs) + this.restMs(workedMs), nowMs + MOST_REST_MS);
    return this.#takenUntilMs;
  }

  get share(): number {
    return this.#share;
  }

  #look(): void {
    const { clock, oldestLiveMs } = this.#ports;
    const nowMs = clock.monotonicMs();
    if (nowMs < this.#windowEndMs) return;
    this.#windowEndMs = nowMs + WINDOW_MS;
    const oldestMs = oldestLiveMs();
    const worstMs = Math.max(this.#worstMs, oldestMs < Number.POSITIVE_INFINITY ? clock.nowMs() - oldestMs : 0);
    const quietMs = nowMs - this.#lastLiveMs;
    const calm = quietMs < WINDOW_MS ? COME_BACK : quietMs < ALONE_AFTER_MS ? 1 : ALONE;
    const factor = worstMs > LIVE_WAIT_MS ? GIVE_WAY : calm;
    this.#share = Math.min(1, Math.max(LEAST_SHARE, this.#share * factor));
    this.#worstMs = 0;
  }
}
