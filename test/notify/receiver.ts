import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Received {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  /** When it came, unix seconds. */
  seconds: number;
}

export type Answering = (request: IncomingMessage, response: ServerResponse, received: Received) => void;

/** A real HTTP server that keeps what it is sent and answers as it is told. */
export class Receiver {
  readonly received: Received[] = [];
  /** How it answers from now on; 200 unless told otherwise. */
  answer: Answering = (_, response) => response.end();
  /** Connections since it was started. */
  connections = 0;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    // A failed test that forgot it must not keep its own process from ending.
    server.unref();
    server.on("connection", (socket) => {
      this.connections++;
      socket.unref();
    });
    server.on("request", (request, response) => {
      let body = "";
      request.setEncoding("utf8");
      request.on("data", (text: string) => {
        body += text;
      });
      request.on("end", () => {
        const { method = "", url: path = "", headers } = request;
        const received = { method, path, headers, body, seconds: Date.now() / 1000 };
        this.received.push(received);
        this.answer(request, response, received);
      });
    });
  }

  static async start(port = 0): Promise<Receiver> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "127.0.0.1", resolve);
    });
    return new Receiver(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook?for=me`;
  }

  /** Keys in the order in which they came. */
  get keys(): string[] {
    return this.received.map(({ body }) => (JSON.parse(body) as { key: string }).key);
  }

  openConnections(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
    });
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}
