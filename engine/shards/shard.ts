import { limits } from "../base/limits.js";
import { Lane } from "../lanes/lane.js";
import { Scheduler } from "../lanes/scheduler.js";
import type { LaneShare } from "../lanes/windows.js";
import { createLife, Life } from "../memory/life.js";
import { Input, Outcome, SET_ASIDE, type ShardStats } from "../memory/protocol.js";
import { createRing, RingConsumer, RingProducer } from "../memory/ring.js";
import type { PlanPort } from "./plan-port.js";
import { sumOfStats } from "./stats.js";
import { Unread } from "./unread.js";

/** What a lane needs to know of its client. */
export interface ClientLimits {
  tenant: string;
  weight: number;
  readingsPerSecond: number | null;
}

export type LaneOfClient = Lane & LaneShare;

/** Receives what a shard says. Payloads are views into the ring, valid during the call. */
export interface OutcomeListener {
  outcome(shard: Shard, type: number, id: number, extra: number, number: number, payload: Uint8Array): void;
}

const WAIT_MS = 100;
const WAITING_LANES_PUMP_MS = 2;

/** The main thread's side of one shard: its rings, its lanes and their scheduler. */
export class Shard {
  readonly index: number;
  readonly input = createRing(limits.ringBytes);
  readonly output = createRing(limits.outcomeRingBytes);
  readonly lifeBuffer = createLife();
  readonly life = new Life(this.lifeBuffer);
  readonly #producer = new RingProducer(this.input);
  readonly #consumer = new RingConsumer(this.output);
  readonly scheduler: Scheduler;
  readonly #lanes = new Map<string, LaneOfClient>();
  readonly #lanesById: LaneOfClient[] = [];
  #statsNow: ShardStats | null = null;
  /** Of the threads before. */
  #statsBefore: ShardStats | null = null;
  /** Where the shard is asked to take other settings; null before its task begins. */
  plans: PlanPort | null = null;
  /** Empty while the shard works; else why it does not. */
  trouble = "starting";
  /** Threads that have opened the shard. */
  timesOpened = 0;
  #listener: OutcomeListener | null = null;
  #stopped = false;
  #publishScheduled = false;

  constructor(index: number) {
    this.index = index;
    this.scheduler = new Scheduler(
      this.#producer,
      () => performance.now(),
      (delayMs, task) => setTimeout(task, delayMs),
    );
  }

  lane(client: ClientLimits): LaneOfClient {
    const known = this.#lanes.get(client.tenant);
    if (known !== undefined) return known;
    const lane = Object.assign(new Lane(this.#lanesById.length, client.tenant, client.weight, client.readingsPerSecond), {
      connections: 0,
    });
    this.#lanes.set(client.tenant, lane);
    this.#lanesById.push(lane);
    return lane;
  }

  /** Clients that have a lane here have these limits from now on. */
  retune(client: ClientLimits): void {
    this.#lanes.get(client.tenant)?.retune(client.weight, client.readingsPerSecond);
  }

  /**
   * Lets go of what waits in the lane of a client that is no more, but for the goodbyes of its connections. Returns the ids of
   * the posts among it, which nobody else will answer.
   */
  discard(tenant: string): number[] {
    const lane = this.#lanes.get(tenant);
    if (lane === undefined) return [];
    const gone = this.scheduler.discard(lane, ({ type }) => type === Input.BYE);
    return gone.flatMap(({ type, id }) => (type === Input.POST ? [id] : []));
  }

  get hasOpened(): boolean {
    return this.timesOpened > 0;
  }

  /** All that the shard has not yet given back, of the ring or in the lanes, by whose it is: what a successor of its thread takes. */
  unread(): Unread {
    const unread = new Unread();
    const ring = new RingConsumer(this.input, "freed");
    // What is written shall be seen, by this look as by the successor.
    this.#producer.publish();
    while (ring.next()) {
      unread.add(ring.type & ~SET_ASIDE, ring.id, ring.bytes.subarray(ring.payloadAt, ring.payloadAt + ring.payloadBytes));
    }
    for (const lane of this.#lanesById) for (const { type, id, payload } of lane.waiting()) unread.add(type, id, payload);
    return unread;
  }

  /** Where the oldest record lies that the shard has not given back; the same again: nothing was given back meanwhile. */
  get freed(): number {
    return new RingConsumer(this.input, "freed").cursor;
  }

  /** Lets a successor refuse the record on which a careful thread ended. Returns whose it was; null where it was working on none. */
  setAside(): { type: number; id: number } | null {
    const ring = new RingConsumer(this.input, "freed");
    if (!ring.next() || !ring.hasTaken) return null;
    ring.flag(SET_ASIDE);
    return { type: ring.type & ~SET_ASIDE, id: ring.id };
  }

  /** The shard's thread is gone: hears the last that it has said, and forgets what only it knew. */
  heardLast(): void {
    if (this.#listener !== null) this.#drain(this.#listener);
    for (const lane of this.#lanesById) lane.isHeld = false;
    this.#statsBefore = sumOfStats(this.#statsBefore, this.#statsNow);
    this.#statsNow = null;
  }

  /** What it says of itself; counters grow from the engine's start, whatever thread it was that counted. Null: nothing yet. */
  get stats(): ShardStats | null {
    return this.#statsNow === null ? this.#statsBefore : sumOfStats(this.#statsBefore, this.#statsNow);
  }

  get lanes(): Iterable<LaneOfClient> {
    return this.#lanes.values();
  }

  get ringFill(): number {
    return this.#producer.usedBytes() / this.#producer.capacityBytes;
  }

  /** Puts a record into the client's lane. `payload` is copied before this returns. */
  send(lane: LaneOfClient, type: number, id: number, arrivalMs: number, payload: Uint8Array): void {
    this.scheduler.offer(lane, type, id, arrivalMs, payload);
    if (this.#publishScheduled) return;
    // Once per turn of the loop: all frames that a turn brings become visible with one store and one wake-up.
    this.#publishScheduled = true;
    setImmediate(() => {
      this.#publishScheduled = false;
      this.scheduler.pump();
    });
  }

  /** A record past the lanes, for the few that come from no client's frames; false when the ring is full. */
  sendControl(type: number, id: number, number: number, payload?: Uint8Array): boolean {
    const sent = this.#producer.write(type, id, 0, number, payload);
    this.#producer.publish();
    return sent;
  }

  /** Listens until `stop`. */
  async listen(listener: OutcomeListener): Promise<void> {
    this.#listener = listener;
    while (!this.#stopped) {
      const taken = this.#drain(listener);
      this.scheduler.pump();
      if (taken > 0) await new Promise((resolve) => setImmediate(resolve));
      else await this.#consumer.wait(this.scheduler.waitingLanes > 0 ? WAITING_LANES_PUMP_MS : WAIT_MS);
    }
    this.#drain(listener);
  }

  #drain(listener: OutcomeListener): number {
    let taken = 0;
    const consumer = this.#consumer;
    while (consumer.next()) {
      taken++;
      const payload = consumer.bytes.subarray(consumer.payloadAt, consumer.payloadAt + consumer.payloadBytes);
      if (consumer.type === Outcome.COST) this.#cost(consumer.id, consumer.extra, consumer.number, payload);
      else if (consumer.type === Outcome.HOLD) this.#hold(consumer.id, consumer.extra === 1);
      else if (consumer.type === Outcome.STATS) this.#statsNow = JSON.parse(textOf(payload)) as ShardStats;
      else {
        if (consumer.type === Outcome.READY) this.timesOpened++;
        listener.outcome(this, consumer.type, consumer.id, consumer.extra, consumer.number, payload);
      }
    }
    consumer.take();
    consumer.free(consumer.cursor);
    return taken;
  }

  #cost(laneId: number, readings: number, micros: number, payload: Uint8Array): void {
    const lane = this.#lanesById[laneId];
    if (lane === undefined) return;
    const bytes = payload[0]! | (payload[1]! << 8) | (payload[2]! << 16) | (payload[3]! << 24);
    this.scheduler.charge(lane, bytes >>> 0, readings, micros);
  }

  #hold(laneId: number, on: boolean): void {
    const lane = this.#lanesById[laneId];
    if (lane !== undefined) lane.isHeld = on;
  }

  stop(): void {
    this.#stopped = true;
  }
}

/** Text of a payload, which lies in shared memory and is copied first. */
export function textOf(payload: Uint8Array): string {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString("utf8");
}
