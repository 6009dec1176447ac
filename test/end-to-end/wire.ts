import { WebSocket } from "ws";
import { type Ack, parseServerMessage, type Refusal, type ServerMessage, type Welcome } from "../../engine/client/messages.js";

const ANSWER_WITHIN_MS = 20_000;

export interface Closed {
  readonly code: number;
  readonly reason: string;
  /** What the engine said before, if anything. */
  readonly error: string | null;
  readonly message: string;
}

/** A datalogger's connection without any manners: it sends what it is told to, and keeps all that it hears. */
export class Wire {
  readonly #socket: WebSocket;
  readonly #watchers = new Set<() => void>();
  readonly messages: ServerMessage[] = [];
  /** How the connection ended; null while it lasts. */
  closed: Closed | null = null;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data) => {
      this.messages.push(parseServerMessage(String(data)));
      this.#changed();
    });
    socket.on("close", (code, reason) => {
      const refusal = this.messages.find((message): message is Refusal => message.type === "error");
      this.closed = { code, reason: reason.toString(), error: refusal?.code ?? null, message: refusal?.message ?? "" };
      this.#changed();
    });
    // What follows an error is a close, which is what tests look at.
    socket.on("error", () => undefined);
  }

  /** Resolves with the connection once it is welcome; rejects when it is refused. */
  static async open(wsUrl: string, token: string, datalogger: string): Promise<Wire> {
    const address = `${wsUrl}/v1/stream?datalogger=${encodeURIComponent(datalogger)}`;
    const headers = { authorization: `Bearer ${token}` };
    const wire = new Wire(new WebSocket(address, "meterstorm.v1", { headers, perMessageDeflate: false }));
    await wire.#heard("a welcome", () => wire.messages[0]?.type === "welcome");
    return wire;
  }

  get welcome(): Welcome {
    return this.messages[0] as Welcome;
  }

  get acks(): Ack[] {
    return this.messages.filter((message) => message.type === "ack");
  }

  /** All that was listed as rejected, without the words that explain it to people. */
  get rejected(): object[] {
    return this.acks.flatMap(({ rejected = [] }) => rejected.map(({ seq, index, meter, code }) => ({ seq, index, meter, code })));
  }

  /** An object goes as its JSON, a text as it is, bytes as a binary frame. */
  send(frame: object | string | Uint8Array): void {
    this.#socket.send(frame instanceof Uint8Array || typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  /** Bytes as a text frame, whether they are UTF-8 or not. */
  sendAsText(bytes: Uint8Array): void {
    this.#socket.send(bytes, { binary: false });
  }

  /** Resolves with the first ack that covers `seq`; rejects when the connection ends before. */
  async acked(seq: number): Promise<Ack> {
    const covering = () => this.acks.find((ack) => ack.seq >= seq);
    await this.#heard(`an ack of ${seq}`, () => covering() !== undefined);
    return covering()!;
  }

  /** Resolves once the engine has closed the connection. */
  async ended(): Promise<Closed> {
    await this.#heard(null, () => this.closed !== null);
    return this.closed!;
  }

  close(): void {
    this.#socket.close();
  }

  /** Lets go without a word, as a lost network does. */
  cut(): void {
    this.#socket.terminate();
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher();
  }

  /** Waits for `what` (null: the end) with a deadline. */
  #heard(what: string | null, holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (outcome: () => void) => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        outcome();
      };
      const fail = (why: string) =>
        settle(() => reject(new Error(`${why}; heard ${JSON.stringify(this.messages).slice(0, 2000)}`)));
      const look = () => {
        if (holds()) settle(resolve);
        else if (this.closed !== null) fail(`no ${what}: closed with ${this.closed.code} ${this.closed.reason}`);
      };
      const timer = setTimeout(() => fail(`not within ${ANSWER_WITHIN_MS} ms: ${what ?? "the end"}`), ANSWER_WITHIN_MS);
      this.#watchers.add(look);
      look();
    });
  }
}
