import type { Disk } from "../../engine/base/disk.js";
import { MeterstormError } from "../../engine/base/errors.js";
import { SEGMENT_HEADER_BYTES, unitBytes, unitsWithin } from "./block.js";
import type { UnitsRead } from "./recent.js";
import type { Block, Mark, Segment } from "./segment.js";
import { BlockReader, damaged, markBefore } from "./segment.js";

const minPieceBytes = 64 * 1024;
const maxPieceBytes = 4 * 1024 * 1024;

/** Reads units back from the files of the journal, every block checked. */
export class DiskReader {
  readonly #disk: Disk;
  /** Where the last read ended, since the next one mostly goes on there. */
  #last: { path: string; mark: Mark } | null = null;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /**
   * As `Journal.read`; `from` lies below `durable`. Stops at the end of a file, so that a call reads one file only.
   * Throws MeterstormError `journal_position` when `from` is not kept any more, `journal_damaged` when it cannot be read.
   */
  async read(segments: readonly Segment[], from: number, maxBytes: number, durable: number): Promise<UnitsRead> {
    const segment = segments.find((each) => from >= each.start && from < each.end);
    if (segment === undefined) {
      throw new MeterstormError(
        "journal_position",
        `The journal holds positions ${segments[0]?.start ?? durable} to ${durable}; ${from} was asked for. What lies before has been deleted: ` +
          "the snapshot and the store must have passed it.",
      );
    }
    const to = Math.min(segment.end, durable);
    const mark = this.#startFor(segment, from);
    const room = Math.min(Math.max(maxBytes + from - mark.position, minPieceBytes), maxPieceBytes);
    const reader = new BlockReader(this.#disk, segment.path, mark.offset, room);
    const pieces: Uint8Array[] = [];
    let parts: Uint8Array[] = [];
    let end = from;
    let position = mark.position;
    while (end < to && end - from < maxBytes) {
      const block = await this.#next(reader, segment, position);
      const skip = Math.max(0, Math.min(end - position, block.payload.length));
      const blockStart = { position, offset: block.offset };
      position += block.payload.length;
      if (skip === block.payload.length) continue;
      if (block.endsInsideUnit || parts.length > 0) {
        parts.push(block.payload);
        if (block.endsInsideUnit) continue;
      }
      const units = parts.length > 0 ? joined(parts) : block.payload.subarray(skip);
      parts = [];
      let cut = unitsWithin(units, 0, maxBytes - (end - from));
      if (cut === 0) {
        if (pieces.length > 0) break;
        cut = unitBytes(units, 0);
      }
      pieces.push(units.subarray(0, cut));
      end += cut;
      this.#last = { path: segment.path, mark: cut < units.length ? blockStart : { position, offset: reader.offset } };
      if (cut < units.length) break;
    }
    return { pieces, end };
  }

  #startFor(segment: Segment, from: number): Mark {
    const marked =
      segment.marks.length === 0 ? { position: segment.start, offset: SEGMENT_HEADER_BYTES } : markBefore(segment, from);
    const last = this.#last;
    if (last === null || last.path !== segment.path) return marked;
    return last.mark.position <= from && last.mark.position > marked.position ? last.mark : marked;
  }

  async #next(reader: BlockReader, segment: Segment, position: number): Promise<Block> {
    const offset = reader.offset;
    const block = await reader.next();
    if (typeof block !== "string" && block.start === position) return block;
    throw damaged(segment.path, offset, `the block at position ${position} was whole and is no longer`);
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
