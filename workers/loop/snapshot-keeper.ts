import { type Clock, sleep } from "../../engine/base/clock.js";
import type { Disk } from "../../engine/base/disk.js";
import { messageOf } from "../../engine/base/errors.js";
import type { Journal } from "../journal/journal.js";
import { SnapshotWriter } from "../journal/snapshot-writer.js";
import type { Applier } from "./applier.js";
import { SLICE_MS } from "./pause.js";
import { ShardCut } from "./shard-cut.js";
import { StoredSince } from "./stored-since.js";

/** Journal bytes after which a restart would have so much to replay that a snapshot pays. */
const SNAPSHOT_EVERY_BYTES = 256 * 1024 * 1024;
/** Of the budget: what lies behind the last snapshot cannot be let go of, so it must stay a part of what may be kept. */
const SNAPSHOT_EVERY_SHARE = 1 / 4;
/** Of the budget: beyond it files go as soon as nobody needs them. */
const KEEP_SHARE = 1 / 2;

/** Pause after a snapshot that failed. */
const RETRY_AFTER_MS = 30_000;

/** A slice is over when so much is copied, or its time is over. */
const SLICE_BYTES = 512 * 1024;
/** Between two slices the shard has this long for itself. */
const REST_MS = 4;
/** What waits in memory is written from here on; meanwhile nothing more is copied but what changes. */
const WAITING_BYTES = 4 * 1024 * 1024;

export interface SnapshotOptions {
  disk: Disk;
  clock: Clock;
  directory: string;
  journal: Journal;
  applier: Applier;
  /** Journal files stay this long after the store has passed them, while less than half of the budget is used. */
  keepMs: number;
  /** The journal's budget in bytes. */
  maxBytes: number;
  /** Position of the snapshot that the shard was opened from. */
  position: number;
  /** What the store has now: less than before where it has lost something. */
  stored(): number;
}

/** Writes the shard's state down from time to time, and lets go of journal files that nobody needs any more. */
export class SnapshotKeeper {
  readonly #options: SnapshotOptions;
  readonly #everyBytes: number;
  readonly #storedSince: StoredSince;
  #position: number;
  #writing: Promise<void> | null = null;
  /** The last failure's message; empty after a success. A failed snapshot costs replay time, never data. */
  trouble = "";

  constructor(options: SnapshotOptions) {
    this.#options = options;
    this.#everyBytes = Math.min(SNAPSHOT_EVERY_BYTES, options.maxBytes * SNAPSHOT_EVERY_SHARE);
    this.#position = options.position;
    this.#storedSince = new StoredSince(options.keepMs);
  }

  /** After a failure, so that the state is not copied again and again for nothing. */
  #pausedUntilMs = Number.NEGATIVE_INFINITY;
  #isInHurry = false;
  /** Bytes after which a slice ends, and the most that one has copied. */
  sliceBytes = SLICE_BYTES;
  mostCopied = 0;

  get position(): number {
    return this.#position;
  }

  /** Call between batches: the state must be that of `journal.appended`. What is begun goes on by itself, in slices. */
  maybeWrite(stored: number): void {
    if (this.#options.clock.monotonicMs() < this.#pausedUntilMs) return;
    if (this.#writing === null && this.#options.journal.appended - this.#position >= this.#everyBytes) void this.write(stored);
  }

  /**
   * A snapshot of the state as it is now, between batches; where one is being written, after that one of the state as it is then. It is copied
   * in slices, while the shard goes on, and counts once the journal is durable up to it. Failures are in `trouble`.
   */
  write(stored: number): Promise<void> {
    return this.#afterOthers(stored, false);
  }

  /** As `write`, when nothing else goes on any more: at once, and one that is being copied is given up. */
  writeLast(stored: number): Promise<void> {
    this.#isInHurry = true;
    return this.#afterOthers(stored, true);
  }

  async #afterOthers(stored: number, isLast: boolean): Promise<void> {
    // Again and again: whoever waited as well may have begun meanwhile, and two at once would mix their files.
    while (this.#writing !== null) await this.#writing;
    this.#writing = this.#write(stored, isLast).catch((error: unknown) => {
      this.trouble = messageOf(error);
      this.#pausedUntilMs = this.#options.clock.monotonicMs() + RETRY_AFTER_MS;
    });
    await this.#writing;
    this.#writing = null;
  }

  async #write(stored: number, isLast: boolean): Promise<void> {
    const { disk, directory, journal, applier } = this.#options;
    const position = journal.appended;
    if (position === this.#position) return;
    const writer = new SnapshotWriter(disk, directory, position);
    const cut = new ShardCut(applier, stored, position, (section, bytes) => writer.put(section, bytes));
    try {
      const isWhole = await this.#copy(cut, writer, isLast);
      cut.end();
      if (!isWhole) {
        await writer.abandon();
        return;
      }
      await journal.committed(position);
      await writer.finish();
    } catch (error) {
      cut.end();
      await writer.abandon().catch(() => {});
      throw error;
    }
    this.#position = position;
    this.trouble = "";
    // Not what the store had when this began: it may have lost some of that meanwhile, and is sent it again from here.
    await this.release(this.#options.stored());
  }

  /** `false`: it was given up. */
  async #copy(cut: ShardCut, writer: SnapshotWriter, isLast: boolean): Promise<boolean> {
    const { clock } = this.#options;
    for (;;) {
      const [bytes, endMs] = [cut.bytes, clock.monotonicMs() + SLICE_MS];
      const isOver = cut.advance(this.sliceBytes, () => clock.monotonicMs() >= endMs);
      this.mostCopied = Math.max(this.mostCopied, cut.bytes - bytes);
      if (isOver) return true;
      if (writer.waitingBytes >= WAITING_BYTES) await writer.flush();
      else if (!isLast) await sleep(clock, REST_MS);
      if (this.#isInHurry && !isLast) return false;
    }
  }

  /**
   * Deletes journal files that the snapshot and whoever is told of alerts have passed, and the store long enough ago, or at all when the
   * budget is short. A file that waited long for the store is kept behind its answer as long as any other.
   */
  async release(stored: number): Promise<void> {
    const { journal, clock, applier, keepMs, maxBytes } = this.#options;
    journal.released(stored);
    const nowMs = clock.monotonicMs();
    this.#storedSince.saw(stored, nowMs);
    const isShort = journal.bytesOnDisk > maxBytes * KEEP_SHARE;
    const letGo = isShort ? stored : this.#storedSince.before(nowMs - keepMs);
    // What may have to be told again is read from the journal then.
    await journal.release(Math.min(letGo, this.#position, applier.told.from), isShort ? 0 : keepMs);
  }
}
