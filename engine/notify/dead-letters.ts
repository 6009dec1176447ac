import type { AlertTransition } from "../base/alert-transition.js";
import type { Disk, DiskFile } from "../base/disk.js";
import { InTurn } from "../base/in-turn.js";

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

/** A transition that a webhook did not get, and each line that says so: a crash or a second failure may leave several. */
export interface FoundLetter {
  letter: DeadLetter;
  readonly places: { readonly file: string; readonly line: number }[];
}

export interface DeadLetterBounds {
  readonly fileBytes: number;
  readonly files: number;
}

const namePattern = /^dead-letters-(\d{6})\.jsonl$/;
const NEWLINE = 0x0a;

/** Files of dead letters, one JSON a line. The oldest file goes when there are too many. One thing is done after the other. */
export class DeadLetters {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #bounds: DeadLetterBounds;
  readonly #turn = new InTurn();
  #file: DiskFile | null = null;
  /** Of the file that lines are appended to. */
  #name = "";
  #bytes = 0;

  constructor(disk: Disk, directory: string, bounds: DeadLetterBounds) {
    this.#disk = disk;
    this.#directory = directory;
    this.#bounds = bounds;
  }

  /** Resolves when the lines are on the disk; after a rejection some of them may be, and are written again into another file. */
  write(letters: readonly DeadLetter[]): Promise<void> {
    const lines = letters.map((letter) => Buffer.from(`${JSON.stringify(letter)}\n`));
    return this.#turn.take(() => this.#append(lines, new Set()));
  }

  close(): Promise<void> {
    return this.#turn.take(() => this.#close());
  }

  /** What lies there of a client, in the order in which it was given up; torn lines are passed over. Rejects with the disk's own error. */
  read(tenant: string): Promise<FoundLetter[]> {
    return this.#turn.take(async () => {
      const mark = Buffer.from(`"tenant":${JSON.stringify(tenant)}`);
      const found = new Map<string, FoundLetter>();
      for (const file of await this.#names()) {
        for (const [line, bytes] of linesOf(await this.#disk.read(`${this.#directory}/${file}`)).entries()) {
          const letter = bytes.includes(mark) ? letterOf(bytes) : null;
          if (letter === null || letter.transition.tenant !== tenant) continue;
          const id = `${letter.webhook} ${letter.transition.key}`;
          const known = found.get(id);
          if (known === undefined) found.set(id, { letter, places: [{ file, line }] });
          else {
            known.places.push({ file, line });
            if (letter.at > known.letter.at) known.letter = letter;
          }
        }
      }
      return [...found.values()].sort((a, b) => (a.letter.at < b.letter.at ? -1 : a.letter.at > b.letter.at ? 1 : 0));
    });
  }

  /** Takes out lines that were read. What else lies in their files is on the disk elsewhere before these go; a crash may leave both. */
  remove(found: readonly FoundLetter[]): Promise<void> {
    const lines = new Map<string, Set<number>>();
    for (const { file, line } of found.flatMap(({ places }) => places)) {
      lines.set(file, (lines.get(file) ?? new Set()).add(line));
    }
    return lines.size === 0 ? Promise.resolve() : this.#turn.take(() => this.#remove(lines));
  }

  async #remove(lines: ReadonlyMap<string, ReadonlySet<number>>): Promise<void> {
    // Older ones may have gone meanwhile because there were too many.
    const files = new Set((await this.#names()).filter((name) => lines.has(name)));
    const kept: Buffer[] = [];
    for (const name of files) {
      const all = linesOf(await this.#disk.read(`${this.#directory}/${name}`));
      for (const [line, bytes] of all.entries()) if (!lines.get(name)!.has(line)) kept.push(bytes);
    }
    if (files.has(this.#name)) await this.#close();
    await this.#append(kept, files);
    for (const name of files) await this.#disk.remove(`${this.#directory}/${name}`);
    await this.#disk.syncDirectory(this.#directory);
  }

  /** `replaced`: files that go once this is done, and do not count. */
  async #append(lines: readonly Buffer[], replaced: ReadonlySet<string>): Promise<void> {
    const { fileBytes } = this.#bounds;
    try {
      for (let at = 0; at < lines.length; ) {
        if (this.#bytes >= fileBytes) await this.#close();
        const file = this.#file ?? (await this.#begin());
        const from = at;
        for (let bytes = this.#bytes; at < lines.length && bytes < fileBytes; at++) bytes += lines[at]!.length;
        const batch = Buffer.concat(lines.slice(from, at));
        await file.append([batch]);
        await file.sync();
        // Only for one that holds something: a disk that is full takes the names of new files, and no more.
        if (this.#bytes === 0) await this.#removeOldest(replaced);
        this.#bytes += batch.length;
      }
    } catch (error) {
      // What a new file holds comes again into the next one.
      const useless = this.#file !== null && this.#bytes === 0 ? this.#name : null;
      await this.#close().catch(() => undefined);
      if (useless !== null) await this.#disk.remove(`${this.#directory}/${useless}`).catch(() => undefined);
      throw error;
    }
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    this.#name = "";
    this.#bytes = 0;
    await file?.close();
  }

  async #begin(): Promise<DiskFile> {
    const last = Number(namePattern.exec((await this.#names()).at(-1) ?? "")?.[1] ?? 0);
    this.#name = `dead-letters-${String(last + 1).padStart(6, "0")}.jsonl`;
    const file = await this.#disk.create(`${this.#directory}/${this.#name}`);
    this.#file = file;
    await this.#disk.syncDirectory(this.#directory);
    return file;
  }

  /** More files than there may be, those apart that are going to be removed in any case. */
  async #removeOldest(replaced: ReadonlySet<string>): Promise<void> {
    const counted = (await this.#names()).filter((name) => !replaced.has(name));
    const tooMany = counted.slice(0, Math.max(0, counted.length - this.#bounds.files));
    for (const name of tooMany) await this.#disk.remove(`${this.#directory}/${name}`);
  }

  async #names(): Promise<string[]> {
    return (await this.#disk.list(this.#directory)).filter((name) => namePattern.test(name));
  }
}

/** Each with its line break; one that a crash has torn off gets it. */
function linesOf(bytes: Uint8Array | null): Buffer[] {
  const whole = bytes === null ? Buffer.alloc(0) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lines: Buffer[] = [];
  for (let at = 0; at < whole.length; ) {
    const newline = whole.indexOf(NEWLINE, at);
    lines.push(newline === -1 ? Buffer.concat([whole.subarray(at), Buffer.of(NEWLINE)]) : whole.subarray(at, newline + 1));
    at = newline === -1 ? whole.length : newline + 1;
  }
  return lines;
}

/** Null for a line that is torn, or damaged so that it is JSON and no letter: nobody could deliver it. */
function letterOf(line: Buffer): DeadLetter | null {
  try {
    const letter = JSON.parse(line.toString("utf8")) as Partial<DeadLetter> | null;
    const texts = [letter?.at, letter?.webhook, letter?.origin, letter?.transition?.tenant, letter?.transition?.key];
    return texts.every((text) => typeof text === "string") ? (letter as DeadLetter) : null;
  } catch {
    return null;
  }
}
