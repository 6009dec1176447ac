import { limits } from "../../engine/base/limits.js";

/**
 * The binary frame of the contract, little-endian:
 *
 *   0 type (1 readings, 2 bind) | 1 version 1 | 2–3 zero | 4 u32 count | 8 u64 seq | 16 …
 *   readings: count × (u32 alias, u32 rev, f64 ts, f64 value)
 *   bind:     count × (u32 alias, u16 length, UTF-8 meter id)
 */
export const BINARY_HEADER_BYTES = 16;
export const BINARY_READING_BYTES = 24;
export const BinaryType = { READINGS: 1, BIND: 2 } as const;

/** What a look at a binary frame's header says. */
export const Header = {
  READINGS: 1,
  BIND: 2,
  /** The seq can be read, the frame cannot. */
  MALFORMED: 3,
  /** Not even a seq can be read. */
  UNREADABLE: 4,
} as const;

/** The header that `readHeader` found; reused, since frames are read one after another. */
export const header = { count: 0, seq: 0, fault: "" };

export function readHeader(u8: Uint8Array, u32: Uint32Array, at: number, length: number): number {
  header.count = 0;
  header.seq = 0;
  header.fault = "";
  if (length < BINARY_HEADER_BYTES)
    return unreadable(`a binary frame has a header of ${BINARY_HEADER_BYTES} bytes; this one has ${length} bytes in all`);
  const type = u8[at]!;
  if (type !== BinaryType.READINGS && type !== BinaryType.BIND)
    return unreadable(`the frame's type is ${type}; 1 (readings) and 2 (bind) are known`);
  if (u8[at + 1] !== 1) return unreadable(`the frame's version is ${u8[at + 1]}; this engine speaks version 1`);
  const word = at >> 2;
  header.count = u32[word + 1]!;
  header.seq = u32[word + 3]! * 0x1_0000_0000 + u32[word + 2]!;
  const padding = u8[at + 2]! | u8[at + 3]!;
  if (type === BinaryType.BIND) {
    if (padding !== 0) return unreadable("bytes 2 and 3 of a frame are zero");
    if (header.seq !== 0) return unreadable(`a bind frame has seq 0, not ${header.seq}`);
    return Header.BIND;
  }
  if (!isSeq(header.seq)) return unreadable(`seq is ${header.seq}; it must lie in 1 … 2^53 - 1`);
  if (padding !== 0) return malformed("bytes 2 and 3 of a frame are zero");
  const expected = BINARY_HEADER_BYTES + header.count * BINARY_READING_BYTES;
  if (expected !== length)
    return malformed(`the header says ${header.count} readings, which make ${expected} bytes; the frame has ${length}`);
  return Header.READINGS;
}

function unreadable(fault: string): number {
  header.fault = fault;
  return Header.UNREADABLE;
}

function malformed(fault: string): number {
  header.fault = fault;
  return Header.MALFORMED;
}

export function isSeq(seq: unknown): seq is number {
  return typeof seq === "number" && Number.isInteger(seq) && seq >= 1 && seq < 2 ** 53;
}

export interface Binding {
  alias: number;
  /** `null` when the bytes are not UTF-8. */
  meter: string | null;
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The bindings of a bind frame, or what is wrong with it. A frame that lies about a length binds nothing. */
export function readBindings(u8: Uint8Array, at: number, length: number, count: number): Binding[] | string {
  const bindings: Binding[] = [];
  const end = at + length;
  let i = at + BINARY_HEADER_BYTES;
  if (count * 6 > length) return `the header says ${count} bindings, which do not fit into ${length} bytes`;
  for (let n = 0; n < count; n++) {
    if (i + 6 > end) return `binding ${n} of ${count} ends behind the frame`;
    const alias = (u8[i]! | (u8[i + 1]! << 8) | (u8[i + 2]! << 16) | (u8[i + 3]! << 24)) >>> 0;
    const bytes = u8[i + 4]! | (u8[i + 5]! << 8);
    i += 6;
    if (i + bytes > end) return `the meter id of binding ${n} of ${count} ends behind the frame`;
    if (alias >= limits.aliasCount) return `alias ${alias} of binding ${n} is not below ${limits.aliasCount}`;
    bindings.push({ alias, meter: decodeId(u8.slice(i, i + bytes)) });
    i += bytes;
  }
  if (i !== end) return `${end - i} bytes follow the last of ${count} bindings`;
  return bindings;
}

function decodeId(bytes: Uint8Array): string | null {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return null;
  }
}
