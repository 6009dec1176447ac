import { BLOCK_HEADER_BYTES, encodeBlockHeader } from "./block.js";
import type { RecentUnits } from "./recent.js";

/** The blocks of one commit, made ready for one write. Reused from commit to commit, one at a time. */
export class BlockGroup {
  readonly #payloadBytes: number;
  #headers = new Uint8Array(64 * BLOCK_HEADER_BYTES);
  #view = new DataView(this.#headers.buffer);
  /** Headers and payloads in order. Payloads are views of the units in memory: nothing is copied. */
  pieces: Uint8Array[] = [];
  /** Where each block begins, in the stream and within the group. */
  blocks: { position: number; offset: number }[] = [];
  bytes = 0;

  constructor(payloadBytes: number) {
    this.#payloadBytes = payloadBytes;
  }

  /** Takes the units from `from` to `to`; the views stay right while more units are appended. */
  gather(units: RecentUnits, from: number, to: number, durable: number, writtenMs: number): void {
    this.pieces = [];
    this.blocks = [];
    this.bytes = 0;
    units.forEach(from, to, (bytes, position) => {
      // Only a unit that has a chunk of its own is larger than a block.
      for (let at = 0; at < bytes.length; at += this.#payloadBytes) {
        const payload = bytes.subarray(at, at + this.#payloadBytes);
        this.#add(payload, position + at, durable, writtenMs, at + payload.length < bytes.length);
      }
    });
  }

  #add(payload: Uint8Array, position: number, durable: number, writtenMs: number, endsInsideUnit: boolean): void {
    const at = this.blocks.length * BLOCK_HEADER_BYTES;
    if (at === this.#headers.length) {
      // Pieces made before keep the old buffer, and it is not written to any more.
      this.#headers = new Uint8Array(this.#headers.length * 2);
      this.#view = new DataView(this.#headers.buffer);
    }
    encodeBlockHeader(this.#headers, this.#view, at, payload, position, durable, writtenMs, endsInsideUnit);
    this.blocks.push({ position, offset: this.bytes });
    this.pieces.push(this.#headers.subarray(at, at + BLOCK_HEADER_BYTES), payload);
    this.bytes += BLOCK_HEADER_BYTES + payload.length;
  }
}
