import assert from "node:assert/strict";
import { encodeBindFrame } from "../../engine/client/frames.js";
import type { FrameSource, MadeFrame } from "./frame-source.js";
import type { Connection, Message, Party, SimNetwork } from "./sim-network.js";

/**
 * A datalogger that follows the contract: keeps each frame until it is acked, sends it again after a reconnect when `lastSeq`
 * is below it (a careless one: in any case), and never has more unacked than its window, one frame apart. It outlives the engine.
 */
export class SimDatalogger implements Party {
  readonly tenant: string;
  readonly id: string;
  readonly meters: readonly string[];
  readonly #source: FrameSource;
  readonly #windowBytes: number;
  /** Sends again whatever it has not seen acked, `lastSeq` or not. */
  readonly #isCareless: boolean;
  /** Every frame it ever made. */
  readonly frames: MadeFrame[] = [];
  /** Largest seq that it knows to be safe: it has forgotten the frames up to it. */
  safe = 0;
  /** Largest seq that left a shard as safe, whether or not it got here. */
  promised = 0;
  /** Largest seq that it ever handed to a connection. */
  sent = 0;
  resent = 0;
  /** Up to where a simulation that acks what is stored has looked it up. */
  storedChecked = 0;
  connection: Connection | null = null;

  constructor(
    tenant: string,
    id: string,
    meters: readonly string[],
    source: FrameSource,
    windowBytes: number,
    isCareless: boolean,
  ) {
    this.tenant = tenant;
    this.id = id;
    this.meters = meters;
    this.#source = source;
    this.#windowBytes = windowBytes;
    this.#isCareless = isCareless;
  }

  get name(): string {
    return `datalogger ${this.tenant}/${this.id}`;
  }

  /** The latest instant of a reading that it made. */
  get newestTs(): number {
    return Math.max(Number.NEGATIVE_INFINITY, ...this.frames.flatMap(({ readings }) => readings.map(({ ts }) => ts)));
  }

  /** All that it made is safe, and it knows. */
  get done(): boolean {
    return this.doneTo(Number.POSITIVE_INFINITY);
  }

  /** The same of what it made up to the seq `last`. */
  doneTo(last: number): boolean {
    return this.safe >= (this.frames.findLast(({ seq }) => seq <= last)?.seq ?? 0);
  }

  /** Another one with the same frames, none of them sent. */
  twin(): SimDatalogger {
    const twin = new SimDatalogger(this.tenant, this.id, this.meters, this.#source, Number.POSITIVE_INFINITY, false);
    twin.frames.push(...this.frames);
    return twin;
  }

  make(): void {
    this.frames.push(this.#source.make());
  }

  connect(network: SimNetwork): void {
    this.connection = network.connect(this, (id) => ({
      id,
      datalogger: this,
      inbox: [],
      inFlight: 0,
      binds: [],
      isGreeted: false,
      unacked: 0,
      heard: 0,
      welcomed: false,
      next: 0,
      bound: false,
    }));
  }

  /** Sends what the window allows, at most `count` frames and none beyond the seq `last`. */
  send(network: SimNetwork, count: number, last = Number.POSITIVE_INFINITY): void {
    const connection = this.connection;
    if (connection === null || !connection.welcomed) return;
    for (let i = 0; i < count; i++) {
      if (!this.#isCareless) this.#skipSafe(connection);
      const frame = this.frames[connection.next];
      if (frame === undefined || frame.seq > last) return;
      if (connection.unacked > 0 && connection.unacked + frame.bytes.length > this.#windowBytes) return;
      if (frame.binary && !connection.bound) {
        connection.bound = true;
        this.#hand(network, connection, encodeBindFrame(this.meters.map((meter, alias) => ({ meter, alias }))), true);
      }
      this.#hand(network, connection, frame.bytes, frame.binary);
      connection.next++;
      if (frame.seq <= this.sent) this.resent++;
      else this.sent = frame.seq;
    }
  }

  #skipSafe(connection: Connection): void {
    while ((this.frames[connection.next]?.seq ?? Number.POSITIVE_INFINITY) <= this.safe) connection.next++;
  }

  #hand(network: SimNetwork, connection: Connection, bytes: Uint8Array, binary: boolean): void {
    connection.unacked += bytes.length;
    network.frame(connection, bytes, binary);
  }

  /** Reads at most `count` messages. */
  receive(count: number): void {
    const connection = this.connection;
    if (connection === null) return;
    for (const message of connection.inbox.splice(0, count)) this.#message(connection, message);
  }

  #message(connection: Connection, { isWelcome, seq, bytes, rejected }: Message): void {
    assert.equal(isWelcome, !connection.welcomed, `${this.name}: one welcome, and before any ack`);
    assert.ok(seq >= connection.heard, `${this.name}: ack ${seq} after ${connection.heard}`);
    assert.ok(seq >= this.safe, `${this.name}: told ${seq} where ${this.safe} was safe`);
    if (isWelcome) this.#skipSafe(connection);
    connection.heard = seq;
    connection.welcomed = true;
    connection.unacked -= bytes;
    this.safe = seq;
    for (const each of JSON.parse(`[${rejected}]`) as { seq: number }[]) {
      assert.ok(
        this.frames.some((frame) => frame.seq === each.seq),
        `${this.name}: a reject for seq ${each.seq}, which it never used`,
      );
    }
    assert.ok(seq <= this.sent, `${this.name}: told ${seq}, sent ${this.sent}`);
  }

  /** The connection is gone; `heard` of the messages that were under way still came. */
  lose(heard: number): void {
    this.receive(heard);
    this.connection = null;
  }
}
