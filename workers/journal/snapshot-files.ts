import type { Disk } from "../../engine/base/disk.js";

/** Under which a snapshot is written until it is whole. */
export const temporaryName = "snapshot.tmp";

const kept = 2;
const namePattern = /^snapshot-(\d{16})\.snap$/;

export function snapshotPath(directory: string, position: number): string {
  return `${directory}/snapshot-${String(position).padStart(16, "0")}.snap`;
}

/** Positions of the snapshots in a directory, the newest first. */
export async function snapshotPositions(disk: Disk, directory: string): Promise<number[]> {
  const found = (await disk.list(directory)).map((name) => namePattern.exec(name)?.[1]);
  return found
    .filter((digits) => digits !== undefined)
    .map(Number)
    .sort((a, b) => b - a);
}

/** All but the two newest. */
export async function removeOldSnapshots(disk: Disk, directory: string): Promise<void> {
  for (const old of (await snapshotPositions(disk, directory)).slice(kept)) await disk.remove(snapshotPath(directory, old));
  await disk.syncDirectory(directory);
}
