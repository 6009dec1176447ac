import type { AlertTransition } from "../../engine/base/alert-transition.js";
import { Input, Outcome } from "../../engine/memory/protocol.js";
import { createRing, RingConsumer, RingProducer } from "../../engine/memory/ring.js";
import type { Succession } from "../../engine/shards/tasks.js";
import { Unread } from "../../engine/shards/unread.js";
import type { SimClock } from "../support/sim-clock.js";

/** Who is at the other end of a connection. */
export interface Party {
  readonly tenant: string;
  readonly id: string;
  readonly name: string;
}

/** What the engine says to a datalogger. */
export interface Message {
  isWelcome: boolean;
  seq: number;
  bytes: number;
  rejected: string;
}

/** One connection; `inFlight` is the engine's count of its unacked bytes, `unacked` the datalogger's. */
export interface Connection {
  readonly id: number;
  readonly datalogger: Party;
  readonly inbox: Message[];
  inFlight: number;
  /** Bind frames that the engine got, and whether it has welcomed. */
  readonly binds: Uint8Array[];
  isGreeted: boolean;
  unacked: number;
  /** Largest seq that a welcome or an ack named. */
  heard: number;
  welcomed: boolean;
  /** Index of the frame to send next. */
  next: number;
  bound: boolean;
}

interface Queued {
  type: number;
  id: number;
  arrivalMs: number;
  payload: Uint8Array;
}

/** What the shard's words are checked by as they leave it. */
export interface Watcher {
  acked(datalogger: Party, seq: number): void;
  alert(alert: AlertTransition): void;
}

/** The first byte of a binary frame that binds aliases. */
const BIND = 2;
const utf8 = new TextEncoder();
const decoder = new TextDecoder();

/**
 * The main thread's side of a shard for one life of the engine, as the gateway does it: connections, one lane, the two rings.
 * All of it is gone when the engine dies; what was already sent to a datalogger may still reach it.
 */
export class SimNetwork {
  readonly input: SharedArrayBuffer;
  readonly output: SharedArrayBuffer;
  readonly #producer: RingProducer;
  readonly #consumer: RingConsumer;
  readonly #clock: SimClock;
  readonly #watcher: Watcher;
  readonly #lane: Queued[] = [];
  /** Alert transitions that were heard of and are not kept yet: a crash takes them away. */
  readonly #heard: { position: number; alert: AlertTransition }[] = [];
  readonly #connections = new Map<number, Connection>();
  /** Where the last transition was that this thread of the shard has told. */
  #lastHeard = 0;
  /** Up to where transitions are kept. */
  #kept = 0;
  /** Told by the shard's thread: everything before it is synced. */
  durable: number | null = null;
  #nextId = 1;
  ready = false;

  constructor(clock: SimClock, ringBytes: number, watcher: Watcher) {
    this.input = createRing(ringBytes);
    this.output = createRing(ringBytes);
    this.#producer = new RingProducer(this.input);
    this.#consumer = new RingConsumer(this.output);
    this.#clock = clock;
    this.#watcher = watcher;
  }

  get connections(): Iterable<Connection> {
    return this.#connections.values();
  }

  /** Nothing waits on its way to the shard. */
  get idle(): boolean {
    return this.#lane.length === 0 && this.#producer.pendingBytes() === 0;
  }

  connect(datalogger: Party, open: (id: number) => Connection): Connection {
    const connection = open(this.#nextId++);
    this.#connections.set(connection.id, connection);
    this.#send(Input.HELLO, connection.id, utf8.encode(JSON.stringify({ tenant: datalogger.tenant, datalogger: datalogger.id })));
    return connection;
  }

  frame(connection: Connection, bytes: Uint8Array, binary: boolean): void {
    connection.inFlight += bytes.length;
    if (binary && bytes[0] === BIND) connection.binds.push(bytes);
    this.#send(binary ? Input.BINARY : Input.TEXT, connection.id, bytes);
  }

  disconnect(connection: Connection): void {
    this.#connections.delete(connection.id);
    this.#send(Input.BYE, connection.id, new Uint8Array(0));
  }

  #send(type: number, id: number, payload: Uint8Array): void {
    // No two arrivals at one moment: a frame that is taken twice is then seen to be.
    this.#clock.advance(1);
    this.#lane.push({ type, id, arrivalMs: this.#clock.nowMs(), payload });
  }

  /** Moves up to `records` from the lane into the ring. */
  flush(records: number): void {
    for (let i = 0; i < records && this.#lane.length > 0; i++) {
      const { type, id, arrivalMs, payload } = this.#lane[0]!;
      if (!this.#producer.write(type, id, 0, arrivalMs, payload)) break;
      this.#lane.shift();
    }
    this.#producer.publish();
  }

  /** The shard's thread is gone: what the one that takes over has to know. */
  succession(): Succession {
    this.drain();
    this.#lastHeard = 0;
    const unread = new Unread();
    const ring = new RingConsumer(this.input, "freed");
    this.#producer.publish();
    while (ring.next()) {
      unread.add(ring.type, ring.id, ring.bytes.subarray(ring.payloadAt, ring.payloadAt + ring.payloadBytes));
    }
    for (const { type, id, payload } of this.#lane) unread.add(type, id, payload);
    const sessions = [...this.#connections.values()].flatMap((connection) => {
      const { id, binds, isGreeted: isWelcomed, inFlight, datalogger } = connection;
      const who = { id, tenant: datalogger.tenant, datalogger: datalogger.id };
      const { session, unackedBytes } = unread.resume({ ...who, binds, isWelcomed, unackedBytes: inFlight });
      connection.inFlight = unackedBytes;
      return session ?? [];
    });
    return { durable: this.durable, sessions, isCareful: false };
  }

  /** Takes what the shard says; it waits in the connections' inboxes. */
  drain(): void {
    const consumer = this.#consumer;
    while (consumer.next()) this.#outcome(consumer);
    consumer.take();
    consumer.free(consumer.cursor);
  }

  #hear(position: number, alert: AlertTransition): void {
    const last = this.#lastHeard;
    this.#lastHeard = position;
    if (position <= last) throw new Error(`the alert ${alert.key} at ${position} was told after one at ${last}`);
    this.#heard.push({ position, alert });
  }

  /** Keeps up to `count` of the alert transitions that were heard of, and says so. */
  keep(count: number): void {
    const kept = this.#heard.splice(0, count);
    for (const { alert } of kept) this.#watcher.alert(alert);
    if (kept.length === 0) return;
    this.#clock.advance(1);
    this.#kept = Math.max(this.#kept, ...kept.map(({ position }) => position));
    this.#lane.push({ type: Input.TOLD, id: 0, arrivalMs: this.#kept, payload: new Uint8Array(0) });
  }

  #outcome({ type, id, extra, number, bytes, payloadAt, payloadBytes }: RingConsumer): void {
    const payload = bytes.slice(payloadAt, payloadAt + payloadBytes);
    if (type === Outcome.ALERT) this.#hear(number, JSON.parse(decoder.decode(payload)) as AlertTransition);
    const connection = this.#connections.get(id);
    if (connection === undefined) return;
    if (type === Outcome.CLOSE) throw new Error(`${connection.datalogger.name} was closed: ${extra} ${decoder.decode(payload)}`);
    if (type !== Outcome.WELCOME && type !== Outcome.ACK) return;
    if (type === Outcome.WELCOME && connection.isGreeted) return;
    if (type === Outcome.WELCOME) connection.isGreeted = true;
    const acked = type === Outcome.ACK ? extra : 0;
    connection.inFlight -= acked;
    if (connection.inFlight < 0) throw new Error(`${connection.datalogger.name} was given back more bytes than it had sent`);
    this.#watcher.acked(connection.datalogger, number);
    const rejected = payloadBytes > 8 ? decoder.decode(payload.subarray(8)) : "";
    connection.inbox.push({ isWelcome: type === Outcome.WELCOME, seq: number, bytes: acked, rejected });
  }
}
