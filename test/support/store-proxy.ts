import { connect, createServer, type Socket } from "node:net";

/** What becomes of a request on its way to the store, and of the answer. */
export type Fate =
  | { do: "pass" }
  /** The request arrives; of the answer only so many bytes come back before both connections are cut. */
  | { do: "cut"; afterBytes: number }
  /** The request arrives, its answer never does. */
  | { do: "swallow" }
  /** The request never arrives and nothing is answered. */
  | { do: "hang" }
  | { do: "answer"; status: number; body: string }
  /** The last byte arrives so much later, whether the sender is still there or not. */
  | { do: "late"; ms: number }
  /** Another body arrives. */
  | { do: "change"; body: Buffer };

export interface StoreProxy {
  readonly url: string;
  /** Decides about each write; everything else passes. */
  onWrite: (body: Buffer) => Fate;
  /** Requests whose last byte arrived late. */
  lateArrivals: number;
  /** Bytes of the last answer to a write that came back whole. */
  answerBytes: number;
  close(): Promise<void>;
}

/** Stands between a client and a server of HTTP/1.1 that does not pipeline, byte by byte. */
export async function startStoreProxy(port: number): Promise<StoreProxy> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): Socket => {
    sockets.add(socket.on("error", () => undefined).on("close", () => sockets.delete(socket)));
    return socket;
  };
  const server = createServer((client) => {
    keep(client);
    new Relay(client, keep(connect(port, "127.0.0.1")), proxy);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy: StoreProxy = {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    onWrite: () => ({ do: "pass" }),
    lateArrivals: 0,
    answerBytes: 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
  return proxy;
}

class Relay {
  readonly #client: Socket;
  readonly #store: Socket;
  readonly #proxy: StoreProxy;
  #request = Buffer.alloc(0);
  #isWrite = false;
  #fate: Fate = { do: "pass" };
  #answered = 0;
  #isLate = false;

  constructor(client: Socket, store: Socket, proxy: StoreProxy) {
    this.#client = client;
    this.#store = store;
    this.#proxy = proxy;
    client.on("data", (bytes) => this.#asked(bytes as Buffer));
    store.on("data", (bytes) => this.#answer(bytes as Buffer));
    client.on("close", () => {
      if (!this.#isLate) store.destroy();
    });
    store.on("close", () => {
      if (this.#fate.do !== "hang" && this.#fate.do !== "swallow") client.destroy();
    });
  }

  #asked(bytes: Buffer): void {
    this.#request = Buffer.concat([this.#request, bytes]);
    const headEnd = this.#request.indexOf("\r\n\r\n");
    if (headEnd < 0) return;
    const head = this.#request.subarray(0, headEnd + 4);
    const length = Number(/content-length: (\d+)/i.exec(head.toString("latin1"))?.[1] ?? 0);
    if (this.#request.length < head.length + length) return;
    const body = this.#request.subarray(head.length);
    this.#request = Buffer.alloc(0);
    this.#answered = 0;
    this.#isWrite = head.toString("latin1", 0, 12) === "POST /write?";
    this.#fate = this.#isWrite ? this.#proxy.onWrite(body) : { do: "pass" };
    this.#forward(head, body, this.#fate);
  }

  #forward(head: Buffer, body: Buffer, fate: Fate): void {
    switch (fate.do) {
      case "hang":
        return;
      case "answer": {
        const text = `HTTP/1.1 ${fate.status} X\r\nContent-Length: ${Buffer.byteLength(fate.body)}\r\n\r\n${fate.body}`;
        this.#client.write(text);
        return;
      }
      case "late":
        this.#isLate = true;
        this.#store.write(Buffer.concat([head, body.subarray(0, -1)]));
        setTimeout(() => {
          this.#store.write(body.subarray(-1));
          this.#proxy.lateArrivals++;
        }, fate.ms);
        return;
      case "change": {
        const changed = head.toString("latin1").replace(/content-length: \d+/i, `content-length: ${fate.body.length}`);
        this.#store.write(Buffer.concat([Buffer.from(changed, "latin1"), fate.body]));
        return;
      }
      case "cut":
        this.#store.write(Buffer.concat([head, body]));
        return;
      default:
        this.#store.write(Buffer.concat([head, body]));
    }
  }

  #answer(bytes: Buffer): void {
    const before = this.#answered;
    this.#answered += bytes.length;
    if (this.#fate.do === "swallow") return;
    if (this.#fate.do === "cut" && this.#answered >= this.#fate.afterBytes) {
      this.#client.write(bytes.subarray(0, this.#fate.afterBytes - before), () => this.#client.destroy());
      return;
    }
    if (this.#isWrite) this.#proxy.answerBytes = this.#answered;
    this.#client.write(bytes);
  }
}
