import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import { Sender } from "@questdb/nodejs-client";
import { type WebSocket, WebSocketServer } from "ws";

/**
 * The same service in the plain way, to compare with: one thread, `JSON.parse`, a Map of last
 * values, the official client's row API, an ack after its flush. It takes text frames only, knows no
 * rollover, spike, late reading or restart, keeps nothing on disk, and credits a delta whole to the
 * hour and day of its reading.
 *
 *   ws ──▶ JSON.parse ──▶ Map ──▶ Sender.at() ──▶ flush ──▶ ack
 */
interface Reading {
  meter: string;
  ts: number;
  value: number;
}

interface Meter {
  ts: number;
  value: number;
  hour: number;
  hourSum: number;
  hourReadings: number;
  day: number;
  daySum: number;
  dayReadings: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Small enough that the frames of a hundred connections fit the client's buffer. */
const WINDOW_BYTES = 256 * 1024;

class NaiveServer {
  readonly #sender: Sender;
  readonly #meters = new Map<string, Meter>();
  /** Frames whose rows are in the sender's buffer. */
  #waiting: { socket: WebSocket; seq: number }[] = [];
  #flushing = false;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  accept(socket: WebSocket, tenant: string, datalogger: string): void {
    const welcome = { type: "welcome", protocol: "meterstorm.v1", tenant, datalogger, ack: "stored", lastSeq: 0 };
    socket.send(JSON.stringify({ ...welcome, window: WINDOW_BYTES, maxFrameBytes: 65536 }));
    // Frames of one connection are taken one after the other: a row's promise must not let the next overtake it.
    let turn = Promise.resolve();
    socket.on("message", (data: Buffer) => {
      turn = turn.then(() => this.#frame(socket, tenant, data)).catch(fail);
    });
  }

  async #frame(socket: WebSocket, tenant: string, data: Buffer): Promise<void> {
    const { seq, readings } = JSON.parse(data.toString()) as { seq: number; readings: Reading[] };
    for (const reading of readings) await this.#reading(tenant, reading);
    this.#waiting.push({ socket, seq });
    if (!this.#flushing) void this.#flush().catch(fail);
  }

  async #reading(tenant: string, { meter, ts, value }: Reading): Promise<void> {
    const key = `${tenant}/${meter}`;
    const last = this.#meters.get(key);
    const hour = Math.floor(ts / HOUR_MS) * HOUR_MS;
    const day = Math.floor(ts / DAY_MS) * DAY_MS;
    const row = this.#sender
      .table("readings")
      .symbol("tenant", tenant)
      .symbol("meter", meter)
      .floatColumn("value", value)
      .intColumn("rev", 0);
    if (last === undefined) {
      await row.intColumn("flags", 1).at(ts, "ms");
      this.#meters.set(key, { ts, value, hour, hourSum: 0, hourReadings: 1, day, daySum: 0, dayReadings: 1 });
      return;
    }
    const delta = value - last.value;
    await row.floatColumn("delta", delta).intColumn("flags", 0).at(ts, "ms");
    if (hour !== last.hour) {
      await this.#period(tenant, meter, "hour", last.hour, last.hourSum, last.hourReadings);
      last.hour = hour;
      last.hourSum = 0;
      last.hourReadings = 0;
    }
    if (day !== last.day) {
      await this.#period(tenant, meter, "day", last.day, last.daySum, last.dayReadings);
      last.day = day;
      last.daySum = 0;
      last.dayReadings = 0;
    }
    last.hourSum += delta;
    last.daySum += delta;
    last.hourReadings++;
    last.dayReadings++;
    last.ts = ts;
    last.value = value;
  }

  async #period(tenant: string, meter: string, period: string, start: number, sum: number, readings: number): Promise<void> {
    await this.#sender
      .table("consumption")
      .symbol("tenant", tenant)
      .symbol("meter", meter)
      .symbol("period", period)
      .floatColumn("coverage", 1)
      .floatColumn("value", sum)
      .intColumn("readings", readings)
      .intColumn("flags", 0)
      .at(start, "ms");
  }

  /** One flush at a time (two at once lose rows); what gathers meanwhile is the next. */
  async #flush(): Promise<void> {
    this.#flushing = true;
    while (this.#waiting.length > 0) {
      const frames = this.#waiting;
      this.#waiting = [];
      await this.#sender.flush();
      for (const { socket, seq } of frames) socket.send(JSON.stringify({ type: "ack", seq, window: WINDOW_BYTES }));
    }
    this.#flushing = false;
  }
}

function fail(error: unknown): void {
  process.stderr.write(`${String(error)}\n`);
  process.exit(1);
}

const { values } = parseArgs({ options: { questdb: { type: "string" }, port: { type: "string" } } });
const address = new URL(values.questdb ?? "http://127.0.0.1:9000").host;
const sender = await Sender.fromConfig(
  `http::addr=${address};protocol_version=2;auto_flush=off;init_buf_size=67108864;max_buf_size=1073741824;`,
);
const naive = new NaiveServer(sender);
const http = createServer((_, response) => response.end("ok"));
const sockets = new WebSocketServer({ server: http, maxPayload: 1 << 20 });
sockets.on("connection", (socket, request) => {
  const datalogger = new URL(request.url ?? "", "http://x").searchParams.get("datalogger") ?? "";
  const tenant = (request.headers.authorization ?? "").replace("Bearer ", "").split(".")[0] ?? "";
  naive.accept(socket, tenant, datalogger);
});
http.listen(Number(values.port ?? 0), "127.0.0.1", () =>
  process.stdout.write(`listening on ${(http.address() as AddressInfo).port}\n`),
);
