import type { Disk, DiskFile } from "../../engine/base/disk.js";

/** A file as it would be: the beginning of one that is there, and what was written behind it. */
interface Overlaid {
  /** Null: all of it is in memory. */
  base: string | null;
  /** Bytes of the base that count; Infinity: all there are. */
  baseBytes: number;
  written: Uint8Array;
}

/**
 * A disk that reads what is there and keeps every change to itself, so that what a start would do can be seen without doing it.
 * What is kept is small: the end of a journal file, not the journal.
 */
export class OverlayDisk implements Disk {
  readonly #disk: Disk;
  /** By path; null: removed. */
  readonly #files = new Map<string, Overlaid | null>();

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  makeDirectory(): Promise<void> {
    return Promise.resolve();
  }

  async list(path: string): Promise<string[]> {
    const names = new Set(await this.#disk.list(path));
    for (const [file, overlaid] of this.#files) {
      const at = file.lastIndexOf("/");
      if (file.slice(0, at) !== path) continue;
      if (overlaid === null) names.delete(file.slice(at + 1));
      else names.add(file.slice(at + 1));
    }
    return [...names].sort();
  }

  async read(path: string): Promise<Uint8Array | null> {
    const file = this.#files.get(path);
    if (file === undefined) return this.#disk.read(path);
    if (file === null) return null;
    const base = file.base === null ? new Uint8Array(0) : ((await this.#disk.read(file.base)) ?? new Uint8Array(0));
    return new Uint8Array(Buffer.concat([base.subarray(0, Math.min(file.baseBytes, base.length)), file.written]));
  }

  async readAt(path: string, offset: number, length: number): Promise<Uint8Array> {
    const file = this.#files.get(path);
    if (file === undefined) return this.#disk.readAt(path, offset, length);
    if (file === null) throw absent(path);
    const { base, baseBytes, written } = file;
    const below = base === null ? 0 : Math.max(0, Math.min(length, baseBytes - offset));
    const head = base === null || below === 0 ? new Uint8Array(0) : await this.#disk.readAt(base, offset, below);
    if (head.length === length || (baseBytes === Number.POSITIVE_INFINITY && base !== null)) return head;
    const from = Math.max(0, offset - (base === null ? 0 : baseBytes));
    const bytes = new Uint8Array(head.length + Math.max(0, Math.min(written.length - from, length - head.length)));
    bytes.set(head);
    bytes.set(written.subarray(from, from + bytes.length - head.length), head.length);
    return bytes;
  }

  create(path: string): Promise<DiskFile> {
    const file: Overlaid = { base: null, baseBytes: 0, written: new Uint8Array(0) };
    this.#files.set(path, file);
    return Promise.resolve(writerOf(file, 0));
  }

  async open(path: string): Promise<DiskFile> {
    const file: Overlaid = { base: null, baseBytes: 0, written: (await this.read(path)) ?? new Uint8Array(0) };
    this.#files.set(path, file);
    return writerOf(file, 0);
  }

  rename(from: string, to: string): Promise<void> {
    this.#files.set(to, this.#files.get(from) ?? { base: from, baseBytes: Number.POSITIVE_INFINITY, written: new Uint8Array(0) });
    this.#files.set(from, null);
    return Promise.resolve();
  }

  remove(path: string): Promise<void> {
    this.#files.set(path, null);
    return Promise.resolve();
  }

  truncate(path: string, length: number): Promise<void> {
    const file = this.#files.get(path);
    if (file === null) return Promise.reject(absent(path));
    const { base, baseBytes, written } = file ?? { base: path, baseBytes: Number.POSITIVE_INFINITY, written: new Uint8Array(0) };
    const kept = Math.min(baseBytes, length);
    this.#files.set(path, { base, baseBytes: kept, written: written.subarray(0, length - kept) });
    return Promise.resolve();
  }

  syncDirectory(): Promise<void> {
    return Promise.resolve();
  }
}

/** Writes from `at` on over what is there; grows it. */
function writerOf(file: Overlaid, at: number): DiskFile {
  let offset = at;
  return {
    append(pieces) {
      const bytes = Buffer.concat(pieces);
      const grown = new Uint8Array(Math.max(file.written.length, offset + bytes.length));
      grown.set(file.written);
      grown.set(bytes, offset);
      file.written = grown;
      offset += bytes.length;
      return Promise.resolve();
    },
    sync: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

function absent(path: string): Error {
  return Object.assign(new Error(`ENOENT: no such file, open '${path}'`), { code: "ENOENT" });
}
