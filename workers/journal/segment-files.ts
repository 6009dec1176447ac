import type { Clock } from "../../engine/base/clock.js";
import type { Disk, DiskFile } from "../../engine/base/disk.js";
import { InTurn } from "../../engine/base/in-turn.js";
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES } from "./block.js";
import type { BlockGroup } from "./group.js";
import type { Segment } from "./segment.js";
import { addMark, segmentPath } from "./segment.js";
import { Spare } from "./spare.js";

export interface SegmentFilesOptions {
  disk: Disk;
  clock: Clock;
  directory: string;
  shard: string;
  /** A file takes no further group beyond this; a larger group gets a file to itself. */
  segmentBytes: number;
  /** Whether files are reserved beforehand. */
  reserve: boolean;
}

/** A file that grows is left as soon as a reserved one is ready, which is made so much faster beside it. */
const HURRY = 8;

/**
 * The journal's files: begins them, writes to the newest, cuts and deletes those that are over.
 *
 *   deleted │ cut to its length │ … │ over, to be cut │ newest: units, zeros │ spare
 */
export class SegmentFiles {
  readonly #options: SegmentFilesOptions;
  readonly #spare: Spare | null;
  /** What is cut and deleted beside the writing, one after the other. */
  readonly #beside = new InTurn();
  /** Those that hold something durable, in order. */
  readonly segments: Segment[];
  #file: DiskFile | null = null;
  /** The newest file was not reserved: each of its syncs is dearer. */
  #grows = false;
  #fileBytes: number;
  #hasEnded = false;
  #ending: Promise<void> | null = null;

  constructor(options: SegmentFilesOptions, segments: Segment[]) {
    const { disk, directory, segmentBytes, reserve } = options;
    this.#options = options;
    this.#spare = reserve ? new Spare(disk, directory, segmentBytes) : null;
    this.segments = segments;
    this.#fileBytes = segments.reduce((sum, segment) => sum + segment.fileBytes, 0);
  }

  /**
   * Size of all files. The spare counts, and so do the zeros behind the end of the newest file: what is held against this is a
   * budget for the disk, and nothing else keeps to it. With files of an eighth of the budget at most, the journal is full by up
   * to two eighths of units earlier than without them; it never stays full for their sake, since at most two files have any.
   */
  get bytesOnDisk(): number {
    return this.#fileBytes + (this.#spare?.bytes ?? 0);
  }

  /** Why no file could be reserved; empty while it works. */
  get spareTrouble(): string {
    return this.#spare?.trouble ?? "";
  }

  /** Writes a group, which goes from `start` to `end`; it is durable once this resolves. After a rejection `abandon` is all that may follow. */
  async write(group: BlockGroup, start: number, end: number, writtenMs: number): Promise<void> {
    const { disk, directory, shard, segmentBytes } = this.#options;
    const present = this.segments.at(-1);
    let segment = present;
    let file = this.#file;
    let isFresh = false;
    const mayLeave = this.#grows && this.#spare?.isReady === true;
    if (segment === undefined || file === null || mayLeave || segment.bytes + group.bytes > segmentBytes) {
      isFresh = true;
      this.#file = null;
      await file?.close();
      segment = { path: segmentPath(directory, start), start, end: start, bytes: 0, fileBytes: 0, writtenMs, marks: [] };
      file = await this.#begin(segment);
      this.#file = file;
      group.pieces.unshift(encodeSegmentHeader(shard, start));
    }
    await file.append(group.pieces);
    await file.sync();
    if (isFresh) await disk.syncDirectory(directory);

    // Only what is durable is listed: release relies on a later segment that no crash can take away.
    if (isFresh) {
      segment.bytes = SEGMENT_HEADER_BYTES;
      this.segments.push(segment);
      if (present !== undefined) this.#cutBeside(present);
      this.#spare?.begin();
    }
    for (const block of group.blocks) addMark(segment, block.position, segment.bytes + block.offset);
    segment.bytes += group.bytes;
    segment.end = end;
    segment.writtenMs = writtenMs;
    this.#resize(segment, Math.max(segment.fileBytes, segment.bytes));
    this.#spare?.keepUp(this.#grows ? HURRY * segment.bytes : segment.bytes);
  }

  /** A file that was reserved where one is ready, a new one otherwise. Its name waits for a sync of the directory. */
  async #begin(segment: Segment): Promise<DiskFile> {
    const { disk, segmentBytes } = this.#options;
    const file = (await this.#spare?.take(segment.path)) ?? null;
    this.#grows = file === null;
    if (file === null) return disk.create(segment.path);
    this.#resize(segment, segmentBytes);
    return file;
  }

  #resize(segment: Segment, fileBytes: number): void {
    this.#fileBytes += fileBytes - segment.fileBytes;
    segment.fileBytes = fileBytes;
  }

  /**
   * Cuts off the zeros of a file that is over. Only once the next one is durable, so that nobody waits for it; and it is no
   * matter if it fails: a start reads zeros as the end, and cuts them.
   */
  #cutBeside(segment: Segment): void {
    this.#beside
      .take(async () => {
        if (segment.fileBytes === segment.bytes || this.#hasEnded) return;
        await this.#options.disk.truncate(segment.path, segment.bytes);
        this.#resize(segment, segment.bytes);
      })
      .catch(() => undefined);
  }

  /** As `Journal.release`. */
  release(position: number, keepMs: number): Promise<number> {
    return this.#beside.take(() => this.#deleteBelow(position, keepMs));
  }

  async #deleteBelow(position: number, keepMs: number): Promise<number> {
    const { disk, directory, clock } = this.#options;
    let deleted = 0;
    while (!this.#hasEnded) {
      const [oldest, next] = this.segments;
      if (oldest === undefined || next === undefined) break;
      if (oldest.end > position || clock.nowMs() - oldest.writtenMs < keepMs) break;
      await disk.remove(oldest.path);
      this.segments.shift();
      this.#resize(oldest, 0);
      deleted++;
      // One at a time: a power cut must not take a later name and leave an earlier one, which would look like a hole.
      await disk.syncDirectory(directory);
    }
    return deleted;
  }

  /** Writes `mark` behind everything, cuts what still ends with zeros and removes the spare. Nothing is under way afterwards. */
  async close(mark: Uint8Array): Promise<void> {
    const file = this.#file;
    const last = this.segments.at(-1);
    try {
      if (file !== null && last !== undefined) {
        await file.append([mark]);
        await file.sync();
        last.bytes += mark.length;
        this.#resize(last, Math.max(last.fileBytes, last.bytes));
      }
      // Those before it as well, where a cut has failed.
      for (const segment of this.segments) this.#cutBeside(segment);
      await this.#settled();
      await this.#spare?.remove();
    } finally {
      await this.abandon();
    }
  }

  /** Closes what is open and waits for what is under way; begins nothing any more. The files stay as they are: it is for the next start to judge them. */
  abandon(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    this.#hasEnded = true;
    const file = this.#file;
    this.#file = null;
    await file?.close().catch(() => undefined);
    await this.#spare?.stop();
    await this.#settled();
  }

  #settled(): Promise<void> {
    return this.#beside.take(() => Promise.resolve());
  }
}
