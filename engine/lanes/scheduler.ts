import { limits } from "../base/limits.js";
import type { RingProducer } from "../memory/ring.js";
import { type Lane, type Queued, RECORD_COST_BYTES } from "./lane.js";

/** Bytes that a lane of weight 1 may move in one round. */
const QUANTUM_BYTES = 64 * 1024;
/** A lane's debt for what its frames cost more than others is worked off within this many rounds at most. */
const MAX_DEBT_ROUNDS = 64;
/** What a lane got back for frames that cost less than others, it uses up within as many. */
const MAX_CREDIT_ROUNDS = 8;
const PAUSE_CHECK_MS = 20;
/** Time that what waits unread in the ring may take, so that the next one to come is not behind a whole ring of dear frames. */
const RING_MICROS = 10_000;

/**
 * Deficit round robin between the lanes of one shard (Shreedhar & Varghese, 1995).
 *
 * A lane pays for its bytes when they move, and afterwards for what they really cost: the shard reports the time
 * that each lane's frames took, and a lane whose bytes took longer than the average pays the difference, one whose
 * bytes took less gets it back.
 * Only `limits.ringWaitingBytes` wait unread in the ring, and no more than takes RING_MICROS; all else waits in the lanes, where it is
 * fair.
 */
export class Scheduler {
  readonly #ring: RingProducer;
  readonly #nowMs: () => number;
  readonly #later: (delayMs: number, task: () => void) => void;
  #active: Lane[] = [];
  /** Running mean of microseconds per byte over all lanes. */
  #microsPerByte = 0.02;
  #pauseScheduled = false;
  #waitingBytes = 0;
  /** What waits unread in the ring is likely to take so long; counted anew whenever the ring was empty. */
  #ringMicros = 0;
  #ringFilling = 1;
  /** Nothing moves into the ring before the engine is open. */
  #held = true;

  constructor(ring: RingProducer, nowMs: () => number, later: (delayMs: number, task: () => void) => void) {
    this.#ring = ring;
    this.#nowMs = nowMs;
    this.#later = later;
  }

  get waitingLanes(): number {
    return this.#active.length;
  }

  /** Bytes in all lanes. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /**
   * A record of a lane arrived. With nothing waiting anywhere it goes straight into the ring, so that its bytes are
   * copied once; else it waits in its lane. The payload is only valid during the call.
   */
  offer(lane: Lane, type: number, id: number, arrivalMs: number, payload: Uint8Array): void {
    const straight =
      !(this.#held || lane.isHeld) &&
      this.#active.length === 0 &&
      lane.deficit >= 0 &&
      this.#hasRoom() &&
      lane.pauseMs(this.#nowMs()) === 0;
    if (straight && this.#ring.write(type, id, lane.id, arrivalMs, payload)) {
      this.#entered(lane, payload.length);
      return;
    }
    lane.push({ type, id, arrivalMs, payload: payload.slice() });
    this.#waitingBytes += payload.length + RECORD_COST_BYTES;
    if (!lane.active) {
      lane.active = true;
      this.#active.push(lane);
    }
  }

  /** Lets frames into the ring from here on. */
  open(): void {
    this.#held = false;
    this.pump();
  }

  /** Lets none in until `open`; those that are in can be seen. */
  hold(): void {
    this.#held = true;
    this.#ring.publish();
  }

  /** Whether nothing waits in the ring: all that went in was taken out and worked on. */
  get ringIsDry(): boolean {
    return this.#ring.pendingBytes() === 0;
  }

  /** Lets go of what waits in a lane but for what `keeps` says; returns what went. */
  discard(lane: Lane, keeps: (item: Queued) => boolean): Queued[] {
    const before = lane.bytes;
    const gone = lane.discard(keeps);
    this.#waitingBytes -= before - lane.bytes;
    return gone;
  }

  /** Moves frames while there is room, and makes them visible at once. */
  pump(): void {
    if (this.#held) return;
    while (this.#active.length > 0 && this.#hasRoom()) {
      if (!this.#round()) break;
    }
    this.#ring.publish();
  }

  /** One turn for every waiting lane; false when nothing can move now. */
  #round(): boolean {
    const still: Lane[] = [];
    const nowMs = this.#nowMs();
    let progress = false;
    for (const [i, lane] of this.#active.entries()) {
      if (lane.pauseMs(nowMs) > 0) {
        lane.isHeldUp = true;
        this.#schedulePause();
      } else if (lane.isHeld) lane.isHeldUp = true;
      else {
        // A turn that a full ring cut short goes on; it is not a new one.
        if (!lane.inTurn) lane.deficit += QUANTUM_BYTES * lane.weight;
        progress = true;
        // It works off what its frames cost more than those of others.
        if (lane.deficit <= 0) lane.isHeldUp = true;
        lane.inTurn = !this.#turn(lane);
        if (lane.inTurn) {
          // The round goes on here next time: those that had their turn stand behind those that had not.
          this.#active = [...this.#active.slice(i), ...still];
          return false;
        }
      }
      if (lane.depth > 0) still.push(lane);
      else {
        lane.active = false;
        lane.isHeldUp = false;
        lane.deficit = Math.min(lane.deficit, 0);
      }
    }
    this.#active = still;
    return progress;
  }

  /** Moves what the lane's deficit allows; false when the ring is full. */
  #turn(lane: Lane): boolean {
    while (lane.deficit > 0) {
      const head = lane.peek();
      if (head === undefined) return true;
      const cost = head.payload.length + RECORD_COST_BYTES;
      if (!this.#hasRoom() || !lane.moveTo(this.#ring)) return false;
      lane.deficit -= cost;
      this.#waitingBytes -= cost;
      this.#entered(lane, head.payload.length);
    }
    return true;
  }

  #hasRoom(): boolean {
    const bytes = this.#ring.pendingBytes();
    if (bytes === 0 && this.#ringMicros > 0) {
      this.#ringMicros = 0;
      this.#ringFilling++;
    }
    return bytes < limits.ringWaitingBytes && this.#ringMicros < RING_MICROS;
  }

  #entered(lane: Lane, bytes: number): void {
    if (lane.ringFilling !== this.#ringFilling) {
      lane.ringFilling = this.#ringFilling;
      lane.ringBytes = 0;
      lane.ringMicros = 0;
    }
    const micros = bytes * (lane.microsPerByte === lane.microsPerByte ? lane.microsPerByte : this.#microsPerByte);
    lane.ringBytes += bytes;
    lane.ringMicros += micros;
    this.#ringMicros += micros;
  }

  /** So many bytes of the lane were taken out of the ring. */
  #left(lane: Lane, bytes: number): void {
    if (lane.ringFilling !== this.#ringFilling || lane.ringBytes === 0) return;
    const micros = lane.ringMicros * Math.min(1, bytes / lane.ringBytes);
    lane.ringBytes = Math.max(0, lane.ringBytes - bytes);
    lane.ringMicros -= micros;
    this.#ringMicros -= micros;
  }

  #schedulePause(): void {
    if (this.#pauseScheduled) return;
    this.#pauseScheduled = true;
    this.#later(PAUSE_CHECK_MS, () => {
      this.#pauseScheduled = false;
      this.pump();
    });
  }

  /** What the shard found a lane's frames to cost; without bytes: work that earlier frames caused, such as repairs. */
  charge(lane: Lane, bytes: number, readings: number, micros: number): void {
    lane.spend(readings);
    if (bytes > 0) {
      const weight = Math.min(bytes, 65_536);
      this.#microsPerByte += ((micros / bytes - this.#microsPerByte) * weight) / 1_000_000;
      if (Number.isNaN(lane.microsPerByte)) lane.microsPerByte = micros / bytes;
      lane.microsPerByte += ((micros / bytes - lane.microsPerByte) * weight) / 262_144;
      this.#left(lane, bytes);
    }
    if (!lane.active) return;
    const quantum = QUANTUM_BYTES * lane.weight;
    const owed = lane.deficit - (micros / this.#microsPerByte - bytes);
    lane.deficit = Math.min(Math.max(owed, -MAX_DEBT_ROUNDS * quantum), MAX_CREDIT_ROUNDS * quantum);
  }
}
