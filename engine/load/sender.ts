import type { Clock } from "../base/clock.js";
import type { MeterstormError } from "../base/errors.js";
import { type Frame, FrameLink } from "../client/link.js";
import type { Rejected, Welcome } from "../client/messages.js";
import type { FrameMaker } from "./frame-maker.js";
import type { Histogram } from "./histogram.js";

export interface SenderOptions {
  readonly url: string;
  readonly token: string;
  readonly datalogger: string;
  /** Ids of its meters; a binary frame's alias is the place in this list. */
  readonly meters: readonly string[];
  readonly clock: Clock;
  readonly random: () => number;
  /** Readings to send in all; Infinity where only the time ends it. */
  readonly readings: number;
  readonly latencies: Histogram;
  readonly onWelcome: (welcome: Welcome) => void;
  readonly onDone: () => void;
  readonly onError: (error: MeterstormError) => void;
}

/** A reading that the engine refused. */
export interface RejectedReading {
  readonly meter: number;
  readonly round: number;
  readonly code: string;
}

/** One datalogger of a load test: makes frames as the window (and the schedule) lets them out, and counts what becomes of them. */
export class LoadSender {
  readonly #options: SenderOptions;
  readonly #link: FrameLink;
  #maker: FrameMaker | null = null;
  #firstSeq = 0;
  #nextFrame = 0;
  #ackedFrames = 0;
  #welcomed = false;
  #stopped = false;
  #done = false;
  sent = 0;
  /** Readings in acked frames, rejected ones included. */
  acked = 0;
  /** When the last ack came, by the monotonic clock. */
  lastAckMs = 0;
  readonly rejected: RejectedReading[] = [];
  /** Frames that may go out by now; a schedule raises it. */
  allowedFrames = Number.POSITIVE_INFINITY;
  #dueMs: ((k: number) => number) | null = null;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#link = new FrameLink({
      ...options,
      onAcked: (frame) => this.#onAcked(frame),
      onRejected: (rejected) => this.#onRejected(rejected),
      onRoom: () => this.#onRoom(),
      onEnd: (error) => {
        if (error !== null) options.onError(error);
      },
    });
  }

  get resent(): number {
    return this.#link.counters.resent;
  }

  get reconnects(): number {
    return this.#link.counters.reconnects;
  }

  get regressions(): number {
    return this.#link.counters.regressions;
  }

  /** Readings in frames handed over and not acked. */
  get unacked(): number {
    return this.sent - this.acked;
  }

  /**
   * From here on frames go out: all that the window takes, or with `dueMs` (by the monotonic clock)
   * those that `allowedFrames` lets through, their latency counted from when they were due.
   */
  start(maker: FrameMaker, dueMs: ((k: number) => number) | null): void {
    this.#maker = maker;
    this.#dueMs = dueMs;
    if (dueMs !== null) this.allowedFrames = 0;
    this.pump();
  }

  /** No new frame from here on; done once what was sent is acked. */
  stop(): void {
    this.#stopped = true;
    this.#settle();
  }

  close(): void {
    this.#link.close();
  }

  /** Sends what may be sent now. */
  pump(): void {
    const link = this.#link;
    const maker = this.#maker;
    if (maker === null || this.#stopped) return;
    const { readings: total } = this.#options;
    while (this.#nextFrame < this.allowedFrames && this.sent < total && link.fits(maker.bytesOf(this.#nextFrame))) {
      const k = this.#nextFrame++;
      const readings = Math.min(maker.slices.readingsOf(k), total - this.sent);
      const seq = link.takeSeq();
      if (k === 0) this.#firstSeq = seq;
      this.sent += readings;
      link.push({ seq, bytes: maker.make(k, seq, readings), binary: maker.binary, readings, handedMs: 0, cost: 0 });
    }
    this.#settle();
  }

  /** How many of a meter's readings are acked: its rounds below this number. */
  ackedRounds(meter: number): number {
    return this.#maker?.slices.roundsWithin(meter, this.acked) ?? 0;
  }

  /** How many of a meter's readings were sent, acked or not. */
  sentRounds(meter: number): number {
    return this.#maker?.slices.roundsWithin(meter, this.sent) ?? 0;
  }

  #onRoom(): void {
    if (!this.#welcomed) {
      this.#welcomed = true;
      this.#options.onWelcome(this.#link.welcome!);
    }
    this.pump();
    this.#settle();
  }

  #onAcked(frame: Frame): void {
    const k = this.#ackedFrames++;
    const { clock, latencies } = this.#options;
    this.lastAckMs = clock.monotonicMs();
    latencies.record(this.lastAckMs - (this.#dueMs === null ? frame.handedMs : this.#dueMs(k)), frame.readings);
    this.acked += frame.readings;
    this.#maker!.release(k, frame.bytes);
  }

  #onRejected({ seq, index, code }: Rejected): void {
    const maker = this.#maker;
    const k = seq - this.#firstSeq;
    if (maker === null || k < 0 || k >= this.#nextFrame) return;
    const from = index ?? 0;
    const to = index === undefined ? maker.slices.readingsOf(k) : index + 1;
    for (let i = from; i < to; i++) this.rejected.push({ ...maker.slices.locate(k, i), code });
  }

  #settle(): void {
    const complete = this.#stopped || this.sent >= this.#options.readings;
    if (this.#done || !complete || this.#link.unackedFrames > 0) return;
    this.#done = true;
    this.#options.onDone();
  }
}
