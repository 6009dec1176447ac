import { crc32 } from "node:zlib";
import { invariant } from "../../engine/base/errors.js";

/**
 * A shard's state at one position of its journal: pieces of named sections, written as they come. Little-endian, padded to 8 bytes.
 *
 *   file = header | piece | piece | … | end        piece = head | name | payload
 *
 * Header, 40 bytes. Magic, version and checksum keep their places in every version.
 *    0 magic "METERSNP" | 8 u32 version | 12 zeros | 16 f64 position | 24 zeros | 36 u32 crc32 of bytes 0–35
 * Head, 16 bytes:  0 u32 bytes of the payload | 4 u32 bytes of the name | 8 u32 pieces before | 12 u32 crc32 of bytes 0–11, name and payload
 * End: a piece without a name, with f64 bytes of the file before it; nothing follows.
 *
 * A section is all its pieces' payloads, one after another. The file is written under another name and gets its own once all of it is
 * synced: one under its own name is whole, or damaged since.
 */
export const SNAPSHOT_VERSION = 3;
export const HEADER_BYTES = 40;
export const HEAD_BYTES = 16;
export const END_BYTES = HEAD_BYTES + 8;
export const MAX_PIECE_BYTES = 1024 * 1024;
export const MAX_NAME_BYTES = 4096;
const magic = new TextEncoder().encode("METERSNP");

export function padding(bytes: number): number {
  return (8 - (bytes % 8)) % 8;
}

export function encodeHeader(position: number): Uint8Array {
  invariant(Number.isSafeInteger(position) && position >= 0, "a snapshot has a position of the journal");
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(magic, 0);
  view.setUint32(8, SNAPSHOT_VERSION, true);
  view.setFloat64(16, position, true);
  view.setUint32(36, crc32(bytes.subarray(0, 36)), true);
  return bytes;
}

/** Version and position, or what is wrong with the header. */
export function decodeHeader(header: Uint8Array): { version: number; position: number } | string {
  const view = new DataView(header.buffer, header.byteOffset, header.length);
  if (header.length < HEADER_BYTES || magic.some((byte, i) => header[i] !== byte)) return "it has no header";
  if (view.getUint32(36, true) !== crc32(header.subarray(0, 36))) return "its header is damaged";
  return { version: view.getUint32(8, true), position: view.getFloat64(16, true) };
}

/** What a piece is written as; the payload itself is not copied. */
export function encodePiece(name: string, payload: Uint8Array, number: number): Uint8Array[] {
  const text = new TextEncoder().encode(name);
  const head = new Uint8Array(HEAD_BYTES + text.length + padding(text.length));
  const view = new DataView(head.buffer);
  view.setUint32(0, payload.length, true);
  view.setUint32(4, text.length, true);
  view.setUint32(8, number, true);
  head.set(text, HEAD_BYTES);
  const rest = new Uint8Array(padding(payload.length));
  view.setUint32(12, crcOf(head, head.subarray(HEAD_BYTES), payload, rest), true);
  return [head, payload, rest];
}

export interface Head {
  payloadBytes: number;
  nameBytes: number;
  number: number;
  crc: number;
}

export function decodeHead(head: Uint8Array): Head {
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const word = (at: number) => view.getUint32(at, true);
  return { payloadBytes: word(0), nameBytes: word(4), number: word(8), crc: word(12) };
}

/** Of a head without its own checksum, and what follows it. */
export function crcOf(head: Uint8Array, ...rest: readonly Uint8Array[]): number {
  // Of no bytes at all zlib gives 0, whatever it had.
  return rest.reduce((crc, bytes) => (bytes.length === 0 ? crc : crc32(bytes, crc)), crc32(head.subarray(0, HEAD_BYTES - 4)));
}
