/**
 * The disk as a port. Paths are plain strings with `/` between their parts. The real one is
 * `node-disk.ts`; simulations use one that tears, reorders and forgets what was not synced.
 * Errors reject with the operating system's `code` (ENOSPC, EACCES, EIO …) kept.
 */
export interface Disk {
  /** Creates the directory and its parents; the existing one is fine. */
  makeDirectory(path: string): Promise<void>;
  /** Names (not paths) of the entries, sorted; an absent directory has none. */
  list(path: string): Promise<string[]>;
  /** The whole file; an absent one is `null`. */
  read(path: string): Promise<Uint8Array | null>;
  /** Part of a file; shorter than asked where the file ends. */
  readAt(path: string, offset: number, length: number): Promise<Uint8Array>;
  /** Creates a file that must not exist yet, for appending. Its name is durable after `syncDirectory`. */
  create(path: string): Promise<DiskFile>;
  /** Opens a file that exists, for writing over what is there from its beginning on; beyond its end it grows. */
  open(path: string): Promise<DiskFile>;
  /** Replaces `to` by `from` in one step. */
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Cuts a file to `length` bytes and syncs it. */
  truncate(path: string, length: number): Promise<void>;
  /** Makes creations, renames and removals in a directory durable. */
  syncDirectory(path: string): Promise<void>;
}

export interface DiskFile {
  /** Writes the pieces in order behind what was appended before. */
  append(pieces: readonly Uint8Array[]): Promise<void>;
  /** Everything appended before is on the disk once this resolves; after a rejection nothing is known. */
  sync(): Promise<void>;
  close(): Promise<void>;
}
