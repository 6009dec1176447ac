import type { Clock } from "../../engine/base/clock.js";
import type { Disk } from "../../engine/base/disk.js";
import { messageOf } from "../../engine/base/errors.js";
import type { Journal } from "../journal/journal.js";
import { writeSnapshot } from "../journal/snapshot.js";
import type { Applier } from "./applier.js";
import { snapshotSections } from "./snapshot-sections.js";

/** Journal bytes after which a restart would have so much to replay that a snapshot pays. */
const SNAPSHOT_EVERY_BYTES = 256 * 1024 * 1024;
/** Of the budget: what lies behind the last snapshot cannot be let go of, so it must stay a part of what may be kept. */
const SNAPSHOT_EVERY_SHARE = 1 / 4;
/** Of the budget: beyond it files go as soon as nobody needs them. */
const KEEP_SHARE = 1 / 2;

/** Pause after a snapshot that failed. */
const RETRY_AFTER_MS = 30_000;

export interface SnapshotOptions {
  disk: Disk;
  clock: Clock;
  directory: string;
  journal: Journal;
  applier: Applier;
  /** Journal files stay this long after store and snapshot have passed them, while less than half of the budget is used. */
  keepMs: number;
  /** The journal's budget in bytes. */
  maxBytes: number;
  /** Position of the snapshot that the shard was opened from. */
  position: number;
}

/** Writes the shard's state down from time to time, and lets go of journal files that nobody needs any more. */
export class SnapshotKeeper {
  readonly #options: SnapshotOptions;
  readonly #everyBytes: number;
  #position: number;
  #writing: Promise<void> | null = null;
  /** The last failure's message; empty after a success. A failed snapshot costs replay time, never data. */
  trouble = "";

  constructor(options: SnapshotOptions) {
    this.#options = options;
    this.#everyBytes = Math.min(SNAPSHOT_EVERY_BYTES, options.maxBytes * SNAPSHOT_EVERY_SHARE);
    this.#position = options.position;
  }

  /** Copying the whole state between every two batches would cost more than the replay that it saves. */
  #pausedUntilMs = Number.NEGATIVE_INFINITY;

  get position(): number {
    return this.#position;
  }

  /** Call between batches: the state must be that of `journal.appended`. */
  maybeWrite(stored: number): void {
    if (this.#options.clock.monotonicMs() < this.#pausedUntilMs) return;
    if (this.#writing === null && this.#options.journal.appended - this.#position >= this.#everyBytes) void this.write(stored);
  }

  /** One snapshot of the state as it is now. It counts once the journal is durable up to it. */
  async write(stored: number): Promise<void> {
    // Again and again: whoever waited as well may have begun meanwhile, and two at once would mix their files.
    while (this.#writing !== null) await this.#writing;
    this.#writing = this.#write(stored).catch((error: unknown) => {
      this.trouble = messageOf(error);
      this.#pausedUntilMs = this.#options.clock.monotonicMs() + RETRY_AFTER_MS;
    });
    await this.#writing;
    this.#writing = null;
  }

  async #write(stored: number): Promise<void> {
    const { disk, directory, journal, applier } = this.#options;
    const position = journal.appended;
    if (position === this.#position) return;
    const sections = snapshotSections(applier, stored, position);
    await journal.committed(position);
    await writeSnapshot(disk, directory, position, sections);
    this.#position = position;
    this.trouble = "";
    await this.release(stored);
  }

  /** Deletes journal files that the store, the snapshot and whoever is told of alerts have passed long enough ago, or at all when the budget is short. */
  async release(stored: number): Promise<void> {
    const { journal, applier, keepMs, maxBytes } = this.#options;
    journal.released(stored);
    const isShort = journal.bytesOnDisk > maxBytes * KEEP_SHARE;
    // What may have to be told again is read from the journal then.
    await journal.release(Math.min(stored, this.#position, applier.told.from), isShort ? 0 : keepMs);
  }
}
