import type { Disk } from "../../engine/base/disk.js";
import { BLOCK_HEADER_BYTES, encodeBlockHeader, encodeSegmentHeader } from "./block.js";
import type { Segment } from "./segment.js";
import { BlockReader, damaged, markBefore, segmentPath } from "./segment.js";
import { COPY_NAME, survey, surveyFile } from "./survey.js";

/**
 * Makes good what a journal holds after any end: a clean one, a killed process, a power cut, a failed sync.
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
 * Throws MeterstormError `journal_damaged`, `journal_version` or `journal_foreign`; nothing is changed on the disk then, unless it
 * was found out only after `upTo`.
 */
export async function recover(disk: Disk, directory: string, shard: string, upTo?: number): Promise<Recovered> {
  await disk.makeDirectory(directory);
  const { files, leftOver, fault } = await survey(disk, directory, shard);
  if (fault !== null) throw fault;
  // Of the copy and the spare nobody knows any more whether they are whole and durable; and where the spare was to get a name, that holds
  // nothing durable yet.
  for (const name of leftOver) await disk.remove(`${directory}/${name}`);
  // A killed predecessor may have left names that no sync has made durable yet; what follows relies on them.
  await disk.syncDirectory(directory);
  for (const { segment, torn } of files) if (torn) await disk.truncate(segment.path, segment.bytes);
  const segments = files.map(({ segment }) => segment);
  const durable = files.at(-1)?.durable ?? 0;
  if (files.at(-1)?.isEmpty) await dropEmptyLast(disk, directory, segments);

  const last = segments.at(-1);
  if (upTo !== undefined) await cutAt(disk, directory, segments, upTo);
  else if (last !== undefined && durable < last.end) {
    const start = Math.max(durable, last.start);
    const offset = await offsetOf(disk, last, start);
    const copyPath = `${directory}/${COPY_NAME}`;
    await writeAgain(disk, last, offset, copyPath, encodeSegmentHeader(shard, start));
    await disk.rename(copyPath, segmentPath(directory, start));
    await disk.syncDirectory(directory);
    if (start > last.start) {
      await disk.truncate(last.path, offset);
      segments[segments.length - 1] = { ...last, end: start, bytes: offset };
    } else segments.pop();
    const copy = await surveyFile(disk, directory, shard, start, null);
    if (copy.fault !== null) throw copy.fault;
    segments.push(copy.segment);
  }
  // Whatever followed the last whole unit of a file is cut by now.
  for (const segment of segments) segment.fileBytes = segment.bytes;
  return { segments, end: segments.at(-1)?.end ?? 0 };
}

/** A last segment of which nothing became whole gives its name back. */
async function dropEmptyLast(disk: Disk, directory: string, segments: Segment[]): Promise<void> {
  const last = segments.pop();
  if (last === undefined) return;
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
