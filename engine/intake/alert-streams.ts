import type { Identity } from "../config/keys.js";
import {
  type Connection,
  type ConnectionHandler,
  errorAnswer,
  type UpgradeAnswer,
  type UpgradeRequest,
  unauthorizedAnswer,
} from "./network.js";
import { PROTOCOL } from "./session.js";

/** What a reader may leave unread; with the longest transition it stays below what the transport cuts off without a word. */
const MOST_UNREAD_BYTES = 256 * 1024;
const MOST_STREAMS = 100;

export interface AlertStreamsOptions {
  identify(request: UpgradeRequest): Identity | null;
  isDraining(): boolean;
}

/** `GET /v1/alerts/stream`: each alert transition of a client, as it happens, to those who listen. What happened before is in the store. */
export class AlertStreams {
  readonly #options: AlertStreamsOptions;
  readonly #byTenant = new Map<string, Set<Listener>>();
  /** Readers that were closed because they did not keep up. */
  tooSlow = 0;

  constructor(options: AlertStreamsOptions) {
    this.#options = options;
  }

  /** Clients that are listened to, and by how many. */
  get counts(): [tenant: string, count: number][] {
    return [...this.#byTenant].map(([tenant, listeners]) => [tenant, listeners.size]);
  }

  upgrade(request: UpgradeRequest): UpgradeAnswer {
    const refuse = (status: number, code: string, message: string, headers?: Record<string, string>): UpgradeAnswer => ({
      accept: false,
      answer: errorAnswer(status, code, message, headers),
    });
    if (this.#options.isDraining())
      return refuse(503, "draining", "the engine is shutting down; connect again in a moment", { "retry-after": "2" });
    const identity = this.#options.identify(request);
    if (identity === null) return { accept: false, answer: unauthorizedAnswer() };
    if (identity.role === "ingest")
      return refuse(403, "forbidden", `this key's role is "ingest"; reading alerts takes "read" or "admin"`);
    if (!request.protocols.includes(PROTOCOL)) return refuse(400, "protocol", `ask for the subprotocol "${PROTOCOL}"`);
    if ((this.#byTenant.get(identity.tenant)?.size ?? 0) >= MOST_STREAMS)
      return refuse(429, "connection_limit", `${MOST_STREAMS} read this client's alerts already`, { "retry-after": "10" });
    return { accept: true, protocol: PROTOCOL, handler: new Listener(this, identity) };
  }

  /** One transition, as JSON. */
  tell(tenant: string, json: string): void {
    for (const listener of [...(this.#byTenant.get(tenant) ?? [])]) {
      if (listener.tell(json)) continue;
      this.tooSlow++;
      listener.end(1013, "too_slow: connect again and ask GET /v1/alerts for what was missed");
    }
  }

  /** Ends those of which `reason` gives one. */
  closeWhere(reason: (identity: Identity) => string | null): void {
    for (const listener of [...this.#byTenant.values()].flatMap((listeners) => [...listeners])) {
      const why = reason(listener.identity);
      if (why !== null) listener.end(1008, why);
    }
  }

  /** Ends all, for a shutdown. */
  closeAll(code: number, reason: string): void {
    for (const listeners of [...this.#byTenant.values()]) for (const listener of [...listeners]) listener.end(code, reason);
  }

  register(listener: Listener): void {
    const { tenant } = listener.identity;
    const listeners = this.#byTenant.get(tenant) ?? new Set();
    this.#byTenant.set(tenant, listeners.add(listener));
  }

  unregister(listener: Listener): void {
    const { tenant } = listener.identity;
    const listeners = this.#byTenant.get(tenant);
    listeners?.delete(listener);
    if (listeners?.size === 0) this.#byTenant.delete(tenant);
  }
}

/** One who listens; what it says itself is heard by nobody. */
class Listener implements ConnectionHandler {
  readonly identity: Identity;
  readonly #streams: AlertStreams;
  #connection: Connection | null = null;

  constructor(streams: AlertStreams, identity: Identity) {
    this.#streams = streams;
    this.identity = identity;
  }

  open(connection: Connection): void {
    this.#connection = connection;
    this.#streams.register(this);
  }

  /** False when so much lies unread already that it does not keep up. */
  tell(json: string): boolean {
    if (this.#connection === null) return true;
    return this.#connection.unreadBytes <= MOST_UNREAD_BYTES && this.#connection.send(json);
  }

  /** At most once: it hears nothing more after it, however long the connection takes to close. */
  end(code: number, reason: string): void {
    const connection = this.#connection;
    this.#connection = null;
    this.#streams.unregister(this);
    connection?.close(code, reason);
  }

  message(): void {}

  drained(): void {}

  closed(): void {
    this.#connection = null;
    this.#streams.unregister(this);
  }
}
