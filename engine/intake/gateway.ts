import { isId } from "../base/ids.js";
import { limits } from "../base/limits.js";
import type { Identity } from "../config/keys.js";
import type { TenantConfig } from "../config/schema.js";
import { Windows } from "../lanes/windows.js";
import { Input, Outcome } from "../memory/protocol.js";
import { type LaneOfClient, type OutcomeListener, type Shard, textOf } from "../shards/shard.js";
import type { OpenSession } from "../shards/tasks.js";
import {
  errorAnswer,
  type HttpAnswer,
  type HttpRequest,
  textAnswer,
  type UpgradeAnswer,
  type UpgradeRequest,
  unauthorizedAnswer,
} from "./network.js";
import { laneOf, PROTOCOL, type Sender, Session, type SessionHost } from "./session.js";
import { TICKET_PREFIX } from "./tickets.js";

const utf8 = new TextEncoder();

/** By what somebody may be known: a token in the header, or a ticket among the subprotocols. */
export interface Asking {
  readonly authorization: string | undefined;
  readonly protocols?: readonly string[];
}

export interface GatewayOptions {
  ack: "durable" | "stored";
  shards: readonly Shard[];
  /** The shard of a client's datalogger. */
  shardOf(tenant: string, datalogger: string): Shard;
  tenant(id: string): TenantConfig | undefined;
  /** Who asks, null where nobody knows. */
  identify(request: Asking): Identity | null;
  /** Seconds from a frame's arrival to its ack. */
  onAck(seconds: number): void;
  /** A transition that is durable, as JSON; `position` names it. */
  onAlert(shard: Shard, position: number, json: string): void;
  onReply(id: number, json: string): void;
  onReady(shard: Shard): void;
  onWarning(shard: Shard, text: string): void;
}

/**
 * Where readings come in. Checks who it is, how much may be in flight and how large a frame is; everything else
 * about a frame is the shard's business. Answers go out as the shards report what is safe.
 */
export class Gateway implements OutcomeListener, SessionHost {
  readonly #options: GatewayOptions;
  readonly windows = new Windows();
  readonly #sessions = new Map<number, Session>();
  readonly #byDatalogger = new Map<string, Session>();
  readonly #connections = new Map<string, number>();
  readonly #posts = new Map<number, { shard: Shard; resolve: (answer: HttpAnswer) => void; parts: string }>();
  #nextId = 1;
  draining = false;

  constructor(options: GatewayOptions) {
    this.#options = options;
  }

  connectionsOf(tenant: string): number {
    return this.#connections.get(tenant) ?? 0;
  }

  /** Judges an upgrade of `/v1/stream`. */
  upgrade(request: UpgradeRequest): UpgradeAnswer {
    const refuse = (status: number, code: string, message: string, headers?: Record<string, string>): UpgradeAnswer => ({
      accept: false,
      answer: errorAnswer(status, code, message, headers),
    });
    if (this.draining)
      return refuse(503, "draining", "the engine is shutting down; connect again in a moment", { "retry-after": "2" });
    const sender = this.#sender(request);
    if ("status" in sender) return { accept: false, answer: sender };
    if (!request.protocols.includes(PROTOCOL)) {
      return refuse(400, "protocol", `ask for the subprotocol "${PROTOCOL}"; found ${spoken(request.protocols)}`);
    }
    const { tenant, datalogger } = sender;
    const allowed = tenant.limits.connections;
    const replaces = this.#byDatalogger.has(keyOf(tenant.id, datalogger));
    if (!replaces && this.connectionsOf(tenant.id) >= allowed) {
      return refuse(429, "connection_limit", `the client has ${allowed} connections, which is its limit`, {
        "retry-after": "10",
      });
    }
    const shard = this.#options.shardOf(tenant.id, datalogger);
    const full = this.#laneFull(laneOf(shard, tenant), 0);
    if (full !== null) return { accept: false, answer: full };
    return { accept: true, protocol: PROTOCOL, handler: new Session(this, this.#nextId++, sender, shard) };
  }

  /** `POST /v1/readings`. */
  async post(request: HttpRequest): Promise<HttpAnswer> {
    if (this.draining) return errorAnswer(503, "draining", "the engine is shutting down", { "retry-after": "2" });
    const sender = this.#sender(request);
    if ("status" in sender) return sender;
    const { tenant, datalogger } = sender;
    const shard = this.#options.shardOf(tenant.id, datalogger);
    if (shard.trouble !== "")
      return errorAnswer(503, "shard_down", `readings of this client cannot be taken now: ${shard.trouble}`, {
        "retry-after": "2",
      });
    const lane = laneOf(shard, tenant);
    const full = this.#laneFull(lane, request.body.length);
    if (full !== null) return full;
    const pauseMs = lane.pauseMs(performance.now());
    if (pauseMs > 0) {
      const message = `the client may send ${lane.readingsPerSecond} readings a second`;
      return errorAnswer(429, "rate_limit", message, { "retry-after": String(Math.ceil(pauseMs / 1000)) });
    }
    const id = this.#nextId++;
    const origin = utf8.encode(JSON.stringify({ tenant: tenant.id, datalogger }));
    const payload = Buffer.allocUnsafe(4 + origin.length + request.body.length);
    payload.writeUInt32LE(origin.length, 0);
    payload.set(origin, 4);
    payload.set(request.body, 4 + origin.length);
    const answer = new Promise<HttpAnswer>((resolve) => {
      this.#posts.set(id, { shard, resolve, parts: "" });
    });
    shard.send(lane, Input.POST, id, Date.now(), payload);
    return answer;
  }

  /**
   * The refusal of a post or a connection for which there is no memory. What closed connections and posts left in the lanes
   * is in no window any more, and counts all the same: else whoever connects again and again fills the memory.
   */
  #laneFull(lane: LaneOfClient, bytes: number): HttpAnswer | null {
    if (lane.bytes + bytes > limits.maxLaneBytes)
      return errorAnswer(429, "lane_full", "more readings of this client wait than may wait", { "retry-after": "1" });
    const waiting = this.#options.shards.reduce((sum, { scheduler }) => sum + scheduler.waitingBytes, bytes);
    if (waiting <= limits.poolBytes && this.windows.hasRoom) return null;
    return errorAnswer(429, "busy", "the engine's memory for frames in flight is full", { "retry-after": "1" });
  }

  #sender(request: Asking & { readonly query: URLSearchParams }): Sender | HttpAnswer {
    const identity = this.#options.identify(request);
    const datalogger = request.query.get("datalogger");
    const tenant = identity === null ? undefined : this.#options.tenant(identity.tenant);
    if (identity === null || tenant === undefined) {
      return unauthorizedAnswer();
    }
    if (identity.role === "read")
      return errorAnswer(403, "forbidden", `this key's role is "read"; sending readings takes "ingest" or "admin"`);
    if (!isId(datalogger)) {
      return errorAnswer(
        400,
        "datalogger_invalid",
        "add ?datalogger=ID to the address: 1–128 characters without control characters",
      );
    }
    return { tenant, datalogger, identity };
  }

  /** A connection is open: an older one of the same datalogger has to go. */
  register(session: Session): void {
    const key = keyOf(session.tenant.id, session.datalogger);
    const older = this.#byDatalogger.get(key);
    if (older !== undefined) older.end(1008, "replaced");
    this.#byDatalogger.set(key, session);
    this.#sessions.set(session.id, session);
    this.#connections.set(session.tenant.id, this.connectionsOf(session.tenant.id) + 1);
  }

  unregister(session: Session): void {
    this.#sessions.delete(session.id);
    const key = keyOf(session.tenant.id, session.datalogger);
    if (this.#byDatalogger.get(key) === session) this.#byDatalogger.delete(key);
    const left = this.connectionsOf(session.tenant.id) - 1;
    if (left > 0) this.#connections.set(session.tenant.id, left);
    else this.#connections.delete(session.tenant.id);
  }

  outcome(shard: Shard, type: number, id: number, extra: number, number: number, payload: Uint8Array): void {
    switch (type) {
      case Outcome.ACK: {
        const session = this.#sessions.get(id);
        if (session === undefined) return;
        const oldestArrivalMs = Buffer.from(payload.buffer, payload.byteOffset, 8).readDoubleLE(0);
        this.#options.onAck(Math.max(0, Date.now() - oldestArrivalMs) / 1000);
        session.acked(number, extra, payload.length > 8 ? textOf(payload.subarray(8)) : "");
        return;
      }
      case Outcome.WELCOME:
        this.#sessions.get(id)?.welcome(number, this.#options.ack);
        return;
      case Outcome.LATE: {
        const session = this.#sessions.get(id);
        if (session !== undefined) session.isLate = extra === 1;
        return;
      }
      case Outcome.CLOSE: {
        const [code = "", ...message] = textOf(payload).split("\n");
        this.#sessions.get(id)?.fail(extra, code, message.join("\n"));
        return;
      }
      case Outcome.POSTED: {
        this.#posted(id, extra, number, textOf(payload));
        return;
      }
      case Outcome.REPLY:
        this.#options.onReply(id, textOf(payload));
        return;
      case Outcome.READY:
        this.#options.onReady(shard);
        return;
      case Outcome.WARNING:
        this.#options.onWarning(shard, textOf(payload));
        return;
      case Outcome.ALERT:
        this.#options.onAlert(shard, number, textOf(payload));
        return;
    }
  }

  /** Status 0: a part of a long answer, more follows. */
  #posted(id: number, status: number, arrivalMs: number, text: string): void {
    const post = this.#posts.get(id);
    if (post === undefined) return;
    post.parts += text;
    if (status === 0) return;
    this.#posts.delete(id);
    if (status === 200) this.#options.onAck(Math.max(0, Date.now() - arrivalMs) / 1000);
    post.resolve(textAnswer(status, post.parts, status === 429 ? { "retry-after": "60" } : undefined));
  }

  /** Who sends by a connection, for the log. */
  whose(id: number): { tenant?: string; datalogger?: string } {
    const session = this.#sessions.get(id);
    return session === undefined ? {} : { tenant: session.tenant.id, datalogger: session.datalogger };
  }

  /** Another thread takes over this shard: the connections that it goes on with. Posts of which it will not hear are answered. */
  resumed(shard: Shard): OpenSession[] {
    const unread = shard.unread();
    for (const [id, post] of this.#posts) {
      if (post.shard !== shard) continue;
      post.parts = "";
      if (unread.hasPost(id)) continue;
      this.#posts.delete(id);
      const message = "a fault came between this post and its answer; send it again: what was taken of it is not counted twice";
      post.resolve(errorAnswer(503, "shard_down", message, { "retry-after": "2" }));
    }
    return [...this.#sessions.values()].flatMap((session) => {
      if (session.shard !== shard) return [];
      return session.resumed(unread) ?? [];
    });
  }

  /** Ends the connections for whose key `reason` gives one. */
  closeWhere(reason: (identity: Identity) => string | null): void {
    for (const session of [...this.#sessions.values()]) {
      const why = reason(session.identity);
      if (why !== null) session.end(1008, why);
    }
  }

  /** Answers posts whose frames were let go of, since their client is no more. */
  forget(posts: readonly number[]): void {
    for (const id of posts) {
      this.#posts.get(id)?.resolve(unauthorizedAnswer());
      this.#posts.delete(id);
    }
  }

  /** Ends every connection, for a shutdown. */
  closeAll(code: number, reason: string): void {
    for (const session of [...this.#sessions.values()]) session.end(code, reason);
    for (const { resolve } of this.#posts.values())
      resolve(errorAnswer(503, "draining", "the engine is shutting down; send it again", { "retry-after": "2" }));
    this.#posts.clear();
  }
}

/** Subprotocols as they may be said again: a ticket may not. */
function spoken(protocols: readonly string[]): string {
  return protocols.map((protocol) => (protocol.startsWith(TICKET_PREFIX) ? `${TICKET_PREFIX}…` : protocol)).join(", ") || "none";
}

function keyOf(tenant: string, datalogger: string): string {
  return `${tenant}\n${datalogger}`;
}
