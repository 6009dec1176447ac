import type { Disk, DiskFile } from "../../engine/base/disk.js";

type Dress = (file: DiskFile, path: string) => Partial<DiskFile>;

/**
 * A disk whose files, made or opened, are dressed up by `dress` and whose other calls are replaced by `changes`: for wrong
 * variants that a test must find out.
 */
export function dressedDisk(disk: Disk, changes: Partial<Disk>, dress?: Dress): Disk {
  const dressed = (inner: DiskFile, path: string): DiskFile => {
    const plain: DiskFile = { append: (pieces) => inner.append(pieces), sync: () => inner.sync(), close: () => inner.close() };
    return { ...plain, ...dress?.(inner, path) };
  };
  const base: Disk = {
    makeDirectory: (path) => disk.makeDirectory(path),
    list: (path) => disk.list(path),
    read: (path) => disk.read(path),
    readAt: (path, offset, length) => disk.readAt(path, offset, length),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    truncate: (path, length) => disk.truncate(path, length),
    syncDirectory: (path) => disk.syncDirectory(path),
    create: async (path) => dressed(await disk.create(path), path),
    open: async (path) => dressed(await disk.open(path), path),
  };
  return { ...base, ...changes };
}
