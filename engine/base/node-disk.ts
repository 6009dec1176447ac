import type { FileHandle } from "node:fs/promises";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Disk, DiskFile } from "./disk.js";

/** Pieces of one system call: more than IOV_MAX (1024 on Linux) are refused by some kernels. */
const maxPiecesPerCall = 512;

function isAbsent(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

class NodeDiskFile implements DiskFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async append(pieces: readonly Uint8Array[]): Promise<void> {
    let rest = pieces.filter((piece) => piece.length > 0);
    while (rest.length > 0) {
      const { bytesWritten } = await this.#handle.writev(rest.slice(0, maxPiecesPerCall));
      rest = unwritten(rest, bytesWritten);
    }
  }

  sync(): Promise<void> {
    return this.#handle.datasync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** What is left of the pieces once `bytes` of them are written: a full disk or a signal may end a write early. */
export function unwritten(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let index = 0;
  let left = bytes;
  for (let piece = pieces[index]; piece !== undefined && left >= piece.length; piece = pieces[++index]) left -= piece.length;
  const rest = pieces.slice(index);
  const first = rest[0];
  if (first !== undefined && left > 0) rest[0] = first.subarray(left);
  return rest;
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The machine's own disk. */
export const nodeDisk: Disk = {
  async makeDirectory(path) {
    const first = await mkdir(path, { recursive: true });
    if (first === undefined) return;
    // Each new directory is an entry of its parent, and that entry must outlive a power cut too.
    const top = dirname(resolve(first));
    for (let folder = dirname(resolve(path)); ; folder = dirname(folder)) {
      await syncDirectory(folder);
      if (folder === top || folder === dirname(folder)) return;
    }
  },

  async list(path) {
    try {
      return (await readdir(path)).sort();
    } catch (error) {
      if (isAbsent(error)) return [];
      throw error;
    }
  },

  async read(path) {
    try {
      return await readFile(path);
    } catch (error) {
      if (isAbsent(error)) return null;
      throw error;
    }
  },

  async readAt(path, offset, length) {
    const handle = await open(path, "r");
    try {
      // A buffer of its own, never a slice of a shared pool: callers keep views of it and rely on its alignment.
      const bytes = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return bytes.subarray(0, filled);
    } finally {
      await handle.close();
    }
  },

  async create(path) {
    return new NodeDiskFile(await open(path, "ax"));
  },

  async open(path) {
    // Not for appending: then every write would go to the end of the file, whatever its place.
    return new NodeDiskFile(await open(path, "r+"));
  },

  rename,

  remove(path) {
    return rm(path);
  },

  async truncate(path, length) {
    const handle = await open(path, "r+");
    try {
      await handle.truncate(length);
      await handle.sync();
    } finally {
      await handle.close();
    }
  },

  syncDirectory,
};
