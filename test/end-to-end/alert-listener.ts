import { WebSocket } from "ws";
import type { AlertTransition } from "../../engine/base/alert-transition.js";
import { until } from "../support/servers.js";

const WITHIN_MS = 20_000;

/** A reader of `/v1/alerts/stream`. */
export class AlertListener {
  readonly socket: WebSocket;
  readonly heard: AlertTransition[] = [];
  closed: { code: number; reason: string } | null = null;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data) => this.heard.push(JSON.parse(String(data)) as AlertTransition));
    socket.on("close", (code, reason) => {
      this.closed = { code, reason: reason.toString() };
    });
    socket.on("error", () => undefined);
  }

  /** `by`: a token for the header, or subprotocols beside `meterstorm.v1`. Rejects with the status of a refusal. */
  static async open(wsUrl: string, by: { token: string } | { protocols: string[] }): Promise<AlertListener> {
    const address = `${wsUrl}/v1/alerts/stream`;
    const socket =
      "token" in by
        ? new WebSocket(address, "meterstorm.v1", { headers: { authorization: `Bearer ${by.token}` } })
        : new WebSocket(address, ["meterstorm.v1", ...by.protocols]);
    await new Promise<void>((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
      socket.once("unexpected-response", (_request, response) => reject(new Error(`refused with ${response.statusCode}`)));
    });
    return new AlertListener(socket);
  }

  /** Resolves once so many were heard. */
  async hears(count: number): Promise<AlertTransition[]> {
    await until(`${count} transitions are heard`, WITHIN_MS, () => this.heard.length >= count).catch((error: unknown) => {
      throw new Error(`heard ${JSON.stringify(this.heard).slice(0, 2000)}, closed ${JSON.stringify(this.closed)}`, {
        cause: error,
      });
    });
    return this.heard;
  }

  async ended(): Promise<{ code: number; reason: string }> {
    await until("the stream is closed", WITHIN_MS, () => this.closed !== null);
    return this.closed!;
  }
}
