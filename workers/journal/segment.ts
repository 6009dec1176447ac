import type { Disk } from "../../engine/base/disk.js";
import { MeterstormError } from "../../engine/base/errors.js";
import type { BlockHeader } from "./block.js";
import { BLOCK_HEADER_BYTES, BLOCK_MAGIC, blockIsWhole, decodeBlockHeader } from "./block.js";

/** One file of the journal, as far as it is durable. */
export interface Segment {
  path: string;
  /** Positions of its first byte and after its last. */
  start: number;
  end: number;
  /** Where its last block ends, and how large the file is: zeros lie between, where it was reserved and is not cut yet. */
  bytes: number;
  fileBytes: number;
  /** When it was last written, epoch ms. */
  writtenMs: number;
  /** Where some of its blocks are, so that a read need not go through the whole file. */
  marks: Mark[];
}

export interface Mark {
  position: number;
  offset: number;
}

/** A mark every so many bytes of a file. */
const markBytes = 1024 * 1024;
const nameDigits = 16;
const namePattern = /^journal-(\d{16})\.seg$/;

export function segmentPath(directory: string, start: number): string {
  return `${directory}/journal-${String(start).padStart(nameDigits, "0")}.seg`;
}

/** The start position that a file's name gives; `null` for other files. */
export function segmentStart(name: string): number | null {
  const digits = namePattern.exec(name)?.[1];
  return digits === undefined ? null : Number(digits);
}

/** Notes that a block begins at `offset`. */
export function addMark(segment: Segment, position: number, offset: number): void {
  const last = segment.marks[segment.marks.length - 1];
  if (last === undefined || offset - last.offset >= markBytes) segment.marks.push({ position, offset });
}

/** The last mark at or before a position. */
export function markBefore(segment: Segment, position: number): Mark {
  let low = 0;
  let high = segment.marks.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (segment.marks[middle]!.position <= position) low = middle;
    else high = middle - 1;
  }
  return segment.marks[low]!;
}

export interface Block extends BlockHeader {
  /** Where in the file it begins, and how long it is with its header. */
  offset: number;
  bytes: number;
  /** A view that stays valid; 8-byte aligned. */
  payload: Uint8Array;
}

/** Goes through the blocks of a file, reading ahead in pieces. */
export class BlockReader {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #pieceBytes: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#bytes.buffer);
  /** Where in the file the buffer begins. */
  #base: number;
  /** Where in the file the next block begins. */
  offset: number;

  constructor(disk: Disk, path: string, offset: number, pieceBytes: number) {
    this.#disk = disk;
    this.#path = path;
    this.#pieceBytes = pieceBytes;
    this.#base = offset;
    this.offset = offset;
  }

  /** `end` exactly at the end of the file; `bad` when what comes next is no whole block: `offset` then stays. */
  async next(): Promise<Block | "end" | "bad"> {
    const available = await this.#need(BLOCK_HEADER_BYTES);
    if (available === 0) return "end";
    const header = available < BLOCK_HEADER_BYTES ? null : decodeBlockHeader(this.#view, this.offset - this.#base);
    if (header === null) return "bad";
    const bytes = BLOCK_HEADER_BYTES + header.payloadBytes;
    if ((await this.#need(bytes)) < bytes) return "bad";
    const at = this.offset - this.#base;
    if (!blockIsWhole(this.#bytes, this.#view, at, header.payloadBytes)) return "bad";
    const payload = this.#bytes.subarray(at + BLOCK_HEADER_BYTES, at + bytes);
    const { payloadBytes, start, durable, writtenMs, endsInsideUnit } = header;
    const block = { payloadBytes, start, durable, writtenMs, endsInsideUnit, offset: this.offset, bytes, payload };
    this.offset += bytes;
    return block;
  }

  /** Sees to it that `count` bytes from `offset` on are in the buffer; returns how many there are. */
  async #need(count: number): Promise<number> {
    const available = this.#base + this.#bytes.length - this.offset;
    if (available >= count) return available;
    const read = await this.#disk.readAt(this.#path, this.offset, Math.max(count, this.#pieceBytes));
    this.#bytes = read.byteOffset % 8 === 0 ? read : new Uint8Array(read);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length);
    this.#base = this.offset;
    return this.#bytes.length;
  }
}

/**
 * Looks beyond damage at byte `offset`, position `position`, for a whole block that was written when a later
 * position was already durable. One proves that what is damaged here had once been safe.
 */
export async function findBlockAfter(disk: Disk, path: string, offset: number, position: number): Promise<Block | null> {
  const windowBytes = 4 * 1024 * 1024;
  for (let base = offset; ; base += windowBytes) {
    // Each window is read a header further, so that a header across its end is seen whole.
    const bytes = await disk.readAt(path, base, windowBytes + BLOCK_HEADER_BYTES);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const last = Math.min(windowBytes, bytes.length - BLOCK_HEADER_BYTES + 1);
    for (let at = 0; at < last; at += 8) {
      if (view.getUint32(at + 4, true) !== BLOCK_MAGIC) continue;
      const header = decodeBlockHeader(view, at);
      if (header === null || header.durable <= position || header.start < header.durable) continue;
      const block = await new BlockReader(disk, path, base + at, 0).next();
      if (typeof block !== "string") return block;
    }
    if (bytes.length < windowBytes + BLOCK_HEADER_BYTES) return null;
  }
}

/** Which says where, for those who look and do not start. */
export class DamagedJournal extends MeterstormError {
  /** Byte of the file. */
  readonly offset: number;

  constructor(offset: number, message: string) {
    super("journal_damaged", message);
    this.offset = offset;
  }
}

export function damaged(path: string, offset: number, lost: string): DamagedJournal {
  return new DamagedJournal(
    offset,
    `The journal file ${path} is damaged at byte ${offset}: ${lost}. These units had been written and acknowledged, so the shard does not ` +
      "go on without them. Put the file back from a copy; or, once the disk is in order, move the whole journal directory aside and " +
      "start afresh: what the store had not taken yet is then lost, and dataloggers have to send it again.",
  );
}
