import { grown } from "./alerts-slots.js";

/** Six wheels of 64 places: seconds, minutes of 64 seconds, and so on; together all seconds that 32 bits can say. */
const BITS = 6;
const PLACES = 1 << BITS;
const WHEELS = 6;

/** A growing list of numbers without objects. */
class Bucket {
  slots = EMPTY;
  length = 0;

  push(slot: number): void {
    if (this.length === this.slots.length) this.slots = grown(this.slots, new Uint32Array(Math.max(8, 2 * this.length)));
    this.slots[this.length++] = slot;
  }
}

const EMPTY = new Uint32Array(0);

/**
 * Slots that are to be looked at at some second. A slot has one time, the earliest that was set; entries of later ones lie about until
 * their time and say nothing then, so nothing is ever taken out of the middle.
 *
 *     second by second ▶ [64 × 1 s] ◀─ every 64 s ─ [64 × 64 s] ◀─ every 4096 s ─ [64 × 4096 s] …
 *
 * Four bytes an entry, four a slot; to set and to expire take constant time.
 */
export class TimerWheel {
  readonly #wheels: Bucket[] = Array.from({ length: WHEELS * PLACES }, () => new Bucket());
  /** By slot: the second at which it is to be looked at, since 1970; 0: never. */
  #due = new Uint32Array(64);
  /** All seconds up to here have passed. */
  #second: number;
  /** Slots whose second has passed, from `#next` on. */
  #ready = new Bucket();
  #next = 0;

  constructor(nowMs: number) {
    this.#second = Math.floor(nowMs / 1000);
  }

  /** Milliseconds up to which time has passed. */
  get nowMs(): number {
    return this.#second * 1000;
  }

  /** Forgets everything; time goes on from here. */
  clear(nowMs: number): void {
    for (const bucket of this.#wheels) empty(bucket);
    this.#due.fill(0);
    empty(this.#ready);
    this.#next = 0;
    this.#second = Math.floor(nowMs / 1000);
  }

  /** The slot is looked at at this instant or before; what was set earlier stays. Infinity sets nothing. */
  set(slot: number, atMs: number): void {
    if (!(atMs < 0xffffffff * 1000)) return;
    if (slot >= this.#due.length) this.#due = grown(this.#due, new Uint32Array(2 ** Math.ceil(Math.log2(slot + 1))));
    const second = Math.max(Math.ceil(atMs / 1000), this.#second, 1);
    const before = this.#due[slot]!;
    if (before !== 0 && before <= second) return;
    this.#due[slot] = second;
    this.#put(slot, second);
  }

  /** Whether the slot is looked at by itself no later than at this instant. */
  isSetBefore(slot: number, atMs: number): boolean {
    const due = slot < this.#due.length ? this.#due[slot]! : 0;
    return due !== 0 && due * 1000 <= atMs;
  }

  /** The slot is not looked at any more. */
  forget(slot: number): void {
    if (slot < this.#due.length) this.#due[slot] = 0;
  }

  #put(slot: number, second: number): void {
    if (second <= this.#second) {
      this.#ready.push(slot);
      return;
    }
    // The wheel on which both lie in the same round.
    const wheel = Math.floor((31 - Math.clz32((second ^ this.#second) >>> 0)) / BITS);
    this.#wheels[wheel * PLACES + ((second >>> (wheel * BITS)) & (PLACES - 1))]!.push(slot);
  }

  /** Lets time pass up to this instant. */
  advance(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    while (this.#second < second) {
      this.#second++;
      for (let wheel = WHEELS - 1; wheel > 0; wheel--) {
        if ((this.#second & ((1 << (wheel * BITS)) - 1)) === 0) this.#turn(wheel);
      }
      this.#turn(0);
    }
  }

  /** What lies at the present place of a wheel goes on to smaller ones, or is ready. */
  #turn(wheel: number): void {
    const bucket = this.#wheels[wheel * PLACES + ((this.#second >>> (wheel * BITS)) & (PLACES - 1))]!;
    if (bucket.length === 0) return;
    const { slots, length } = bucket;
    empty(bucket);
    const end = this.#second + 2 ** (wheel * BITS);
    for (let i = 0; i < length; i++) {
      const due = this.#due[slots[i]!]!;
      // Of a slot with another time by now there is another entry.
      if (due >= this.#second && due < end) this.#put(slots[i]!, due);
    }
  }

  /** The next slot whose time has come, which has none from now on; −1: none is left. */
  next(): number {
    while (this.#next < this.#ready.length) {
      const slot = this.#ready.slots[this.#next++]!;
      const due = this.#due[slot]!;
      if (due === 0 || due > this.#second) continue;
      this.#due[slot] = 0;
      return slot;
    }
    empty(this.#ready);
    this.#next = 0;
    return -1;
  }

  /** Whether slots wait whose time has come. */
  get isBehind(): boolean {
    return this.#next < this.#ready.length;
  }

  /** Memory that it takes now. */
  get bytes(): number {
    return this.#wheels.reduce((sum, { slots }) => sum + slots.byteLength, this.#due.byteLength + this.#ready.slots.byteLength);
  }
}

/** What it had grown to is given back: the next round may need it elsewhere. */
function empty(bucket: Bucket): void {
  bucket.slots = EMPTY;
  bucket.length = 0;
}
