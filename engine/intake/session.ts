import { limits } from "../base/limits.js";
import type { Identity } from "../config/keys.js";
import type { TenantConfig } from "../config/schema.js";
import type { Window, Windows } from "../lanes/windows.js";
import { Input } from "../memory/protocol.js";
import type { LaneOfClient, Shard } from "../shards/shard.js";
import type { OpenSession } from "../shards/tasks.js";
import type { Unread } from "../shards/unread.js";
import type { Connection, ConnectionHandler } from "./network.js";

export const PROTOCOL = "meterstorm.v1";
const NO_BYTES = new Uint8Array(0);
const utf8 = new TextEncoder();

/** Who sends. */
export interface Sender {
  tenant: TenantConfig;
  datalogger: string;
  identity: Identity;
}

/** What sessions share. */
export interface SessionHost {
  readonly windows: Windows;
  /** The session's connection is open. */
  register(session: Session): void;
  /** It is gone. */
  unregister(session: Session): void;
}

export function laneOf(shard: Shard, tenant: TenantConfig): LaneOfClient {
  return shard.lane({ tenant: tenant.id, weight: tenant.weight, readingsPerSecond: tenant.limits.readingsPerSecond });
}

/** Of acks that a client leaves unread, this much is handed to the transport; with the largest ack it stays below what cuts it off. */
const UNREAD_ACK_BYTES = 128 * 1024;

interface HeldAck {
  seq: number;
  bytes: number;
  rejected: string;
}

/** One datalogger's connection. */
export class Session implements ConnectionHandler {
  readonly id: number;
  readonly tenant: TenantConfig;
  readonly datalogger: string;
  /** By which key it was let in. */
  readonly identity: Identity;
  readonly #host: SessionHost;
  readonly #shard: Shard;
  readonly #lane: LaneOfClient;
  readonly #window: Window;
  #connection: Connection | null = null;
  #ended = false;
  #bindBytes = 0;
  /** Its bind frames: a successor of the shard's thread has to know them. */
  readonly #binds: Uint8Array[] = [];
  #isWelcomed = false;
  /** Acks for a client that reads slower than they come: lists of rejects are longer than the frames that they are about. */
  readonly #held: HeldAck[] = [];

  constructor(host: SessionHost, id: number, { tenant, datalogger, identity }: Sender, shard: Shard) {
    this.#host = host;
    this.id = id;
    this.tenant = tenant;
    this.datalogger = datalogger;
    this.identity = identity;
    this.#shard = shard;
    this.#lane = laneOf(shard, tenant);
    this.#window = host.windows.open(this.#lane);
  }

  open(connection: Connection): void {
    this.#connection = connection;
    this.#host.register(this);
    const origin = JSON.stringify({ tenant: this.tenant.id, datalogger: this.datalogger });
    // Through the lane: what an older connection sent is taken first, so the welcome knows of it.
    this.#shard.send(this.#lane, Input.HELLO, this.id, Date.now(), utf8.encode(origin));
  }

  message(payload: Uint8Array, binary: boolean): void {
    if (this.#ended) return;
    if (payload.length > limits.maxFrameBytes) {
      this.fail(1009, "frame_too_large", `a frame has at most ${limits.maxFrameBytes} bytes; this one has ${payload.length}`);
      return;
    }
    if (!this.#host.windows.take(this.#window, payload.length)) {
      const message = `more than ${this.#window.largest} bytes of frames, the window, are unacked; wait for acks`;
      this.fail(1008, "over_window", message);
      return;
    }
    if (binary && payload[0] === 2) {
      this.#bindBytes += payload.length;
      if (this.#bindBytes > limits.maxBindBytes) {
        this.fail(1008, "bind_limit", `one connection binds at most ${limits.maxBindBytes} bytes of meter ids`);
        return;
      }
      this.#binds.push(payload.slice());
    }
    this.#shard.send(this.#lane, binary ? Input.BINARY : Input.TEXT, this.id, Date.now(), payload);
  }

  closed(): void {
    this.#ended = true;
    this.#connection = null;
    this.#host.windows.close(this.#window);
    this.#host.unregister(this);
    this.#shard.send(this.#lane, Input.BYE, this.id, Date.now(), NO_BYTES);
  }

  /** Another thread takes over the shard: what it has to know of this connection; null: nothing. */
  resumed(unread: Unread): OpenSession | null {
    this.isLate = false;
    const heldBytes = this.#held.reduce((sum, { bytes }) => sum + bytes, 0);
    const { session, unackedBytes } = unread.resume({
      ...{ id: this.id, tenant: this.tenant.id, datalogger: this.datalogger, binds: this.#binds, isWelcomed: this.#isWelcomed },
      unackedBytes: this.#window.inFlight - heldBytes,
    });
    if (!this.#ended) this.#host.windows.recount(this.#window, heldBytes + unackedBytes);
    return session;
  }

  get shard(): Shard {
    return this.#shard;
  }

  welcome(lastSeq: number, ack: string): void {
    // Who was welcomed by the thread before is not welcomed again.
    if (this.#isWelcomed) return;
    this.#isWelcomed = true;
    const { maxFrameBytes } = limits;
    const window = this.#host.windows.sizeOf(this.#window);
    this.#connection?.send(
      JSON.stringify({
        type: "welcome",
        protocol: PROTOCOL,
        tenant: this.tenant.id,
        datalogger: this.datalogger,
        ack,
        lastSeq,
        window,
        maxFrameBytes,
      }),
    );
  }

  /** What it sends is mostly late now, or no longer: its next ack tells it another window. */
  set isLate(isLate: boolean) {
    this.#window.isLate = isLate;
  }

  /** While the client leaves acks unread, further ones wait, and with them their part of the window: so they are bounded as it is. */
  acked(seq: number, bytes: number, rejected: string): void {
    const unread = this.#connection?.unreadBytes ?? 0;
    if (!this.#ended && (this.#held.length > 0 || unread > UNREAD_ACK_BYTES)) this.#held.push({ seq, bytes, rejected });
    else this.#ack({ seq, bytes, rejected });
  }

  drained(): void {
    let sent = 0;
    for (const ack of this.#held) {
      if ((this.#connection?.unreadBytes ?? 0) > UNREAD_ACK_BYTES) break;
      this.#ack(ack);
      sent++;
    }
    this.#held.splice(0, sent);
  }

  #ack({ seq, bytes, rejected }: HeldAck): void {
    this.#host.windows.give(this.#window, bytes);
    if (this.#ended) return;
    const window = this.#host.windows.sizeOf(this.#window);
    const rejects = rejected === "" ? "" : `,"rejected":[${rejected}]`;
    this.#connection?.send(`{"type":"ack","seq":${seq},"window":${window}${rejects}}`);
  }

  /** Says what is wrong, then closes. */
  fail(closeCode: number, code: string, message: string): void {
    if (this.#ended) return;
    this.#connection?.send(JSON.stringify({ type: "error", code, message }));
    this.end(closeCode, code);
  }

  end(closeCode: number, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#connection?.close(closeCode, reason);
  }
}
