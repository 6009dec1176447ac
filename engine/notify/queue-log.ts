import type { Clock, Timer } from "../base/clock.js";
import { sleep } from "../base/clock.js";
import type { Disk, DiskFile } from "../base/disk.js";
import { messageOf } from "../base/errors.js";
import type { DeadLetter, DeadLetters } from "./dead-letters.js";
import { encodeRecord, FILE_VERSION, type QueueRecord } from "./records.js";
import { queueFileName } from "./recovery.js";
import type { NotifyLog } from "./transition.js";

export interface QueueLogOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly directory: string;
  readonly deadLetters: DeadLetters;
  readonly log: NotifyLog;
  /** The number of the newest file so far, and the names of those that the first new one replaces. */
  readonly generation: number;
  readonly replaces: readonly string[];
  /** All that waits now, as the records with which a file begins. */
  state(): Iterable<QueueRecord>;
  /** What a file may grow by before a new one is begun, at least. */
  readonly growthBytes: number;
}

/** How long what nobody waits for waits for company, so that a delivery does not cost a sync of its own. */
const LAZY_MS = 200;
const RETRY_MS = 1_000;
const SAFE = encodeRecord({ k: "safe" });

/**
 * The notifier's memory on disk: a file that records are appended to, begun anew with what still waits when it has grown, and after every
 * failure, since what a failed sync left behind is unknown. All that gathers while the disk is busy shares the next sync.
 * A failing disk is tried again for ever; whoever waits for `flush` waits as long.
 */
export class QueueLog {
  readonly #options: QueueLogOptions;
  #file: DiskFile | null = null;
  #generation: number;
  #replaces: string[];
  #bytes = 0;
  #maxBytes = 0;
  #pending: Uint8Array[] = [];
  #letters: DeadLetter[] = [];
  #waiters: (() => void)[] = [];
  #running: Promise<void> | null = null;
  #lazy: Timer | null = null;
  #closed = false;
  /** Why the disk does not take what is told; empty when it does. */
  trouble = "";

  constructor(options: QueueLogOptions) {
    this.#options = options;
    this.#generation = options.generation;
    this.#replaces = [...options.replaces];
  }

  /** Keeps a record soon, after all that was given before it. */
  append(record: QueueRecord): void {
    this.#pending.push(encodeRecord(record));
    if (this.#running === null) this.#waitForCompany();
  }

  /** Keeps a dead letter; no record that is appended later is safe before it is. */
  bury(letter: DeadLetter): void {
    this.#letters.push(letter);
  }

  /** Resolves when everything given so far is on the disk. Never rejects. */
  flush(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      this.#start();
    });
  }

  /** Writes no more once what is under way is done. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#lazy?.cancel();
    await this.#running;
    await this.#file?.close().catch(() => undefined);
    await this.#options.deadLetters.close().catch(() => undefined);
  }

  #waitForCompany(): void {
    this.#lazy ??= this.#options.clock.after(LAZY_MS, () => this.#start());
  }

  #start(): void {
    this.#lazy?.cancel();
    this.#lazy = null;
    if (this.#running !== null || this.#closed) return;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    // A turn later: what is given together goes together.
    await Promise.resolve();
    let failed = false;
    do {
      const waiters = this.#waiters.splice(0);
      const letters = this.#letters.splice(0);
      const records = this.#pending.splice(0);
      try {
        // A file that is begun anew holds the records of now, and the letters must be there before them.
        const begins = this.#file === null || this.#bytes > this.#maxBytes;
        const state = begins ? this.#stateNow() : [];
        if (letters.length > 0) await this.#options.deadLetters.write(letters);
        letters.length = 0;
        if (begins) await this.#begin(state);
        else if (records.length > 0) await this.#write(this.#file!, [SAFE, ...records]);
        if (this.trouble !== "") this.#options.log.info("the disk takes what webhooks wait for again");
        this.trouble = "";
        for (const resolve of waiters) resolve();
        failed = false;
      } catch (error) {
        this.#letters.unshift(...letters);
        this.#waiters.unshift(...waiters);
        failed = true;
        await this.#failed(error);
      }
    } while (!this.#closed && (this.#waiters.length > 0 || failed));
    // Here and not when the promise is settled: what comes in between would be left waiting.
    this.#running = null;
    if (!this.#closed && (this.#pending.length > 0 || this.#letters.length > 0)) this.#waitForCompany();
  }

  async #failed(error: unknown): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close().catch(() => undefined);
    const message = messageOf(error);
    if (this.trouble === "") {
      this.#options.log.warn(
        `what webhooks wait for cannot be written in ${this.#options.directory}: ${message}; it is tried again, and sent meanwhile`,
      );
    }
    this.trouble = message;
    await sleep(this.#options.clock, RETRY_MS);
  }

  async #write(file: DiskFile, pieces: readonly Uint8Array[]): Promise<void> {
    await file.append(pieces);
    await file.sync();
    for (const piece of pieces) this.#bytes += piece.length;
  }

  #stateNow(): Uint8Array[] {
    const pieces = [encodeRecord({ k: "file", version: FILE_VERSION, generation: this.#generation + 1 })];
    for (const record of this.#options.state()) pieces.push(encodeRecord(record));
    pieces.push(encodeRecord({ k: "complete", records: pieces.length }));
    return pieces;
  }

  /** A new file is durable, its name too, before the old ones go. */
  async #begin(state: readonly Uint8Array[]): Promise<void> {
    const { disk, directory, growthBytes } = this.#options;
    const old = this.#file;
    this.#file = null;
    await old?.close();
    const name = queueFileName(++this.#generation);
    // Whatever becomes of it, the next file replaces this one too.
    const replaced = this.#replaces.splice(0);
    this.#replaces.push(...replaced, name);
    // From here on it is closed by whoever closes the newest file, also when it fails.
    this.#file = await disk.create(`${directory}/${name}`);
    this.#bytes = 0;
    await this.#write(this.#file, state);
    await disk.syncDirectory(directory);
    this.#maxBytes = this.#bytes + Math.max(growthBytes, this.#bytes);
    this.#replaces = [name];
    for (const path of replaced) await disk.remove(`${directory}/${path}`).catch(() => undefined);
  }
}
