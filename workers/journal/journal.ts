import type { Clock } from "../../engine/base/clock.js";
import type { Disk } from "../../engine/base/disk.js";
import { invariant, MeterstormError, messageOf } from "../../engine/base/errors.js";
import { limits } from "../../engine/base/limits.js";
import { BLOCK_HEADER_BYTES, MAX_PAYLOAD_BYTES } from "./block.js";
import { DiskReader } from "./disk-reader.js";
import { BlockGroup } from "./group.js";
import type { UnitsRead } from "./recent.js";
import { RecentUnits } from "./recent.js";
import type { Recovered } from "./recover.js";
import { durableMark, recover } from "./recover.js";
import { SegmentFiles } from "./segment-files.js";

export interface JournalOptions {
  disk: Disk;
  clock: Clock;
  /** The shard's own directory; made when absent. */
  directory: string;
  /** Written into every file and compared at the next start; at most 36 bytes. */
  shard?: string;
  /** What a predecessor in this process reported as durable: anything after it is dropped, its inputs still wait in the ring. */
  upTo?: number;
  /** Everything before `position` outlives a power cut. Called once for each group, with growing positions. */
  onDurable(position: number): void;
  /** Called once: nothing will be durable any more, and it is unknown what of the last group is on the disk. */
  onFailed(error: MeterstormError): void;
  blockBytes?: number;
  segmentBytes?: number;
  /** Whether files are made ready beforehand, which syncs faster and writes every byte twice; `true` by default. */
  reserve?: boolean;
  memoryBytes?: number;
}

interface Waiter {
  position: number;
  resolve: () => void;
  reject: (error: Error) => void;
}

/**
 * The journal of one shard: a stream of units (`engine/base/entries.ts`), in which a position is a byte offset.
 *
 *   first ≤ … ≤ durable ≤ written in the group that is in flight ≤ appended
 *
 * `append` only copies. A commit writes all that gathered since the last one as one group of blocks and syncs it;
 * what is appended meanwhile is the next group. One group is in flight at a time, so that a group costs one sync
 * however many frames it holds, and grows by itself when the disk is slow.
 */
export class Journal {
  readonly #options: JournalOptions;
  readonly #recent: RecentUnits;
  readonly #reader: DiskReader;
  readonly #group: BlockGroup;
  readonly #files: SegmentFiles;
  #durable: number;
  /** Up to where a commit was asked for. */
  #wanted: number;
  #running: Promise<void> | null = null;
  #failure: MeterstormError | null = null;
  #waiters: Waiter[] = [];
  #closing: Promise<void> | null = null;

  /** Throws MeterstormError `journal_damaged`, `journal_version`, `journal_foreign`, or the disk's own error. */
  static async open(options: JournalOptions): Promise<Journal> {
    return new Journal(options, await recover(options.disk, options.directory, options.shard ?? "", options.upTo));
  }

  private constructor(options: JournalOptions, { segments, end }: Recovered) {
    const payloadBytes = (options.blockBytes ?? limits.journalBlockBytes) - BLOCK_HEADER_BYTES;
    invariant(
      payloadBytes >= 64 && payloadBytes <= MAX_PAYLOAD_BYTES,
      "a block holds something, and no more than a reader believes",
    );
    invariant(payloadBytes % 8 === 0, "blocks are multiples of 8 bytes");
    this.#options = options;
    this.#recent = new RecentUnits(payloadBytes, options.memoryBytes ?? limits.sinkMemoryBytes, end);
    this.#reader = new DiskReader(options.disk);
    this.#group = new BlockGroup(payloadBytes);
    const { disk, clock, directory, shard = "", segmentBytes = limits.journalSegmentBytes, reserve = true } = options;
    this.#files = new SegmentFiles({ disk, clock, directory, shard, segmentBytes, reserve }, segments);
    this.#durable = end;
    this.#wanted = end;
  }

  /** The oldest position that can still be read. */
  get first(): number {
    return this.#files.segments[0]?.start ?? 0;
  }

  get durable(): number {
    return this.#durable;
  }

  get appended(): number {
    return this.#recent.end;
  }

  /** Size of all files, what is reserved included and what is in flight not. */
  get bytesOnDisk(): number {
    return this.#files.bytesOnDisk;
  }

  /** Why no file is reserved for what comes next; empty in the normal case. It costs speed, never data. */
  get reserveTrouble(): string {
    return this.#files.spareTrouble;
  }

  /** Memory taken by units, written or not. */
  get bytesHeld(): number {
    return this.#recent.heldBytes;
  }

  /** The error that ended it; `null` while it works. */
  get failure(): MeterstormError | null {
    return this.#failure;
  }

  /**
   * Copies one or many whole units and returns the position after them. They are written by the next commit.
   * Throws MeterstormError `journal_failed` once the journal has failed.
   */
  append(units: Uint8Array): number {
    if (this.#failure !== null) throw this.#failure;
    invariant(units.length % 8 === 0, "units are multiples of 8 bytes");
    if (units.length > 0) this.#recent.append(units);
    return this.#recent.end;
  }

  /** Starts to write and sync what was appended; while another commit is in flight it follows by itself. */
  commit(): void {
    if (this.#failure !== null) return;
    this.#wanted = this.#recent.end;
    if (this.#running === null && this.#wanted > this.#durable) this.#running = this.#run();
  }

  /** Commits, and resolves once everything before `position` is durable. Rejects when the journal fails. */
  committed(position: number): Promise<void> {
    invariant(position <= this.#recent.end, "only what was appended can become durable");
    this.commit();
    if (position <= this.#durable) return Promise.resolve();
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ position, resolve, reject });
    });
  }

  async #run(): Promise<void> {
    while (this.#wanted > this.#durable && this.#failure === null) {
      const end = this.#wanted;
      try {
        await this.#writeGroup(end);
      } catch (error) {
        this.#fail(error);
        break;
      }
      this.#durable = end;
      this.#recent.trim(end);
      this.#options.onDurable(end);
      this.#settle();
    }
    this.#running = null;
  }

  async #writeGroup(end: number): Promise<void> {
    const start = this.#durable;
    const writtenMs = this.#options.clock.nowMs();
    this.#group.gather(this.#recent, start, end, start, writtenMs);
    await this.#files.write(this.#group, start, end, writtenMs);
  }

  #fail(cause: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = new MeterstormError(
      "journal_failed",
      `The journal in ${this.#options.directory} could not be written: ${messageOf(cause)}. Everything before position ${this.#durable} is safe; ` +
        "what came after was not acknowledged and will be taken again. Check the disk and its free space; the shard then starts again from there.",
      { cause },
    );
    // A successor in this process, if there is one, must not meet what is left of this one.
    void this.#files.abandon();
    this.#options.onFailed(this.#failure);
    this.#settle();
  }

  #settle(): void {
    if (this.#waiters.length === 0) return;
    const failure = this.#failure;
    this.#waiters = this.#waiters.filter((waiter) => {
      if (waiter.position <= this.#durable) waiter.resolve();
      else if (failure !== null) waiter.reject(failure);
      else return true;
      return false;
    });
  }

  /**
   * Whole units from `from`, a unit's boundary, up to about `maxBytes`, never beyond `durable`, and at least one unit when there
   * is one. At once from memory, else as a promise from the disk. Pieces stay valid until `released` passes them.
   * Rejects with MeterstormError `journal_position` (deleted already) or `journal_damaged`.
   */
  read(from: number, maxBytes: number): UnitsRead | Promise<UnitsRead> {
    invariant(from <= this.#durable, "only what is durable is read");
    if (from === this.#durable) return { pieces: [], end: from };
    return (
      this.#recent.read(from, maxBytes, this.#durable) ?? this.#reader.read(this.#files.segments, from, maxBytes, this.#durable)
    );
  }

  /** All units from `from` to what is durable now, in order, each piece a whole number of them. */
  async *replay(from: number): AsyncGenerator<Uint8Array, void, undefined> {
    const to = this.#durable;
    for (let at = from; at < to; ) {
      const { pieces, end } = await this.read(at, limits.journalBlockBytes);
      invariant(end > at, "a read below the end returns something");
      yield* pieces;
      at = end;
    }
  }

  /** The store has everything before `position`: no reader goes back behind it, and memory held for it is free. */
  released(position: number): void {
    this.#recent.released(Math.min(position, this.#durable));
  }

  /**
   * Deletes files that lie wholly below `position` and were last written more than `keepMs` ago; the newest always stays, since
   * it tells where the stream goes on. Resolves to the number deleted.
   */
  async release(position: number, keepMs: number): Promise<number> {
    return this.#files.release(position, keepMs);
  }

  /**
   * Commits the rest, says in the file that all of it is durable, cuts that file to its length, and closes. Does no more than close
   * after a failure. Nothing is under way any more once it resolves or rejects.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      while (this.#failure === null && this.#durable < this.#recent.end) await this.committed(this.#recent.end);
    } finally {
      const isGood = this.#failure === null;
      this.#failure ??= new MeterstormError("journal_failed", `The journal in ${this.#options.directory} is closed.`);
      if (isGood) await this.#files.close(durableMark(this.#durable, this.#options.clock.nowMs()));
      else await this.#files.abandon();
    }
  }
}
