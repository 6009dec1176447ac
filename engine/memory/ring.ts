import { invariant } from "../base/errors.js";
import { waitFor } from "./waiting.js";

/**
 * A ring of records between two threads: one producer, one consumer, in a SharedArrayBuffer.
 *
 *      freed            taken              published
 *        │                │                    │
 *   ─────┼────────────────┼────────────────────┼──────────────▶ cursors only grow
 *        │ read, not yet  │ published, unread  │ free
 *        │ given back     │                    │
 *
 * The producer claims space between `published` and `freed` + capacity, writes any number of records and
 * makes them visible with one `publish`. The consumer reads up to `published`; what it has read stays in
 * place until it gives the space back with `free`, so that a successor of a dead consumer finds it.
 *
 * Cursors count words of 8 bytes and wrap at 2^32; their differences are taken modulo 2^32, so the wrap is harmless.
 *
 * Record, 8-byte aligned, never split at the end of the buffer (a PAD record fills what is left there):
 *
 *      0            4            8            12           16              24
 *      +------------+------------+------------+------------+---------------+----------------------
 *      | bytes u32  | type u32   | id u32     | extra u32  | number f64    | payload, padded to 8
 *      +------------+------------+------------+------------+---------------+----------------------
 */
const PUBLISHED = 0;
const TAKEN = 32;
const FREED = 64;
const CONSUMER_WAITS = 96;
/** Words of 4 bytes before the data; the cursors lie 128 bytes apart so that no two share a cache line or its prefetched neighbour. */
const CONTROL_WORDS = 128;
const CONTROL_BYTES = CONTROL_WORDS * 4;
const HEADER_BYTES = 24;
const PAD = 0xffffffff;

export function createRing(capacityBytes: number): SharedArrayBuffer {
  invariant(
    capacityBytes >= 4096 && (capacityBytes & (capacityBytes - 1)) === 0,
    `a ring's capacity is a power of two of at least 4096 bytes, not ${capacityBytes}`,
  );
  return new SharedArrayBuffer(CONTROL_BYTES + capacityBytes);
}

abstract class RingSide {
  protected readonly control: Int32Array;
  protected readonly u8: Uint8Array;
  protected readonly u32: Uint32Array;
  protected readonly f64: Float64Array;
  readonly capacityBytes: number;
  protected readonly maskWords: number;

  constructor(buffer: SharedArrayBuffer) {
    this.capacityBytes = buffer.byteLength - CONTROL_BYTES;
    this.control = new Int32Array(buffer, 0, CONTROL_WORDS);
    this.u8 = new Uint8Array(buffer, CONTROL_BYTES);
    this.u32 = new Uint32Array(buffer, CONTROL_BYTES);
    this.f64 = new Float64Array(buffer, CONTROL_BYTES);
    this.maskWords = this.capacityBytes / 8 - 1;
  }

  /** Bytes published that nobody has read yet. */
  unreadBytes(): number {
    return ((Atomics.load(this.control, PUBLISHED) - Atomics.load(this.control, TAKEN)) | 0) * 8;
  }

  /** Bytes that are not free: unread, or read and not yet given back. */
  usedBytes(): number {
    return ((Atomics.load(this.control, PUBLISHED) - Atomics.load(this.control, FREED)) | 0) * 8;
  }
}

export class RingProducer extends RingSide {
  #cursor: number;
  #freed: number;
  #published: number;

  constructor(buffer: SharedArrayBuffer) {
    super(buffer);
    this.#published = this.#cursor = Atomics.load(this.control, PUBLISHED);
    this.#freed = Atomics.load(this.control, FREED);
  }

  /**
   * Writes one record; it is visible to the consumer after the next `publish`. False when there is no room now.
   * `first` and `second` are its payload, one after the other.
   */
  write(type: number, id: number, extra: number, number: number, first?: Uint8Array, second?: Uint8Array): boolean {
    const bytes = (first?.length ?? 0) + (second?.length ?? 0);
    const at = this.#claim(bytes);
    if (at < 0) return false;
    const word = at >> 2;
    this.u32[word] = bytes;
    this.u32[word + 1] = type;
    this.u32[word + 2] = id;
    this.u32[word + 3] = extra;
    this.f64[(at >> 3) + 2] = number;
    if (first !== undefined) this.u8.set(first, at + HEADER_BYTES);
    if (second !== undefined) this.u8.set(second, at + HEADER_BYTES + (first?.length ?? 0));
    return true;
  }

  /** Byte offset of a claimed record in the data, or -1. */
  #claim(payloadBytes: number): number {
    const words = (HEADER_BYTES + payloadBytes + 7) >> 3;
    const capacityWords = this.maskWords + 1;
    const position = this.#cursor & this.maskWords;
    const toEnd = capacityWords - position;
    const need = words <= toEnd ? words : toEnd + words;
    if (!this.#hasRoom(need)) return -1;
    if (words > toEnd) {
      this.u32[position * 2] = PAD;
      this.#cursor = (this.#cursor + toEnd) | 0;
    }
    const at = (this.#cursor & this.maskWords) * 8;
    this.#cursor = (this.#cursor + words) | 0;
    return at;
  }

  #hasRoom(words: number): boolean {
    const capacityWords = this.maskWords + 1;
    if (((this.#cursor - this.#freed) | 0) + words <= capacityWords) return true;
    // The cached cursor of the other side is refreshed only when it says "full": its cache line stays quiet otherwise.
    this.#freed = Atomics.load(this.control, FREED);
    return ((this.#cursor - this.#freed) | 0) + words <= capacityWords;
  }

  /** Makes everything written visible, once for a whole batch, and wakes the consumer if it sleeps. */
  publish(): void {
    if (this.#cursor === this.#published) return;
    this.#published = this.#cursor;
    Atomics.store(this.control, PUBLISHED, this.#cursor);
    if (Atomics.load(this.control, CONSUMER_WAITS) !== 0) Atomics.notify(this.control, PUBLISHED);
  }

  /** Bytes written, published or not, that the consumer has not read. */
  pendingBytes(): number {
    return ((this.#cursor - Atomics.load(this.control, TAKEN)) | 0) * 8;
  }
}

export class RingConsumer extends RingSide {
  #cursor: number;
  #published: number;
  /** The record that `next` found. `payloadAt` is an offset into `bytes`. */
  type = 0;
  id = 0;
  extra = 0;
  number = 0;
  payloadAt = 0;
  payloadBytes = 0;

  constructor(buffer: SharedArrayBuffer, from: "taken" | "freed" = "taken") {
    super(buffer);
    this.#cursor = Atomics.load(this.control, from === "taken" ? TAKEN : FREED);
    this.#published = this.#cursor;
  }

  /** The ring's data; a payload in it is valid until its space is given back. */
  get bytes(): Uint8Array {
    return this.u8;
  }

  /** Cursor behind the record that `next` found; what `free` takes. */
  get cursor(): number {
    return this.#cursor;
  }

  /** Goes to the next record. False when all that is published has been read. */
  next(): boolean {
    for (;;) {
      if (this.#cursor === this.#published) {
        this.#published = Atomics.load(this.control, PUBLISHED);
        if (this.#cursor === this.#published) return false;
      }
      const position = this.#cursor & this.maskWords;
      const word = position * 2;
      const bytes = this.u32[word]!;
      if (bytes === PAD) {
        this.#cursor = (this.#cursor + this.maskWords + 1 - position) | 0;
        continue;
      }
      this.type = this.u32[word + 1]!;
      this.id = this.u32[word + 2]!;
      this.extra = this.u32[word + 3]!;
      this.number = this.f64[position + 2]!;
      this.payloadAt = position * 8 + HEADER_BYTES;
      this.payloadBytes = bytes;
      this.#cursor = (this.#cursor + ((HEADER_BYTES + bytes + 7) >> 3)) | 0;
      return true;
    }
  }

  /** Whether this consumer, or the dead one that it stands in for, has told that it took the record that `next` found. */
  get hasTaken(): boolean {
    return ((Atomics.load(this.control, TAKEN) - this.#cursor) | 0) >= 0;
  }

  /** Sets bits in the type of the record that `next` found, for whoever reads it again; only while nobody else reads. */
  flag(bits: number): void {
    this.u32[((this.payloadAt - HEADER_BYTES) >> 2) + 1]! |= bits;
    this.type |= bits;
  }

  /** Tells the producer how far the consumer has read. */
  take(): void {
    Atomics.store(this.control, TAKEN, this.#cursor);
  }

  /** Gives the space up to `cursor` back. */
  free(cursor: number): void {
    Atomics.store(this.control, FREED, cursor);
  }

  /** Resolves when something new is published, at the latest after `timeoutMs`. */
  async wait(timeoutMs: number): Promise<void> {
    Atomics.store(this.control, CONSUMER_WAITS, 1);
    try {
      await waitFor(this.control, PUBLISHED, this.#cursor, timeoutMs);
    } finally {
      Atomics.store(this.control, CONSUMER_WAITS, 0);
    }
  }
}
