import { WebSocket } from "ws";
import { encodeBinaryFrame, encodeBindFrame } from "../../engine/client/frames.js";
import { parseServerMessage } from "../../engine/client/messages.js";
import type { LoggerRecord, Wait } from "./record.js";
import type { ScriptedMeter } from "./script.js";

export interface WitnessOptions {
  readonly name: string;
  readonly tenant: string;
  readonly token: string;
  readonly meters: readonly ScriptedMeter[];
  readonly format: "binary" | "text";
  /** Between two new frames; milliseconds. */
  readonly paceMs: number;
  readonly wsUrl: string;
}

const CONNECT_AGAIN_MS = 50;
const WELCOME_WITHIN_MS = 10_000;

/**
 * A datalogger that never gives up and writes down all that it was told. Its frames are a function of their seq, so after a loss it
 * goes on behind what the welcome says: whoever forgets what it acked is found out. A client of its own, so that no fault of the
 * engine's can hide behind one of the client that ships with it.
 */
export class Witness implements LoggerRecord {
  readonly name: string;
  readonly tenant: string;
  readonly meters: readonly ScriptedMeter[];
  sent = 0;
  acked = 0;
  readonly connections: number[][] = [];
  readonly refused: string[] = [];
  readonly waits: Wait[] = [];
  readonly #options: WitnessOptions;
  /** When each frame that is not acked was first handed to a socket, and its bytes, by seq. */
  readonly #handedMs = new Map<number, number>();
  #socket: WebSocket | null = null;
  #isWelcome = false;
  /** The next to be handed to this connection. */
  #next = 1;
  #window = 0;
  #unacked: { seq: number; bytes: number }[] = [];
  #unackedBytes = 0;
  #timer: NodeJS.Timeout | null = null;
  #stopping = false;
  #isOver = false;
  #isDeaf = false;

  constructor(options: WitnessOptions) {
    this.#options = options;
    this.name = options.name;
    this.tenant = options.tenant;
    this.meters = options.meters;
  }

  start(): void {
    this.#connect();
  }

  /** Makes no more new frames; what was sent is sent again until it is acked. */
  stop(): void {
    this.#stopping = true;
  }

  get isDrained(): boolean {
    return this.#stopping && this.acked === this.sent;
  }

  get isConnected(): boolean {
    return this.#isWelcome;
  }

  /** Lets go without a word and comes back at once. */
  cut(): void {
    this.#socket?.terminate();
  }

  /** Reads nothing from now on, while it sends as fast as its window lets it; false: listens again, on a new connection. */
  set deaf(isDeaf: boolean) {
    this.#isDeaf = isDeaf;
    if (isDeaf) this.#socket?.pause();
    else this.cut();
  }

  close(): void {
    this.#isOver = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#socket?.terminate();
  }

  #connect(): void {
    if (this.#isOver) return;
    const { wsUrl, token, name } = this.#options;
    const socket = new WebSocket(`${wsUrl}/v1/stream?datalogger=${name}`, "meterstorm.v1", {
      ...{ headers: { authorization: `Bearer ${token}` }, perMessageDeflate: false, handshakeTimeout: WELCOME_WITHIN_MS },
    });
    this.#socket = socket;
    socket.on("message", (data) => {
      if (this.#socket === socket) this.#heard(String(data));
    });
    // What follows an error is a close.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      this.#isWelcome = false;
      this.#after(CONNECT_AGAIN_MS, () => this.#connect());
    });
  }

  #after(ms: number, work: () => void): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = this.#isOver ? null : setTimeout(work, ms);
  }

  #heard(text: string): void {
    const message = parseServerMessage(text);
    if (message.type === "error") {
      this.refused.push(`${message.code}: ${message.message}`);
      return;
    }
    this.#window = message.window;
    if (message.type === "welcome") {
      this.connections.push([message.lastSeq]);
      this.#isWelcome = true;
      this.#next = message.lastSeq + 1;
      this.#unacked = [];
      this.#unackedBytes = 0;
      this.#bind();
    } else {
      this.connections.at(-1)?.push(message.seq);
      for (const { seq, code } of message.rejected ?? []) this.refused.push(`frame ${seq}: ${code}`);
    }
    this.#covers(message.type === "welcome" ? message.lastSeq : message.seq);
    if (message.type === "welcome") this.#pump();
  }

  #covers(seq: number): void {
    const now = performance.now();
    for (let each = this.acked + 1; each <= seq; each++) {
      const sentMs = this.#handedMs.get(each);
      if (sentMs !== undefined) this.waits.push({ sentMs, ms: now - sentMs });
      this.#handedMs.delete(each);
    }
    this.acked = Math.max(this.acked, seq);
    while (this.#unacked.length > 0 && this.#unacked[0]!.seq <= seq) this.#unackedBytes -= this.#unacked.shift()!.bytes;
  }

  #bind(): void {
    if (this.#options.format === "text") return;
    this.#socket?.send(encodeBindFrame(this.meters.map(({ id }, alias) => ({ alias, meter: id }))));
  }

  /** One new frame at a time, but all at once of what was sent before. */
  #pump(): void {
    while (this.#isWelcome) {
      const isNew = this.#next > this.sent;
      if (isNew && this.#stopping) break;
      const frame = this.#frame(this.#next);
      if (this.#unackedBytes > 0 && this.#unackedBytes + frame.length > this.#window) break;
      this.#hand(this.#next++, frame);
      if (isNew) break;
    }
    if (this.#isWelcome) this.#after(this.#isDeaf ? 0 : this.#options.paceMs, () => this.#pump());
  }

  #hand(seq: number, frame: Uint8Array | string): void {
    const bytes = typeof frame === "string" ? Buffer.byteLength(frame) : frame.length;
    this.#unacked.push({ seq, bytes });
    this.#unackedBytes += bytes;
    if (seq > this.sent) {
      this.sent = seq;
      this.#handedMs.set(seq, performance.now());
    }
    this.#socket?.send(frame);
  }

  #frame(seq: number): Uint8Array | string {
    const inputs = this.meters.flatMap(({ id, at }, alias) => at(seq).map((input) => ({ meter: id, alias, input })));
    if (this.#options.format === "text")
      return JSON.stringify({ seq, readings: inputs.map(({ meter, input }) => ({ meter, ...input })) });
    const readings = inputs.flatMap(({ alias, input }) => ("value" in input ? [{ alias, ...input }] : []));
    return encodeBinaryFrame(seq, readings);
  }
}
