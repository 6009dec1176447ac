import type { Disk, DiskFile } from "../../engine/base/disk.js";

/** A disk whose files are dressed up by `file` and whose other calls are replaced by `changes`: for wrong variants that a test must find out. */
export function dressedDisk(disk: Disk, changes: Partial<Disk>, file?: (file: DiskFile) => Partial<DiskFile>): Disk {
  const base: Disk = {
    makeDirectory: (path) => disk.makeDirectory(path),
    list: (path) => disk.list(path),
    read: (path) => disk.read(path),
    readAt: (path, offset, length) => disk.readAt(path, offset, length),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    truncate: (path, length) => disk.truncate(path, length),
    syncDirectory: (path) => disk.syncDirectory(path),
    create: async (path) => {
      const inner = await disk.create(path);
      const plain: DiskFile = { append: (pieces) => inner.append(pieces), sync: () => inner.sync(), close: () => inner.close() };
      return { ...plain, ...file?.(inner) };
    },
  };
  return { ...base, ...changes };
}
