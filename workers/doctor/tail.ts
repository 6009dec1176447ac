import { open } from "node:fs/promises";
import type { TailKind } from "../../engine/base/shard-findings.js";
import { BLOCK_HEADER_BYTES, decodeBlockHeader, SEGMENT_HEADER_BYTES } from "../journal/block.js";

const WINDOW_BYTES = 4 * 1024 * 1024;
/** Entries may end with so many zeros: a write of which no more is missing cannot be told from a whole one. */
const ZEROS_IN_DATA = 64;

export interface Tail {
  bytes: number;
  kind: TailKind;
}

/**
 * What follows byte `from` of a journal file, up to where its whole units end; null: nothing. `isLast`: no file follows, so that what
 * is here is nowhere else.
 *
 *   … whole │ half a unit's blocks │ a block that is not whole ▓▓▓▓▓▓░░░░░░ zeros
 *
 * A write that a crash cut short left a beginning, and zeros or nothing behind it. Bytes behind the end of the block that is
 * not whole, or right up to it, say that it was written in full.
 */
export async function tailOf(path: string, from: number, isLast: boolean): Promise<Tail | null> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    if (size <= from) return null;
    const read = async (offset: number, length: number): Promise<Uint8Array> => {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
      const { bytesRead } = await file.read(bytes, 0, bytes.length, offset);
      return bytes.subarray(0, bytesRead);
    };
    const end = await lastNonZero(read, from, size);
    const kind: TailKind = end === from ? "zeros" : isLast ? await kindOf(read, from, size, end) : "copied";
    return { bytes: size - from, kind };
  } finally {
    await file.close();
  }
}

type Read = (offset: number, length: number) => Promise<Uint8Array>;

/** Where the last byte that is not zero ends. */
async function lastNonZero(read: Read, from: number, size: number): Promise<number> {
  for (let end = size; end > from; ) {
    const start = Math.max(from, end - WINDOW_BYTES);
    const bytes = await read(start, end - start);
    const at = bytes.findLastIndex((byte) => byte !== 0);
    if (at >= 0) return start + at + 1;
    end = start;
  }
  return from;
}

async function kindOf(read: Read, from: number, size: number, end: number): Promise<TailKind> {
  // Not even the file's own header is whole.
  if (from === 0) return end <= SEGMENT_HEADER_BYTES ? "unfinished" : "damaged";
  let offset = from;
  for (;;) {
    const bytes = await read(offset, BLOCK_HEADER_BYTES);
    if (bytes.length < BLOCK_HEADER_BYTES || end <= offset + BLOCK_HEADER_BYTES) return "unfinished";
    const header = decodeBlockHeader(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0);
    if (header === null) return "damaged";
    const blockEnd = offset + BLOCK_HEADER_BYTES + header.payloadBytes;
    if (blockEnd > size) return "unfinished";
    if (!header.endsInsideUnit) return end > blockEnd - ZEROS_IN_DATA ? "damaged" : "unfinished";
    // Part of a unit of several blocks: which of them is not whole does not matter, since the unit is not.
    if (end <= blockEnd - ZEROS_IN_DATA) return "unfinished";
    offset = blockEnd;
    if (offset >= end) return "unfinished";
  }
}
