import type { Disk, DiskFile } from "../../engine/base/disk.js";
import { removeOldSnapshots, snapshotPath, temporaryName } from "./snapshot-files.js";
import { encodeHeader, encodePiece, MAX_PIECE_BYTES } from "./snapshot-format.js";

/** Written and synced at a time: larger ones hold up the journal's own syncs on the same disk. */
const SYNC_BYTES = 4 * 1024 * 1024;

/**
 * Writes a snapshot while it comes. What was put waits in memory until `flush`; the file counts once `finish` resolves, and until
 * then the one before it does. After a rejection only `abandon` is left.
 */
export class SnapshotWriter {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #position: number;
  #file: DiskFile | null = null;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #pieces = 0;
  #bytes = 0;

  constructor(disk: Disk, directory: string, position: number) {
    this.#disk = disk;
    this.#directory = directory;
    this.#position = position;
    this.#take([encodeHeader(position)]);
  }

  /** Bytes that are not on the disk yet. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Takes a piece of a section, which must not change any more. Sections may come in turns. */
  put(section: string, bytes: Uint8Array): void {
    for (let at = 0; at === 0 || at < bytes.length; at += MAX_PIECE_BYTES) {
      this.#take(encodePiece(section, bytes.subarray(at, at + MAX_PIECE_BYTES), this.#pieces++));
    }
  }

  #take(parts: readonly Uint8Array[]): void {
    for (const part of parts) {
      this.#waiting.push(part);
      this.#waitingBytes += part.length;
      this.#bytes += part.length;
    }
  }

  get #temporary(): string {
    return `${this.#directory}/${temporaryName}`;
  }

  /** Writes what waits, some 4 MiB at a time, and syncs each before the next. What is put meanwhile is written as well. */
  async flush(): Promise<void> {
    this.#file ??= await this.#create();
    while (this.#waiting.length > 0) {
      const [parts, bytes] = this.#next();
      await this.#file.append(parts);
      await this.#file.sync();
      this.#waitingBytes -= bytes;
    }
  }

  #next(): [Uint8Array[], number] {
    let bytes = 0;
    let count = 0;
    while (count < this.#waiting.length && bytes < SYNC_BYTES) bytes += this.#waiting[count++]!.length;
    return [this.#waiting.splice(0, count), bytes];
  }

  async #create(): Promise<DiskFile> {
    await this.#disk.makeDirectory(this.#directory);
    if ((await this.#disk.list(this.#directory)).includes(temporaryName)) await this.#disk.remove(this.#temporary);
    return this.#disk.create(this.#temporary);
  }

  /** Makes it durable under its own name, and removes all but the two newest. */
  async finish(): Promise<void> {
    this.#take(encodePiece("", new Uint8Array(new Float64Array([this.#bytes]).buffer), this.#pieces++));
    await this.flush();
    await this.#close();
    await this.#disk.rename(this.#temporary, snapshotPath(this.#directory, this.#position));
    await this.#disk.syncDirectory(this.#directory);
    await removeOldSnapshots(this.#disk, this.#directory);
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close();
  }

  /** Lets go of what has been written: it takes room on a disk that may be full. */
  async abandon(): Promise<void> {
    this.#waiting = [];
    if (this.#file === null) return;
    await this.#close();
    await this.#disk.remove(this.#temporary);
  }
}
