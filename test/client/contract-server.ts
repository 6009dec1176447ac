import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import type { Rejected } from "../../engine/client/messages.js";

export interface TakenReading {
  meter: string;
  ts: number;
  value?: number;
  rev: number;
  exchange?: { final: number; start: number } | null;
}

export interface TakenFrame {
  seq: number;
  binary: boolean;
  bytes: number;
  readings: TakenReading[];
}

export interface ContractServerOptions {
  window?: number;
  maxFrameBytes?: number;
  /** Frames are acked as they come, unless false: then `ack()` does. */
  autoAck?: boolean;
  /** Called for each frame; what it returns is listed as rejected. */
  judge?: (frame: TakenFrame) => Rejected[];
}

/**
 * The engine's side of the contract in its plainest form, for tests of what sends: takes each seq
 * once, notes every breach of window, binding and order, and lets a test lose connections and acks.
 */
export class ContractServer {
  readonly frames: TakenFrame[] = [];
  readonly breaches: string[] = [];
  /** Authorization header, datalogger and subprotocol of each connection. */
  readonly connections: { authorization: string | undefined; datalogger: string; protocol: string }[] = [];
  lastSeq = 0;
  window: number;
  /** What upgrades are refused with, if anything. */
  refusal: { status: number; headers?: Record<string, string>; body?: string } | null = null;
  refusals = 0;
  /** Frames of every connection, resends included. */
  received = 0;
  binds = 0;
  autoAck: boolean;
  readonly #maxFrameBytes: number;
  judge: (frame: TakenFrame) => Rejected[];
  readonly #http: Server;
  readonly #wss: WebSocketServer;
  #socket: WebSocket | null = null;
  #unacked: { seq: number; bytes: number }[] = [];

  private constructor(options: ContractServerOptions) {
    this.window = options.window ?? 1 << 20;
    this.#maxFrameBytes = options.maxFrameBytes ?? 65536;
    this.autoAck = options.autoAck ?? true;
    this.judge = options.judge ?? (() => []);
    this.#http = createServer();
    this.#wss = new WebSocketServer({
      noServer: true,
      handleProtocols: (offered) => (offered.has("meterstorm.v1") ? "meterstorm.v1" : false),
    });
    this.#http.on("upgrade", (request, socket, head) => {
      const refusal = this.refusal;
      if (refusal !== null) {
        this.refusals++;
        const body = refusal.body ?? "";
        const headers = { connection: "close", "content-length": String(Buffer.byteLength(body)), ...refusal.headers };
        const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
        socket.end(`HTTP/1.1 ${refusal.status} No\r\n${lines.join("")}\r\n${body}`);
        return;
      }
      this.#wss.handleUpgrade(request, socket, head, (ws) => {
        const datalogger = new URL(request.url ?? "", "http://x").searchParams.get("datalogger") ?? "";
        this.connections.push({ authorization: request.headers.authorization, datalogger, protocol: ws.protocol });
        this.#accept(ws, datalogger);
      });
    });
  }

  static async start(options: ContractServerOptions = {}): Promise<ContractServer> {
    const server = new ContractServer(options);
    await new Promise<void>((resolve) => server.#http.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  get unackedBytes(): number {
    return this.#unacked.reduce((sum, frame) => sum + frame.bytes, 0);
  }

  /** All readings taken, in order. */
  get readings(): TakenReading[] {
    return this.frames.flatMap((frame) => frame.readings);
  }

  /** Resolves when the condition holds; rejects after five seconds. */
  async until(condition: () => boolean): Promise<void> {
    const end = Date.now() + 5_000;
    while (!condition()) {
      if (Date.now() > end) throw new Error(`not within 5 s; ${this.received} frames came`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  send(message: unknown): void {
    this.#socket?.send(JSON.stringify(message));
  }

  /** Acks every frame up to `seq`. */
  ack(seq = this.lastSeq, rejected: Rejected[] = []): void {
    this.#unacked = this.#unacked.filter((frame) => frame.seq > seq);
    this.send({ type: "ack", seq, window: this.window, ...(rejected.length > 0 ? { rejected } : {}) });
  }

  /** Forgets every frame above `seq`, as an engine that crashed before they were safe. */
  forget(seq: number): void {
    this.lastSeq = seq;
    while (this.frames.length > 0 && this.frames.at(-1)!.seq > seq) this.frames.pop();
  }

  breakConnection(): void {
    this.#socket?.terminate();
  }

  closeConnection(code: number, reason: string): void {
    this.#socket?.close(code, reason);
  }

  async stop(): Promise<void> {
    for (const client of this.#wss.clients) client.terminate();
    this.#wss.close();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  #accept(ws: WebSocket, datalogger: string): void {
    this.#socket = ws;
    this.#unacked = [];
    const meters = new Map<number, string>();
    let previous = 0;
    const { lastSeq } = this;
    this.send({
      type: "welcome",
      protocol: "meterstorm.v1",
      tenant: "acme",
      datalogger,
      ack: "durable",
      lastSeq,
      window: this.window,
      maxFrameBytes: this.#maxFrameBytes,
    });
    ws.on("message", (data: Buffer, binary) => {
      if (data.length > this.#maxFrameBytes) this.breaches.push(`a frame of ${data.length} bytes`);
      if (binary && data[0] === 2) {
        this.binds++;
        for (const [alias, meter] of readBind(data)) meters.set(alias, meter);
        return;
      }
      const frame = binary ? readBinary(data, meters, (text) => this.breaches.push(text)) : readText(data);
      if (frame.seq <= previous) this.breaches.push(`seq ${frame.seq} after ${previous}`);
      previous = frame.seq;
      if (this.#unacked.length > 0 && this.unackedBytes + data.length > this.window)
        this.breaches.push(`${data.length} bytes over the window`);
      this.received++;
      this.#unacked.push({ seq: frame.seq, bytes: data.length });
      if (frame.seq > this.lastSeq) {
        this.lastSeq = frame.seq;
        this.frames.push(frame);
      }
      const rejected = this.judge(frame);
      if (this.autoAck) this.ack(frame.seq, rejected);
    });
  }
}

/** A readings frame; `breach` hears of aliases that are not bound and of lengths that do not fit. */
export function readBinary(data: Buffer, meters: ReadonlyMap<number, string>, breach: (text: string) => void): TakenFrame {
  const count = data.readUInt32LE(4);
  if (data.length !== 16 + count * 24) breach(`${data.length} bytes for ${count} readings`);
  const readings: TakenReading[] = [];
  for (let at = 16; at < data.length; at += 24) {
    const meter = meters.get(data.readUInt32LE(at));
    if (meter === undefined) breach(`alias ${data.readUInt32LE(at)} is not bound`);
    const [rev, ts, value] = [data.readUInt32LE(at + 4), data.readDoubleLE(at + 8), data.readDoubleLE(at + 16)];
    readings.push({ meter: meter ?? "?", ts, value, rev });
  }
  return { seq: Number(data.readBigUInt64LE(8)), binary: true, bytes: data.length, readings };
}

export function readBind(data: Buffer): [number, string][] {
  const bindings: [number, string][] = [];
  let at = 16;
  for (let i = data.readUInt32LE(4); i > 0; i--) {
    const bytes = data.readUInt16LE(at + 4);
    bindings.push([data.readUInt32LE(at), data.toString("utf8", at + 6, at + 6 + bytes)]);
    at += 6 + bytes;
  }
  return bindings;
}

/** Readings as objects, or as arrays of meter, ts and value. */
export function readText(data: Buffer): TakenFrame {
  type Sent = (Omit<TakenReading, "rev"> & { rev?: number }) | [string, number, number];
  const { seq, readings } = JSON.parse(data.toString()) as { seq: number; readings: Sent[] };
  const taken = readings.map((sent) =>
    Array.isArray(sent) ? { meter: sent[0], ts: sent[1], value: sent[2], rev: 0 } : { ...sent, rev: sent.rev ?? 0 },
  );
  return { seq, binary: false, bytes: data.length, readings: taken };
}
