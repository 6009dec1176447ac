import type { Clock, Timer } from "../base/clock.js";
import type { Slices } from "./frame-maker.js";
import type { LoadSender } from "./sender.js";

const TICK_MS = 1;

/**
 * An open-loop schedule: frame k of datalogger d is due at a time of its own, whatever became of
 * the frames before, the dataloggers one after the other. What the window holds back goes out late
 * and its latency counts from when it was due.
 */
export class Pacer {
  readonly #clock: Clock;
  readonly #senders: readonly LoadSender[];
  readonly #slices: Slices;
  readonly #readingsPerMs: number;
  readonly #startMs: number;
  /** The next frame to fall due, counted over all dataloggers. */
  #cursor = 0;
  #timer: Timer | null = null;

  /** `slices` is how every one of the senders cuts its readings into frames. */
  constructor(clock: Clock, senders: readonly LoadSender[], slices: Slices, readingsPerSecond: number, startMs: number) {
    this.#clock = clock;
    this.#senders = senders;
    this.#slices = slices;
    this.#readingsPerMs = readingsPerSecond / 1000 / senders.length;
    this.#startMs = startMs;
  }

  /** When frame k of a datalogger is due, by the monotonic clock. */
  dueMs(datalogger: number, k: number): number {
    const before = this.#slices.readingsBefore(k);
    const stagger = (this.#slices.readingsOf(k) * datalogger) / this.#senders.length;
    return this.#startMs + (before + stagger) / this.#readingsPerMs;
  }

  start(): void {
    this.#tick();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #tick(): void {
    const now = this.#clock.monotonicMs();
    const count = this.#senders.length;
    for (;;) {
      const datalogger = this.#cursor % count;
      const k = Math.floor(this.#cursor / count);
      if (this.dueMs(datalogger, k) > now) break;
      this.#cursor++;
      const sender = this.#senders[datalogger]!;
      sender.allowedFrames = k + 1;
      sender.pump();
    }
    this.#timer = this.#clock.after(TICK_MS, () => this.#tick());
  }
}
