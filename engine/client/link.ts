import { WebSocket } from "ws";
import type { Clock, Timer } from "../base/clock.js";
import { invariant, MeterstormError, messageOf } from "../base/errors.js";
import { Backoff } from "./backoff.js";
import { BoundAliases } from "./bound-aliases.js";
import { errorOfClose, foreignFrames, isFinal } from "./endings.js";
import { type Ack, parseServerMessage, type Rejected, type Welcome } from "./messages.js";
import { readRefusal, SUBPROTOCOL, streamUrl } from "./upgrade.js";

/** A frame from its encoding to its ack. Its bytes must not change in between: they may be sent again. */
export interface Frame {
  readonly seq: number;
  readonly bytes: Buffer;
  readonly binary: boolean;
  readonly readings: number;
  /** When it was first handed to a socket, by the monotonic clock; 0 before. Set by the link. */
  handedMs: number;
  /** Bytes that count against the window: its own and those of the bind frames sent for it. Set by the link. */
  cost: number;
}

export interface LinkOptions {
  readonly url: string;
  readonly token: string;
  readonly datalogger: string;
  readonly clock: Clock;
  /** Numbers in [0, 1) for the jitter of reconnects. */
  readonly random: () => number;
  /** The meter behind each alias of binary frames; may grow at its end. */
  readonly meters: readonly string[];
  /** Everything up to this frame is as safe as the welcome says. Frames come in order, each once. */
  readonly onAcked: (frame: Frame) => void;
  readonly onRejected: (rejected: Rejected) => void;
  /** The window may have opened: `fits` is worth asking again. */
  readonly onRoom: () => void;
  /** The link is over: the error says why. Comes at most once; null after `close()`. */
  readonly onEnd: (error: MeterstormError | null) => void;
}

export interface LinkCounters {
  reconnects: number;
  /** Readings handed to a socket more than once, counted each further time. */
  resent: number;
  /** Welcomes that named a lower seq than one acked before: the engine lost what it had called safe. */
  regressions: number;
}

const WELCOME_WITHIN_MS = 10_000;
const HEARTBEAT_MS = 20_000;
const GOODBYE_MS = 1_000;

/**
 * One datalogger's side of the stream, over as many connections as it takes: keeps the window, holds
 * what is not acked, and after a loss sends again, in order and under the same seq, what the engine
 * does not have. Frames are pushed only while `fits` says so; then nothing here can pile up.
 */
export class FrameLink {
  readonly counters: LinkCounters = { reconnects: 0, resent: 0, regressions: 0 };
  readonly #options: LinkOptions;
  readonly #url: string;
  readonly #backoff: Backoff;
  /** Not acked, in order of seq; `#head` is the oldest, `#cursor` the first that this connection has not been given. */
  #frames: Frame[] = [];
  #head = 0;
  #cursor = 0;
  /** Bytes given to this connection and not acked. */
  #unackedBytes = 0;
  #socket: WebSocket | null = null;
  #welcome: Welcome | null = null;
  #connected = false;
  #window = 0;
  #nextSeq = 0;
  #ackedSeq = 0;
  #bound = new BoundAliases();
  #lastRefusal: MeterstormError | null = null;
  #timer: Timer | null = null;
  #heartbeat: Timer | null = null;
  #heard = true;
  #ended = false;

  /** Connects at once. Throws MeterstormError `url_invalid`. */
  constructor(options: LinkOptions) {
    this.#options = options;
    this.#url = streamUrl(options.url, options.datalogger);
    this.#backoff = new Backoff(options.random);
    this.#connect();
  }

  /** The latest welcome, or null before the first. */
  get welcome(): Welcome | null {
    return this.#welcome;
  }

  get connected(): boolean {
    return this.#connected;
  }

  get unackedFrames(): number {
    return this.#frames.length - this.#head;
  }

  /** Takes the next seq. Known from the first welcome on. */
  takeSeq(): number {
    invariant(this.#welcome !== null, "a seq was asked for before the first welcome");
    return this.#nextSeq++;
  }

  /** Whether a frame of so many bytes may be pushed now. One frame always may when nothing is unacked. */
  fits(bytes: number): boolean {
    if (!this.#connected || this.#cursor < this.#frames.length) return false;
    return this.#unackedBytes === 0 || this.#unackedBytes + bytes <= this.#window;
  }

  /** Takes a frame and hands it to the socket. `fits` must have said yes. */
  push(frame: Frame): void {
    invariant(this.fits(frame.bytes.length), "a frame was pushed that does not fit the window");
    this.#frames.push(frame);
    this.#pump();
  }

  /** Ends the link; what is not acked is forgotten. */
  close(): void {
    this.#end(null);
  }

  /** Breaks the connection without a word, as a lost network would; the link comes back by itself. */
  breakConnection(): void {
    this.#socket?.terminate();
  }

  #connect(): void {
    const { token, clock } = this.#options;
    const socket = new WebSocket(this.#url, SUBPROTOCOL, {
      headers: { authorization: `Bearer ${token}` },
      perMessageDeflate: false,
      // An untouched mask is all zeros, and then ws copies nothing: frames go out from where they lie.
      generateMask: () => {},
      handshakeTimeout: WELCOME_WITHIN_MS,
      maxPayload: 16 * 1024 * 1024,
    });
    this.#socket = socket;
    this.#lastRefusal = null;
    let reason = "";
    socket.on("error", (error) => {
      reason = messageOf(error);
    });
    socket.on("unexpected-response", (_request, response) => {
      void readRefusal(response).then((refusal) => {
        if (this.#socket !== socket) return;
        if (refusal.retryAfterMs === null) this.#end(refusal.error);
        else this.#lost(socket, refusal.retryAfterMs);
      });
    });
    socket.on("open", () => {
      this.#timer?.cancel();
      this.#timer = clock.after(WELCOME_WITHIN_MS, () => socket.terminate());
    });
    socket.on("message", (data) => {
      if (this.#socket !== socket) return;
      this.#heard = true;
      try {
        this.#receive(String(data));
      } catch (error) {
        if (!(error instanceof MeterstormError)) throw error;
        this.#end(error);
      }
    });
    socket.on("pong", () => {
      this.#heard = true;
    });
    socket.on("close", (code, closeReason) => {
      if (this.#socket !== socket) return;
      const final = errorOfClose(code, closeReason.toString() || reason, this.#lastRefusal, this.#options.datalogger);
      if (final !== null) this.#end(final);
      else this.#lost(socket, 0);
    });
  }

  #receive(text: string): void {
    const message = parseServerMessage(text);
    if (message.type === "ack") this.#acked(message);
    else if (message.type === "welcome") this.#welcomed(message);
    else {
      this.#lastRefusal = new MeterstormError(message.code, message.message);
      if (isFinal(this.#lastRefusal)) this.#end(this.#lastRefusal);
    }
  }

  #welcomed(welcome: Welcome): void {
    this.#timer?.cancel();
    if (this.#welcome === null) this.#nextSeq = welcome.lastSeq + 1;
    else {
      this.counters.reconnects++;
      if (welcome.lastSeq >= this.#nextSeq) {
        this.#end(foreignFrames(welcome, this.#nextSeq - 1));
        return;
      }
    }
    if (welcome.lastSeq < this.#ackedSeq) this.counters.regressions++;
    this.#welcome = welcome;
    this.#window = welcome.window;
    this.#backoff.reset();
    this.#cursor = this.#head;
    this.#unackedBytes = 0;
    this.#bound = new BoundAliases();
    this.#connected = true;
    this.#release(welcome.lastSeq);
    this.#beat();
    this.#pump();
    if (!this.#ended) this.#options.onRoom();
  }

  #acked(ack: Ack): void {
    if (!this.#connected) return;
    if (ack.rejected !== undefined) for (const rejected of ack.rejected) this.#options.onRejected(rejected);
    this.#window = ack.window;
    this.#ackedSeq = ack.seq;
    this.#release(ack.seq);
    this.#pump();
    if (!this.#ended) this.#options.onRoom();
  }

  /** Lets go of every frame up to `seq`. */
  #release(seq: number): void {
    while (this.#head < this.#frames.length && this.#frames[this.#head]!.seq <= seq) {
      const frame = this.#frames[this.#head++]!;
      if (this.#cursor < this.#head) this.#cursor = this.#head;
      else this.#unackedBytes -= frame.cost;
      this.#options.onAcked(frame);
    }
    if (this.#head === this.#frames.length || this.#head > 1024) {
      this.#frames = this.#frames.slice(this.#head);
      this.#cursor -= this.#head;
      this.#head = 0;
    }
  }

  /** Hands over what the window lets through of what this connection has not been given. */
  #pump(): void {
    while (this.#connected && this.#cursor < this.#frames.length) {
      const frame = this.#frames[this.#cursor]!;
      if (this.#unackedBytes > 0 && this.#unackedBytes + frame.bytes.length > this.#window) return;
      frame.cost = frame.bytes.length + (frame.binary ? this.#bind(frame.bytes) : 0);
      this.#unackedBytes += frame.cost;
      this.#cursor++;
      if (frame.handedMs === 0) frame.handedMs = this.#options.clock.monotonicMs();
      else this.counters.resent += frame.readings;
      this.#socket!.send(frame.bytes, { binary: frame.binary });
    }
  }

  /** Binds the aliases of a frame that this connection does not know yet; returns the bytes that this took. */
  #bind(frame: Buffer): number {
    let bytes = 0;
    for (const bind of this.#bound.framesBefore(frame, this.#options.meters, this.#welcome!.maxFrameBytes)) {
      bytes += bind.length;
      this.#socket!.send(bind, { binary: true });
    }
    return bytes;
  }

  /** A peer that is gone without a word is noticed by pings: acks alone may rightly take long. */
  #beat(): void {
    if (this.#ended) return;
    this.#heartbeat?.cancel();
    this.#heartbeat = this.#options.clock.after(HEARTBEAT_MS, () => {
      const socket = this.#socket;
      if (socket === null || socket.readyState !== WebSocket.OPEN) return;
      if (!this.#heard) return socket.terminate();
      this.#heard = false;
      socket.ping();
      this.#beat();
    });
  }

  #lost(socket: WebSocket, retryAfterMs: number): void {
    this.#dropSocket();
    socket.terminate();
    if (this.#ended) return;
    const delayMs = Math.max(retryAfterMs, this.#backoff.nextMs());
    this.#timer = this.#options.clock.after(delayMs, () => this.#connect());
  }

  #dropSocket(): void {
    this.#connected = false;
    this.#socket = null;
    this.#timer?.cancel();
    this.#heartbeat?.cancel();
    this.#heard = true;
  }

  #end(error: MeterstormError | null): void {
    if (this.#ended) return;
    this.#ended = true;
    const socket = this.#socket;
    this.#dropSocket();
    if (socket !== null) {
      // A polite goodbye, but no waiting for a server that does not answer it.
      if (socket.readyState === WebSocket.OPEN) {
        socket.close(1000);
        const timer = this.#options.clock.after(GOODBYE_MS, () => socket.terminate());
        socket.once("close", () => timer.cancel());
      } else socket.terminate();
    }
    this.#frames = [];
    this.#head = this.#cursor = 0;
    this.#options.onEnd(error);
  }
}
