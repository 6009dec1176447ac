import type { Disk } from "../../engine/base/disk.js";
import { MeterstormError } from "../../engine/base/errors.js";
import {
  BLOCK_HEADER_BYTES,
  decodeSegmentHeader,
  encodeBlockHeader,
  encodeSegmentHeader,
  FORMAT_VERSION,
  SEGMENT_HEADER_BYTES,
} from "./block.js";
import type { Segment } from "./segment.js";
import { addMark, BlockReader, damaged, findBlockAfter, markBefore, segmentPath, segmentStart } from "./segment.js";
import { SPARE_NAME } from "./spare.js";

/**
 * Finds what a journal holds after any end: a clean one, a killed process, a power cut, a failed sync.
 *
 *   whole segments … | last segment:  known durable ──── D ──── whole blocks ──── E ──── torn, half a unit, zeros
 *                                                         └─ written again, synced ─┘     └─ cut ─┘
 *
 * D is the position that the newest block names as durable. What lies between D and E is read back fine, but
 * perhaps only from the cache: after a failed sync the system keeps such pages as if they were clean, so that no
 * later sync would ever write them. Hence they are written once more, into a file of their own, before anything relies on them.
 */
export interface Recovered {
  /** In order, without gaps; all of it is durable. */
  segments: Segment[];
  /** Position after the last whole unit. */
  end: number;
}

const pieceBytes = 4 * 1024 * 1024;

/**
 * `upTo` is the position that a predecessor in the same process reported as durable: what follows it is dropped,
 * since its inputs still wait in the ring. Without it everything whole is kept.
 * Throws MeterstormError `journal_damaged`, `journal_version` or `journal_foreign`.
 */
export async function recover(disk: Disk, directory: string, shard: string, upTo?: number): Promise<Recovered> {
  await disk.makeDirectory(directory);
  const names = await disk.list(directory);
  const copyPath = `${directory}/journal.tmp`;
  if (names.includes("journal.tmp")) await disk.remove(copyPath);
  // Whether it is whole and durable nobody knows any more; and where it was to get a name, that holds nothing durable yet.
  if (names.includes(SPARE_NAME)) await disk.remove(`${directory}/${SPARE_NAME}`);
  // A killed predecessor may have left names that no sync has made durable yet; what follows relies on them.
  await disk.syncDirectory(directory);

  const starts = names.map(segmentStart).filter((start) => start !== null);
  const segments: Segment[] = [];
  let durable = 0;
  for (const [i, start] of starts.entries()) {
    const scan = await scanSegment(disk, directory, shard, start, starts[i + 1] ?? null);
    if (scan.torn) await disk.truncate(scan.segment.path, scan.segment.bytes);
    segments.push(scan.segment);
    durable = scan.durable;
  }
  await dropEmptyLast(disk, directory, segments);

  const last = segments.at(-1);
  if (upTo !== undefined) await cutAt(disk, directory, segments, upTo);
  else if (last !== undefined && durable < last.end) {
    const start = Math.max(durable, last.start);
    const offset = await offsetOf(disk, last, start);
    await writeAgain(disk, last, offset, copyPath, encodeSegmentHeader(shard, start));
    await disk.rename(copyPath, segmentPath(directory, start));
    await disk.syncDirectory(directory);
    if (start > last.start) {
      await disk.truncate(last.path, offset);
      segments[segments.length - 1] = { ...last, end: start, bytes: offset };
    } else segments.pop();
    segments.push((await scanSegment(disk, directory, shard, start, null)).segment);
  }
  // Whatever followed the last whole unit of a file is cut by now.
  for (const segment of segments) segment.fileBytes = segment.bytes;
  return { segments, end: segments.at(-1)?.end ?? 0 };
}

interface Scan {
  segment: Segment;
  /** The largest position that a block names as durable. */
  durable: number;
  /** Something follows the last whole unit in the file. */
  torn: boolean;
}

/** Reads one segment through. `until` is where the next one begins; `null` for the last, which alone may be torn. */
async function scanSegment(disk: Disk, directory: string, shard: string, start: number, until: number | null): Promise<Scan> {
  const path = segmentPath(directory, start);
  const segment: Segment = { path, start, end: start, bytes: 0, fileBytes: 0, writtenMs: 0, marks: [] };
  if (!(await checkHeader(disk, path, shard, start))) {
    if (until !== null) throw damaged(path, 0, `its header is lost, and with it positions ${start} to ${until}`);
    await refuseDamage(disk, path, 0, start);
    return { segment, durable: start, torn: true };
  }
  segment.bytes = SEGMENT_HEADER_BYTES;
  const reader = new BlockReader(disk, path, SEGMENT_HEADER_BYTES, pieceBytes);
  let position = start;
  let durable = start;
  let torn = false;
  for (;;) {
    const offset = reader.offset;
    const block = await reader.next();
    if (block === "end") break;
    const fits = block !== "bad" && block.start === position;
    if (until !== null && position === until && segment.end === until && (!fits || block.payload.length > 0)) {
      // The next segment took over here; what follows is an older copy of how it begins, or zeros that were not cut yet.
      torn = true;
      break;
    }
    if (!fits) {
      if (until !== null) throw damaged(path, offset, `positions ${position} to ${until} are lost`);
      await refuseDamage(disk, path, offset, position);
      torn = true;
      break;
    }
    addMark(segment, position, offset);
    position += block.payload.length;
    durable = Math.max(durable, block.durable);
    torn = block.endsInsideUnit;
    if (torn) continue;
    segment.end = position;
    segment.bytes = reader.offset;
    segment.writtenMs = block.writtenMs;
  }
  if (until !== null && segment.end !== until) {
    throw damaged(path, segment.bytes, `it ends at position ${segment.end} and the next file begins at ${until}`);
  }
  return { segment, durable, torn };
}

/** Whether the file has a whole header. Throws when it is another version's or another shard's. */
async function checkHeader(disk: Disk, path: string, shard: string, start: number): Promise<boolean> {
  const header = decodeSegmentHeader(await disk.readAt(path, 0, SEGMENT_HEADER_BYTES));
  if (header === null) return false;
  if (header.version !== FORMAT_VERSION) {
    throw new MeterstormError(
      "journal_version",
      `The journal file ${path} has format version ${header.version}; this program reads version ${FORMAT_VERSION}. Start the program that ` +
        "wrote it once more and stop it in good order after the store has caught up, or move the journal directory aside.",
    );
  }
  if (header.shard !== shard) {
    throw new MeterstormError(
      "journal_foreign",
      `The journal file ${path} belongs to shard "${header.shard}", not to "${shard}". Point the shard to its own directory.`,
    );
  }
  if (header.start !== start)
    throw damaged(path, 0, `by its name it begins at position ${start}, by its header at ${header.start}`);
  return true;
}

/** A bad block is the torn end of what was never acknowledged, unless a later block proves that it had been durable. */
async function refuseDamage(disk: Disk, path: string, offset: number, position: number): Promise<void> {
  const later = await findBlockAfter(disk, path, offset, position);
  if (later === null) return;
  throw damaged(
    path,
    offset,
    `positions ${position} to ${later.start} are lost, while a whole block follows at byte ${later.offset}`,
  );
}

/** A last segment of which nothing became whole gives its name back. */
async function dropEmptyLast(disk: Disk, directory: string, segments: Segment[]): Promise<void> {
  const last = segments.at(-1);
  if (last === undefined || last.end > last.start) return;
  // A segment is only deleted while a later one is durable, so an empty one that stands alone has lost what it held.
  if (segments.length === 1 && last.start > 0)
    throw damaged(last.path, last.bytes, `everything from position ${last.start} on is lost`);
  segments.pop();
  await disk.remove(last.path);
  await disk.syncDirectory(directory);
}

/** Drops everything after a position at which a commit ended. */
async function cutAt(disk: Disk, directory: string, segments: Segment[], upTo: number): Promise<void> {
  const end = segments.at(-1)?.end ?? 0;
  if (end < upTo) {
    throw damaged(
      segments.at(-1)?.path ?? directory,
      segments.at(-1)?.bytes ?? 0,
      `it ends at position ${end}, but was durable up to ${upTo}`,
    );
  }
  for (let last = segments.at(-1); last !== undefined && last.start >= upTo; last = segments.at(-1)) {
    segments.pop();
    await disk.remove(last.path);
    await disk.syncDirectory(directory);
  }
  const last = segments.at(-1);
  if (last === undefined || last.end <= upTo) return;
  const offset = await offsetOf(disk, last, upTo);
  await disk.truncate(last.path, offset);
  last.marks = last.marks.filter((mark) => mark.offset < offset);
  last.end = upTo;
  last.bytes = offset;
}

/** Where in the file the block after a position begins; a block ends at that position. */
async function offsetOf(disk: Disk, segment: Segment, position: number): Promise<number> {
  const mark = markBefore(segment, position);
  const reader = new BlockReader(disk, segment.path, mark.offset, pieceBytes);
  for (let at = mark.position; at < position; ) {
    const block = await reader.next();
    if (typeof block === "string") throw damaged(segment.path, reader.offset, `position ${at} cannot be read any more`);
    at += block.payload.length;
    if (at > position) throw damaged(segment.path, block.offset, `no block ends at position ${position}`);
  }
  return reader.offset;
}

/** Copies the end of a segment, as it is read now, into a new file, and says at its end that all of it is durable. */
async function writeAgain(disk: Disk, from: Segment, offset: number, path: string, header: Uint8Array): Promise<void> {
  const file = await disk.create(path);
  try {
    await file.append([header]);
    for (let at = offset; at < from.bytes; at += pieceBytes) {
      await file.append([await disk.readAt(from.path, at, Math.min(pieceBytes, from.bytes - at))]);
    }
    await file.append([durableMark(from.end, from.writtenMs)]);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A block without payload: everything before `position` is durable. */
export function durableMark(position: number, writtenMs: number): Uint8Array {
  const bytes = new Uint8Array(BLOCK_HEADER_BYTES);
  encodeBlockHeader(bytes, new DataView(bytes.buffer), 0, bytes.subarray(0, 0), position, position, writtenMs, false);
  return bytes;
}
