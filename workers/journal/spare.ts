import type { Disk, DiskFile } from "../../engine/base/disk.js";
import { messageOf } from "../../engine/base/errors.js";

/** Written and synced at a time: nobody else's sync waits behind more than this. */
const MAX_PIECE_BYTES = 1024 * 1024;
/** Small files are made in several pieces too, so that they are no burst beside what is written to them. */
const LEAST_PIECES = 4;

const zeros = new Uint8Array(MAX_PIECE_BYTES);

export const SPARE_NAME = "journal.spare";

/**
 * The journal's next file, made ready while the present one fills: zeros, all of them written and synced. A sync of what is
 * written over blocks that exist is a sync of these blocks. One of a file that grows needs a commit of the file system's own
 * journal as well, and that waits for whatever other programs have dirtied.
 *
 *   present  units ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓░░░░░░░░░░░░░░░░░░░░░░░░ zeros
 *   spare    ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░                twice as far as the present one is filled
 *
 * So it keeps pace with the journal without a timer: an idle journal reserves nothing, a busy one never in a burst, and half a
 * file is left for a disk that is slow. Whatever fails here costs speed, never the journal.
 */
export class Spare {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #fullBytes: number;
  readonly #pieceBytes: number;
  #file: DiskFile | null = null;
  #bytes = 0;
  #wantedBytes = 0;
  #isReady = false;
  #hasEnded = false;
  #running: Promise<void> | null = null;
  /** Why no file could be reserved; empty while it works. */
  trouble = "";

  /** `bytes` is the size of a whole one. */
  constructor(disk: Disk, directory: string, bytes: number) {
    this.#disk = disk;
    this.#path = `${directory}/${SPARE_NAME}`;
    this.#fullBytes = bytes;
    this.#pieceBytes = Math.min(MAX_PIECE_BYTES, Math.ceil(bytes / LEAST_PIECES));
  }

  /** Size of its file by now, the piece that is in flight included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether `take` gives one. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** A new file of the journal has begun: after a failure this is the time to try again. */
  begin(): void {
    this.trouble = "";
  }

  /** The present file is filled so far: goes on in the background to where that allows. */
  keepUp(filledBytes: number): void {
    if (this.#isReady || this.#hasEnded || this.trouble !== "") return;
    const ahead = filledBytes * 2;
    this.#wantedBytes = ahead >= this.#fullBytes ? this.#fullBytes : ahead - (ahead % this.#pieceBytes);
    if (this.#running === null && this.#bytes < this.#wantedBytes) this.#running = this.#reserve();
  }

  async #reserve(): Promise<void> {
    try {
      while (this.#bytes < this.#wantedBytes && !this.#hasEnded) {
        this.#file ??= await this.#disk.create(this.#path);
        const piece = zeros.subarray(0, Math.min(this.#pieceBytes, this.#fullBytes - this.#bytes));
        this.#bytes += piece.length;
        await this.#file.append([piece]);
        // Written, not merely allocated: the first write to an unwritten extent needs that commit too.
        await this.#file.sync();
      }
      if (this.#bytes === this.#fullBytes) {
        await this.#closeFile();
        this.#isReady = true;
      }
    } catch (error) {
      this.trouble = messageOf(error);
      await this.#discard();
    }
    this.#running = null;
  }

  /**
   * Gives the file its name in the journal and opens it; `null` when it is not whole yet. The name is durable after a sync of
   * the directory. Rejects with the disk's error.
   */
  async take(path: string): Promise<DiskFile | null> {
    if (!this.#isReady) return null;
    this.#isReady = false;
    await this.#disk.rename(this.#path, path);
    this.#bytes = 0;
    this.#wantedBytes = 0;
    return this.#disk.open(path);
  }

  /** Nothing is under way and no file is open once this resolves; what was reserved stays for the next start to remove. */
  async stop(): Promise<void> {
    this.#hasEnded = true;
    await this.#running;
    await this.#closeFile().catch(() => undefined);
  }

  /** As `stop`, and removes the file. */
  async remove(): Promise<void> {
    await this.stop();
    if (this.#bytes > 0) await this.#discard();
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close();
  }

  /** Gives its room back. What cannot be removed stands in the way of the next one, which then tries the same. */
  async #discard(): Promise<void> {
    this.#isReady = false;
    await this.#closeFile().catch(() => undefined);
    await this.#disk.remove(this.#path).catch(() => undefined);
    this.#bytes = 0;
    this.#wantedBytes = 0;
  }
}
