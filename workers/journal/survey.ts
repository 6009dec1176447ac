import type { Disk } from "../../engine/base/disk.js";
import { MeterstormError } from "../../engine/base/errors.js";
import { decodeSegmentHeader, FORMAT_VERSION, SEGMENT_HEADER_BYTES } from "./block.js";
import type { Segment } from "./segment.js";
import { addMark, BlockReader, damaged, findBlockAfter, segmentPath, segmentStart } from "./segment.js";
import { SPARE_NAME } from "./spare.js";

/** The name under which a recovery writes the end of a file again. */
export const COPY_NAME = "journal.tmp";

/** One file of the journal as it was found. */
export interface SurveyedFile {
  /** As far as it is whole; `fileBytes` is 0, since nobody has measured it. */
  segment: Segment;
  /** The largest position that one of its blocks names as durable. */
  durable: number;
  /** Something follows the last whole unit. */
  torn: boolean;
  /** Nothing in it became whole, and no other file needs it. */
  isEmpty: boolean;
  /** Why the journal cannot be gone on from; null in the normal case. */
  fault: Error | null;
}

export interface Survey {
  /** In order of their positions. */
  files: SurveyedFile[];
  /** Names of files that no journal needs once it is opened. */
  leftOver: string[];
  /** What opening the journal throws; null: it does not. */
  fault: Error | null;
}

const pieceBytes = 4 * 1024 * 1024;

/** Reads all files of a journal through, every block checked, and says how they are. Changes nothing; an absent directory has no files. */
export async function survey(disk: Disk, directory: string, shard: string): Promise<Survey> {
  const names = await disk.list(directory);
  const leftOver = [COPY_NAME, SPARE_NAME].filter((name) => names.includes(name));
  const starts = names.map(segmentStart).filter((start) => start !== null);
  const files: SurveyedFile[] = [];
  for (const [i, start] of starts.entries()) files.push(await surveyFile(disk, directory, shard, start, starts[i + 1] ?? null));
  const last = files.at(-1);
  if (last?.fault === null && last.segment.end === last.segment.start) {
    const { path, start, bytes } = last.segment;
    // A segment is only deleted while a later one is durable, so an empty one that stands alone has lost what it held.
    if (files.length === 1 && start > 0) last.fault = damaged(path, bytes, `everything from position ${start} on is lost`);
    else last.isEmpty = true;
  }
  return { files, leftOver, fault: files.find(({ fault }) => fault !== null)?.fault ?? null };
}

/** As `survey`, of one file. `until` is where the next one begins; `null` for the last, which alone may be torn. */
export async function surveyFile(
  disk: Disk,
  directory: string,
  shard: string,
  start: number,
  until: number | null,
): Promise<SurveyedFile> {
  const path = segmentPath(directory, start);
  const segment: Segment = { path, start, end: start, bytes: 0, fileBytes: 0, writtenMs: 0, marks: [] };
  const file: SurveyedFile = { segment, durable: start, torn: false, isEmpty: false, fault: null };
  try {
    await readThrough(disk, shard, file, until);
  } catch (error) {
    file.fault = error instanceof Error ? error : new Error(String(error));
  }
  return file;
}

async function readThrough(disk: Disk, shard: string, file: SurveyedFile, until: number | null): Promise<void> {
  const { segment } = file;
  const { path, start } = segment;
  if (!(await checkHeader(disk, path, shard, start))) {
    if (until !== null) throw damaged(path, 0, `its header is lost, and with it positions ${start} to ${until}`);
    await refuseDamage(disk, path, 0, start);
    file.torn = true;
    return;
  }
  segment.bytes = SEGMENT_HEADER_BYTES;
  const reader = new BlockReader(disk, path, SEGMENT_HEADER_BYTES, pieceBytes);
  let position = start;
  for (;;) {
    const offset = reader.offset;
    const block = await reader.next();
    if (block === "end") break;
    const fits = block !== "bad" && block.start === position;
    if (until !== null && position === until && segment.end === until && (!fits || block.payload.length > 0)) {
      // The next segment took over here; what follows is an older copy of how it begins, or zeros that were not cut yet.
      file.torn = true;
      break;
    }
    if (!fits) {
      if (until !== null) throw damaged(path, offset, `positions ${position} to ${until} are lost`);
      await refuseDamage(disk, path, offset, position);
      file.torn = true;
      break;
    }
    addMark(segment, position, offset);
    position += block.payload.length;
    file.durable = Math.max(file.durable, block.durable);
    file.torn = block.endsInsideUnit;
    if (file.torn) continue;
    segment.end = position;
    segment.bytes = reader.offset;
    segment.writtenMs = block.writtenMs;
  }
  if (until !== null && segment.end !== until) {
    throw damaged(path, segment.bytes, `it ends at position ${segment.end} and the next file begins at ${until}`);
  }
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
