import { invariant } from "../../engine/base/errors.js";
import { unitBytes, unitsWithin } from "./block.js";

/**
 * The newest stretch of the stream, in memory: what waits to be written, and what was written and may soon be read.
 *
 *   dropped │ chunk │ chunk │ chunk (open) ──▶ append
 *           ▲ oldest dropped first: once the store has it, or when memory is short
 *
 * A chunk holds whole units only. It takes what one block takes; a larger unit gets a chunk of its own size, so that
 * units are always read in one piece. Buffers are used again, except when a reader may still look at them.
 */
interface Chunk {
  start: number;
  length: number;
  bytes: Uint8Array;
  /** A reader was given a view of it. */
  lent: boolean;
}

/** Buffers kept for reuse even where no more may be held; beyond it only as long as what is held leaves room. */
const LEAST_SPARE = 4;

export interface UnitsRead {
  /** Each a whole number of units, 8-byte aligned. */
  pieces: Uint8Array[];
  /** Position after them. */
  end: number;
}

export class RecentUnits {
  readonly #chunkBytes: number;
  readonly #memoryBytes: number;
  readonly #chunks: Chunk[] = [];
  readonly #spare: Uint8Array[] = [];
  #open: Chunk;
  #heldBytes: number;
  /** Position after the last unit. */
  end: number;

  constructor(chunkBytes: number, memoryBytes: number, start: number) {
    this.#chunkBytes = chunkBytes;
    this.#memoryBytes = memoryBytes;
    this.end = start;
    this.#open = { start, length: 0, bytes: new Uint8Array(chunkBytes), lent: false };
    this.#chunks.push(this.#open);
    this.#heldBytes = chunkBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Copies whole units. */
  append(units: Uint8Array): void {
    let at = 0;
    while (units.length - at > this.#open.bytes.length - this.#open.length) {
      const fit = unitsWithin(units, at, this.#open.bytes.length - this.#open.length);
      if (fit > at) this.#copy(at === 0 && fit === units.length ? units : units.subarray(at, fit));
      at = fit;
      if (at === units.length) return;
      this.#openChunk(unitBytes(units, at));
    }
    this.#copy(at === 0 ? units : units.subarray(at));
  }

  #copy(units: Uint8Array): void {
    const open = this.#open;
    open.bytes.set(units, open.length);
    open.length += units.length;
    this.end += units.length;
  }

  #openChunk(unit: number): void {
    let bytes = unit <= this.#chunkBytes ? this.#spare.pop() : new Uint8Array(unit);
    bytes ??= new Uint8Array(this.#chunkBytes);
    if (this.#open.length === 0) this.#heldBytes -= (this.#chunks.pop() ?? this.#open).bytes.length;
    this.#open = { start: this.end, length: 0, bytes, lent: false };
    this.#chunks.push(this.#open);
    this.#heldBytes += bytes.length;
  }

  /** Calls `take` with each chunk's part of `from` … `to`, both unit boundaries. */
  forEach(from: number, to: number, take: (units: Uint8Array, position: number) => void): void {
    for (const chunk of this.#chunks) {
      const start = Math.max(from, chunk.start);
      const end = Math.min(to, chunk.start + chunk.length);
      if (start < end) take(chunk.bytes.subarray(start - chunk.start, end - chunk.start), start);
    }
  }

  /** Whole units from `from` on, about `maxBytes`, not beyond `to`, at least one; `null` when they are no longer here. */
  read(from: number, maxBytes: number, to: number): UnitsRead | null {
    const first = this.#chunks[0];
    if (first === undefined || from < first.start) return null;
    const pieces: Uint8Array[] = [];
    let end = from;
    for (const chunk of this.#chunks) {
      if (end >= to || end - from >= maxBytes) break;
      const chunkEnd = Math.min(to, chunk.start + chunk.length);
      if (chunkEnd <= end) continue;
      const bytes = chunk.bytes.subarray(0, chunkEnd - chunk.start);
      const at = end - chunk.start;
      let cut = unitsWithin(bytes, at, maxBytes - (end - from));
      if (cut === at) {
        if (pieces.length > 0) break;
        cut = at + unitBytes(bytes, at);
      }
      chunk.lent = true;
      pieces.push(bytes.subarray(at, cut));
      end = chunk.start + cut;
      if (cut < bytes.length) break;
    }
    return { pieces, end };
  }

  /** Nobody reads below `position` any more, nor looks at what was read from there. */
  released(position: number): void {
    for (let first = this.#chunks[0]; first !== undefined && first !== this.#open; first = this.#chunks[0]) {
      if (first.start + first.length > position) return;
      first.lent = false;
      this.#dropFirst(first);
    }
  }

  /** Keeps to the bound on memory: what is not durable yet stays whatever it takes. */
  trim(durable: number): void {
    for (let first = this.#chunks[0]; first !== undefined && first !== this.#open; first = this.#chunks[0]) {
      if (this.#heldBytes <= this.#memoryBytes || first.start + first.length > durable) return;
      this.#dropFirst(first);
    }
  }

  #dropFirst(first: Chunk): void {
    invariant(this.#chunks.shift() === first, "the oldest chunk goes first");
    this.#heldBytes -= first.bytes.length;
    if (first.lent || first.bytes.length !== this.#chunkBytes) return;
    const spareBytes = this.#spare.length * this.#chunkBytes;
    // What the collector is given must be asked for again soon, and so much of it costs a whole round each time.
    if (this.#spare.length < LEAST_SPARE || this.#heldBytes + spareBytes < this.#memoryBytes) this.#spare.push(first.bytes);
  }
}
