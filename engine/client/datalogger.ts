import { type Clock, systemClock } from "../base/clock.js";
import { MeterstormError } from "../base/errors.js";
import { Aliases } from "./aliases.js";
import {
  encodeBinaryFrame,
  FRAME_HEADER_BYTES,
  joinTextFrame,
  type MeterExchange,
  type MeterReading,
  READING_RECORD_BYTES,
  textOfReading,
} from "./frames.js";
import { type Frame, FrameLink } from "./link.js";
import type { Rejected, Welcome } from "./messages.js";

export type { MeterExchange, MeterReading } from "./frames.js";
export type { Rejected, Welcome } from "./messages.js";

export interface AckedFrame {
  readonly seq: number;
  /** Readings in the frame, rejected ones included. */
  readonly readings: number;
  /** From the first hand-over to a socket until the ack, milliseconds. */
  readonly latencyMs: number;
}

export interface DataloggerOptions {
  /** The engine's address, such as `ws://127.0.0.1:8080`. */
  readonly url: string;
  /** `<tenant>.<keyId>.<secret>`, role ingest or admin. */
  readonly token: string;
  readonly datalogger: string;
  readonly format: "binary" | "text";
  readonly clock?: Clock;
  /** Numbers in [0, 1), for the jitter of reconnects. */
  readonly random?: () => number;
  /** Cuts frames smaller than the engine asks for; bytes. */
  readonly maxFrameBytes?: number;
  readonly onReject?: (rejected: Rejected) => void;
  readonly onAck?: (frame: AckedFrame) => void;
}

export interface DataloggerCounters {
  /** Readings handed to a socket, each counted once. */
  sent: number;
  /** Readings in acked frames, rejected ones included. */
  acked: number;
  /** Readings that the engine listed as rejected. */
  rejected: number;
  /** Readings handed to a socket again. */
  resent: number;
  reconnects: number;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: MeterstormError) => void;
}

/** A seq has at most 16 digits. */
const TEXT_ENVELOPE_BYTES = Buffer.byteLength('{"seq":,"readings":[]}') + 16;

/**
 * A datalogger: takes readings, cuts them into frames and sends them over a WebSocket, within the
 * window, until each is acked. Connections that break are made again (with growing, jittered
 * delays) and what the engine does not have is sent again, in order and under the same seq.
 *
 * It ends with a MeterstormError, from every pending and later call, when the engine says what no
 * other connection would change: `unauthorized`, `forbidden`, `bad_request`, `seq_reused`,
 * `over_window`, `malformed`, `frame_too_large`, `replaced`; or with `closed` after `close()`.
 */
export class Datalogger {
  readonly #options: DataloggerOptions;
  readonly #clock: Clock;
  readonly #counters: DataloggerCounters = { sent: 0, acked: 0, rejected: 0, resent: 0, reconnects: 0 };
  readonly #aliases = new Aliases();
  #link: FrameLink | null = null;
  #ended: MeterstormError | null = null;
  /** Sends take their turns here, so that the order of calls is the order of seq. */
  #turn: Promise<void> = Promise.resolve();
  #sending = 0;
  #roomWaiters: Waiter[] = [];
  #drainWaiters: Waiter[] = [];
  /** Readings in frames that were listed as malformed, by seq, until their ack. */
  readonly #malformed = new Set<number>();

  constructor(options: DataloggerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  get counters(): Readonly<DataloggerCounters> {
    if (this.#link !== null) {
      this.#counters.resent = this.#link.counters.resent;
      this.#counters.reconnects = this.#link.counters.reconnects;
    }
    return this.#counters;
  }

  get connected(): boolean {
    return this.#link?.connected ?? false;
  }

  /** The latest welcome; null before the first. */
  get welcome(): Welcome | null {
    return this.#link?.welcome ?? null;
  }

  /** Connects (a first `send` does so too) and resolves with the first welcome, however long that takes. */
  async connect(): Promise<Welcome> {
    const link = this.#open();
    while (link.welcome === null) await this.#room();
    return link.welcome;
  }

  /**
   * Sends readings in the given order, in frames of the datalogger's format or another. Resolves when the last of them was handed to the socket;
   * `drained()` says when they are safe. Rejects with the error that ended the datalogger, and with
   * `value_invalid` (text: a value that JSON cannot carry), `rev_invalid`, `meter_invalid` or
   * `alias_limit` (binary: what the frame has no room for); frames before the faulty one are sent.
   */
  send(readings: readonly (MeterReading | MeterExchange)[], format = this.#options.format): Promise<void> {
    if (readings.length === 0) return Promise.resolve();
    this.#sending++;
    const sent = this.#turn.then(() => this.#send(readings, format));
    this.#turn = sent
      .catch(() => {})
      .then(() => {
        this.#sending--;
        this.#settleDrained();
      });
    return sent;
  }

  /** Resolves when everything given to `send` until now is acked. */
  drained(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#drainWaiters.push({ resolve, reject });
      this.#settleDrained();
    });
  }

  /** Closes the connection. What is not acked is forgotten here; `drained()` before it to be sure. */
  async close(): Promise<void> {
    if (this.#link === null) this.#onEnd(null);
    this.#link?.close();
    await this.#turn;
  }

  /** Breaks the connection without a word, as a lost network would; it comes back by itself. */
  breakConnection(): void {
    this.#link?.breakConnection();
  }

  #open(): FrameLink {
    if (this.#ended !== null) throw this.#ended;
    const { url, token, datalogger, random } = this.#options;
    this.#link ??= new FrameLink({
      url,
      token,
      datalogger,
      clock: this.#clock,
      random: random ?? Math.random,
      meters: this.#aliases.meters,
      onAcked: (frame) => this.#onAcked(frame),
      onRejected: (rejected) => this.#onRejected(rejected),
      onRoom: () => this.#onRoom(),
      onEnd: (error) => this.#onEnd(error),
    });
    return this.#link;
  }

  async #send(readings: readonly (MeterReading | MeterExchange)[], format: "binary" | "text"): Promise<void> {
    const { maxFrameBytes } = await this.connect();
    const limit = Math.min(maxFrameBytes, this.#options.maxFrameBytes ?? maxFrameBytes);
    // Exchanges have no binary form: neighbours that have one travel together.
    let from = 0;
    while (from < readings.length) {
      const exchange = format === "binary" && "exchange" in readings[from]!;
      let to = from + 1;
      while (to < readings.length && "exchange" in readings[to]! === exchange) to++;
      if (format === "text") to = readings.length;
      const run = readings.slice(from, to);
      if (format === "text" || exchange) await this.#sendText(run, limit);
      else await this.#sendBinary(run as readonly MeterReading[], limit);
      from = to;
    }
  }

  async #sendBinary(readings: readonly MeterReading[], limit: number): Promise<void> {
    const perFrame = Math.max(1, Math.floor((limit - FRAME_HEADER_BYTES) / READING_RECORD_BYTES));
    for (let from = 0; from < readings.length; from += perFrame) {
      const part = readings.slice(from, from + perFrame);
      const bytes = FRAME_HEADER_BYTES + part.length * READING_RECORD_BYTES;
      const aliased = part.map((reading) => this.#aliases.aliased(reading));
      const link = await this.#fitting(bytes);
      const seq = link.takeSeq();
      this.#push(link, {
        seq,
        bytes: encodeBinaryFrame(seq, aliased),
        binary: true,
        readings: part.length,
        handedMs: 0,
        cost: 0,
      });
    }
  }

  async #sendText(readings: readonly (MeterReading | MeterExchange)[], limit: number): Promise<void> {
    const texts = readings.map(textOfReading);
    let from = 0;
    let bytes = TEXT_ENVELOPE_BYTES;
    for (let i = 0; i <= texts.length; i++) {
      const more = i < texts.length ? Buffer.byteLength(texts[i]!) + 1 : 0;
      if (i > from && (i === texts.length || bytes + more > limit)) {
        const link = await this.#fitting(bytes);
        const seq = link.takeSeq();
        const frame = joinTextFrame(seq, texts.slice(from, i));
        this.#push(link, { seq, bytes: frame, binary: false, readings: i - from, handedMs: 0, cost: 0 });
        from = i;
        bytes = TEXT_ENVELOPE_BYTES;
      }
      bytes += more;
    }
  }

  #push(link: FrameLink, frame: Frame): void {
    this.#counters.sent += frame.readings;
    link.push(frame);
  }

  async #fitting(bytes: number): Promise<FrameLink> {
    const link = this.#open();
    while (!link.fits(bytes)) await this.#room();
    return link;
  }

  /** Resolves when it is worth asking again whether a frame fits; rejects when the datalogger has ended. */
  #room(): Promise<void> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#roomWaiters.push({ resolve, reject });
    });
  }

  #onAcked(frame: Frame): void {
    this.#counters.acked += frame.readings;
    if (this.#malformed.delete(frame.seq)) this.#counters.rejected += frame.readings;
    this.#options.onAck?.({
      seq: frame.seq,
      readings: frame.readings,
      latencyMs: this.#clock.monotonicMs() - frame.handedMs,
    });
  }

  #onRejected(rejected: Rejected): void {
    if (rejected.index === undefined) this.#malformed.add(rejected.seq);
    else this.#counters.rejected++;
    this.#options.onReject?.(rejected);
  }

  #onRoom(): void {
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const waiter of waiters) waiter.resolve();
    this.#settleDrained();
  }

  #settleDrained(): void {
    if (this.#drainWaiters.length === 0) return;
    const unacked = this.#sending > 0 || (this.#link?.unackedFrames ?? 0) > 0;
    if (this.#ended === null && unacked) return;
    const waiters = this.#drainWaiters;
    this.#drainWaiters = [];
    for (const waiter of waiters) {
      if (this.#ended !== null) waiter.reject(this.#ended);
      else waiter.resolve();
    }
  }

  #onEnd(error: MeterstormError | null): void {
    this.#ended ??= error ?? new MeterstormError("closed", "this datalogger was closed; make another one to send again");
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const waiter of waiters) waiter.reject(this.#ended);
    this.#settleDrained();
  }
}
