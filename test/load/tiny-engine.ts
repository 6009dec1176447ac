import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import type { Rejected } from "../../engine/client/messages.js";
import type { StoredRow } from "../../engine/load/verify.js";
import { readBinary, readBind, readText, type TakenFrame } from "../client/contract-server.js";

/** An engine that keeps everything in memory and counts deltas of well-behaved counters: enough to try a load test on. */
export class TinyEngine {
  readonly breaches: string[] = [];
  /** Rows by meter, in order of arrival. */
  readonly rows = new Map<string, StoredRow[]>();
  /** Tokens by meter, as they came with the readings. */
  readonly tokens = new Map<string, string>();
  readonly requests: string[] = [];
  /** Whether a reading is refused, with which code. */
  refuse: (meter: string, ts: number) => string | null = () => null;
  /** What the query interface shows of a meter's rows. */
  show: (meter: string, rows: StoredRow[]) => StoredRow[] = (_, rows) => rows;
  /** How many requests are answered 503 first. */
  unavailable = 0;
  frames = 0;
  /** Largest frame seen, readings. */
  largest = 0;
  texts = 0;
  forgotten = 0;
  readonly #lastSeq = new Map<string, number>();
  readonly #http: Server;
  readonly #wss: WebSocketServer;

  private constructor() {
    this.#http = createServer((request, response) => {
      const url = new URL(request.url ?? "", "http://x");
      this.requests.push(request.url ?? "");
      if (this.unavailable > 0) {
        this.unavailable--;
        response.writeHead(503).end("{}");
        return;
      }
      const meter = decodeURIComponent(url.pathname.split("/")[3] ?? "");
      if (request.headers.authorization !== this.tokens.get(meter)) {
        response.writeHead(403).end('{"error":{"code":"forbidden","message":"wrong role"}}');
        return;
      }
      const [from, to, limit] = ["from", "to", "limit"].map((name) => Number(url.searchParams.get(name)));
      const rows = this.show(meter, this.rows.get(meter) ?? []).filter(({ ts }) => ts >= from! && ts < to!);
      response.end(JSON.stringify(rows.slice(0, limit)));
    });
    this.#wss = new WebSocketServer({ server: this.#http });
    this.#wss.on("connection", (ws, request) => {
      const datalogger = new URL(request.url ?? "", "http://x").searchParams.get("datalogger") ?? "";
      this.#accept(ws, datalogger, request.headers.authorization ?? "");
    });
  }

  static async start(): Promise<TinyEngine> {
    const engine = new TinyEngine();
    await new Promise<void>((resolve) => engine.#http.listen(0, "127.0.0.1", resolve));
    return engine;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  get stored(): number {
    return [...this.rows.values()].reduce((sum, rows) => sum + rows.length, 0);
  }

  breakConnections(): void {
    for (const client of this.#wss.clients) client.terminate();
  }

  /** Loses the last frame of every datalogger, acked or not, as an engine whose disk forgot it. */
  forgetFrames(): void {
    this.forgotten++;
    for (const [datalogger, seq] of this.#lastSeq) this.#lastSeq.set(datalogger, seq - 1);
    this.breakConnections();
  }

  async stop(): Promise<void> {
    this.breakConnections();
    this.#wss.close();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  #accept(ws: WebSocket, datalogger: string, token: string): void {
    const meters = new Map<number, string>();
    const welcome = { type: "welcome", protocol: "meterstorm.v1", tenant: "t", datalogger, ack: "durable", maxFrameBytes: 65536 };
    ws.send(JSON.stringify({ ...welcome, lastSeq: this.#lastSeq.get(datalogger) ?? 0, window: 1 << 20 }));
    ws.on("message", (data: Buffer, binary) => {
      if (binary && data[0] === 2) {
        for (const [alias, meter] of readBind(data)) meters.set(alias, meter);
        return;
      }
      const frame = binary ? readBinary(data, meters, (text) => this.breaches.push(text)) : readText(data);
      if (data.length > 65536) this.breaches.push(`a frame of ${data.length} bytes`);
      this.frames++;
      this.largest = Math.max(this.largest, frame.readings.length);
      if (!binary) this.texts++;
      if (frame.seq <= (this.#lastSeq.get(datalogger) ?? 0)) this.breaches.push(`seq ${frame.seq} came again`);
      this.#lastSeq.set(datalogger, frame.seq);
      const rejected = this.#store(frame, token);
      ws.send(JSON.stringify({ type: "ack", seq: frame.seq, window: 1 << 20, ...(rejected.length > 0 ? { rejected } : {}) }));
    });
  }

  #store(frame: TakenFrame, token: string): Rejected[] {
    const rejected: Rejected[] = [];
    frame.readings.forEach(({ meter, ts, value }, index) => {
      const code = this.refuse(meter, ts);
      if (code !== null) {
        rejected.push({ seq: frame.seq, index, meter, code });
        return;
      }
      let rows = this.rows.get(meter);
      if (rows === undefined) {
        rows = [];
        this.rows.set(meter, rows);
        this.tokens.set(meter, token);
      }
      const last = rows.at(-1);
      const delta = last === undefined ? null : (Math.round(value! * 1000) - Math.round(last.value * 1000)) / 1000;
      rows.push({ ts, value: value!, delta });
    });
    return rejected;
  }
}
