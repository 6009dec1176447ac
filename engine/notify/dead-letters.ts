import type { AlertTransition } from "../base/alert-transition.js";
import type { Disk, DiskFile } from "../base/disk.js";

/** Why a transition is not delivered any more. */
export type DeadReason = "expired" | "overflow" | "removed";

/** A line of the files of dead letters: everything that is needed to deliver it by hand. */
export interface DeadLetter {
  /** When it was given up, RFC 3339. */
  at: string;
  reason: DeadReason;
  webhook: string;
  /** Scheme, host and port of the webhook; its path may hold a token. */
  origin: string;
  /** What the last attempt said; empty where there was none. */
  failure: string;
  /** How many transitions were left out before this one. */
  heldBack: number;
  transition: AlertTransition;
}

export interface DeadLetterBounds {
  readonly fileBytes: number;
  readonly files: number;
}

const namePattern = /^dead-letters-(\d{6})\.jsonl$/;

/** Files of dead letters, one JSON a line. The oldest file goes when there are too many. */
export class DeadLetters {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #bounds: DeadLetterBounds;
  #file: DiskFile | null = null;
  /** Of the present file. */
  #path = "";
  #bytes = 0;

  constructor(disk: Disk, directory: string, bounds: DeadLetterBounds) {
    this.#disk = disk;
    this.#directory = directory;
    this.#bounds = bounds;
  }

  /** Resolves when the lines are on the disk; after a rejection some of them may be, and are written again into another file. */
  async write(letters: readonly DeadLetter[]): Promise<void> {
    const lines = letters.map((letter) => Buffer.from(`${JSON.stringify(letter)}\n`));
    try {
      if (this.#bytes >= this.#bounds.fileBytes) await this.close();
      const file = this.#file ?? (await this.#begin());
      await file.append(lines);
      await file.sync();
      // Only for one that holds something: a disk that is full takes the names of new files, and no more.
      if (this.#bytes === 0) await this.#removeOldest();
      for (const line of lines) this.#bytes += line.length;
    } catch (error) {
      // What a new file holds comes again into the next one.
      const useless = this.#file !== null && this.#bytes === 0 ? this.#path : null;
      await this.close().catch(() => undefined);
      if (useless !== null) await this.#disk.remove(useless).catch(() => undefined);
      throw error;
    }
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    this.#bytes = 0;
    await file?.close();
  }

  async #begin(): Promise<DiskFile> {
    const last = Number(namePattern.exec((await this.#names()).at(-1) ?? "")?.[1] ?? 0);
    this.#path = `${this.#directory}/dead-letters-${String(last + 1).padStart(6, "0")}.jsonl`;
    const file = await this.#disk.create(this.#path);
    this.#file = file;
    await this.#disk.syncDirectory(this.#directory);
    return file;
  }

  async #removeOldest(): Promise<void> {
    const names = await this.#names();
    const tooMany = names.slice(0, Math.max(0, names.length - this.#bounds.files));
    for (const name of tooMany) await this.#disk.remove(`${this.#directory}/${name}`);
  }

  async #names(): Promise<string[]> {
    return (await this.#disk.list(this.#directory)).filter((name) => namePattern.test(name));
  }
}
