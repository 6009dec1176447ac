import { crc32 } from "node:zlib";
import { Kind } from "../../engine/base/entries.js";
import { invariant } from "../../engine/base/errors.js";

/**
 * What a file of the journal looks like. Little-endian; every part a multiple of 8 bytes, so that
 * the units in it can be read in place.
 *
 *   segment = header | block | block | … | zeros            block = header | payload
 *
 * Zeros are what is left of a file that was reserved. They are cut off once the next file is durable or the journal is closed, and by
 * the next start after a crash: no block begins with them, so they read as the end.
 *
 * Segment header, 64 bytes. The magic, the version's place and the checksum's hold for every version, so that
 * "another version" and "damaged" can be told apart.
 *    0 magic "METERJNL" | 8 u32 version | 12 u32 bytes of the shard's name | 16 f64 start position
 *   24 the shard's name, UTF-8, zeros up to 60 | 60 u32 crc32 of bytes 0–59
 *
 * Block header, 40 bytes
 *    0 u32 crc32 of everything after it, payload included | 4 u32 magic "MBLK" | 8 u16 version | 10 u16 flags | 12 u32 bytes of the payload
 *   16 f64 start position | 24 f64 position that was durable when it was written | 32 f64 when it was written, epoch ms
 *
 * The payload is a stretch of the stream of units. A block ends where a unit ends, except within a unit
 * that is larger than a block: there flag bit 0 is set on all blocks but the last. A block without payload
 * says only what is durable; a journal that is closed in good order ends with one.
 */
export const FORMAT_VERSION = 2;
export const SEGMENT_HEADER_BYTES = 64;
export const BLOCK_HEADER_BYTES = 40;
/** No writer makes larger payloads: a length beyond it is damage, and is not believed. */
export const MAX_PAYLOAD_BYTES = 16 * 1024 * 1024;
const MAX_SHARD_NAME_BYTES = 36;

const segmentMagic = new TextEncoder().encode("METERJNL");
export const BLOCK_MAGIC = 0x4b4c424d;
const ENDS_INSIDE_UNIT = 1;

export interface SegmentHeader {
  version: number;
  shard: string;
  /** Position of the first byte. */
  start: number;
}

export interface BlockHeader {
  payloadBytes: number;
  start: number;
  /** What was known to be durable when this block was written. */
  durable: number;
  writtenMs: number;
  endsInsideUnit: boolean;
}

export function encodeSegmentHeader(shard: string, start: number): Uint8Array {
  const name = new TextEncoder().encode(shard);
  invariant(name.length <= MAX_SHARD_NAME_BYTES, `a shard's name has at most ${MAX_SHARD_NAME_BYTES} bytes`);
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(segmentMagic, 0);
  view.setUint32(8, FORMAT_VERSION, true);
  view.setUint32(12, name.length, true);
  view.setFloat64(16, start, true);
  bytes.set(name, 24);
  view.setUint32(60, crc32(bytes.subarray(0, 60)), true);
  return bytes;
}

/** `null` when the bytes are no whole header. The fields after `version` mean something in our version only. */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeader | null {
  if (bytes.length < SEGMENT_HEADER_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, SEGMENT_HEADER_BYTES);
  if (segmentMagic.some((byte, i) => bytes[i] !== byte)) return null;
  if (view.getUint32(60, true) !== crc32(bytes.subarray(0, 60))) return null;
  const nameBytes = Math.min(view.getUint32(12, true), MAX_SHARD_NAME_BYTES);
  return {
    version: view.getUint32(8, true),
    shard: new TextDecoder().decode(bytes.subarray(24, 24 + nameBytes)),
    start: view.getFloat64(16, true),
  };
}

/** Writes the header of `payload` at byte `at` of `headers`; the one pass over the payload is its checksum. */
export function encodeBlockHeader(
  headers: Uint8Array,
  view: DataView,
  at: number,
  payload: Uint8Array,
  start: number,
  durable: number,
  writtenMs: number,
  endsInsideUnit: boolean,
): void {
  view.setUint32(at + 4, BLOCK_MAGIC, true);
  view.setUint16(at + 8, FORMAT_VERSION, true);
  view.setUint16(at + 10, endsInsideUnit ? ENDS_INSIDE_UNIT : 0, true);
  view.setUint32(at + 12, payload.length, true);
  view.setFloat64(at + 16, start, true);
  view.setFloat64(at + 24, durable, true);
  view.setFloat64(at + 32, writtenMs, true);
  const head = crc32(headers.subarray(at + 4, at + BLOCK_HEADER_BYTES));
  view.setUint32(at, payload.length === 0 ? head : crc32(payload, head), true);
}

/** The header at byte `at`, its checksum not yet looked at; `null` when it cannot be one. */
export function decodeBlockHeader(view: DataView, at: number): BlockHeader | null {
  if (view.byteLength - at < BLOCK_HEADER_BYTES) return null;
  if (view.getUint32(at + 4, true) !== BLOCK_MAGIC || view.getUint16(at + 8, true) !== FORMAT_VERSION) return null;
  const payloadBytes = view.getUint32(at + 12, true);
  if (payloadBytes > MAX_PAYLOAD_BYTES || payloadBytes % 8 !== 0) return null;
  return {
    payloadBytes,
    start: view.getFloat64(at + 16, true),
    durable: view.getFloat64(at + 24, true),
    writtenMs: view.getFloat64(at + 32, true),
    endsInsideUnit: (view.getUint16(at + 10, true) & ENDS_INSIDE_UNIT) !== 0,
  };
}

/** Whether the checksum of the block at `at`, all of which is in `bytes`, is right. */
export function blockIsWhole(bytes: Uint8Array, view: DataView, at: number, payloadBytes: number): boolean {
  return view.getUint32(at, true) === crc32(bytes.subarray(at + 4, at + BLOCK_HEADER_BYTES + payloadBytes));
}

/** Bytes of the unit that begins at `at`. */
export function unitBytes(bytes: Uint8Array, at: number): number {
  invariant(bytes[at] === Kind.UNIT, `a unit begins at byte ${at}`);
  const size = (bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24)) >>> 0;
  invariant(size >= 8 && size % 8 === 0, `a unit of ${size} bytes`);
  return size;
}

/** End of the last unit from `at` on that lies within `maxBytes`; `at` itself when not even the first does. */
export function unitsWithin(bytes: Uint8Array, at: number, maxBytes: number): number {
  if (bytes.length - at <= maxBytes) return bytes.length;
  let end = at;
  for (;;) {
    const next = end + unitBytes(bytes, end);
    if (next - at > maxBytes) return end;
    end = next;
  }
}
