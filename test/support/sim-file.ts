import type { Random } from "./random.js";

/** How safe one write is: see `sim-disk.ts`. */
type WriteState = "pending" | "durable" | "orphan" | "lost";

interface Write {
  offset: number;
  bytes: Uint8Array;
  state: WriteState;
}

/** A file of the simulated disk: what is read now, and what that is made of. */
export interface Inode {
  content: Uint8Array;
  length: number;
  writes: Write[];
}

export function durableFile(bytes: Uint8Array): Inode {
  const content = bytes.slice();
  return { content, length: content.length, writes: [{ offset: 0, bytes: bytes.slice(), state: "durable" }] };
}

export function visible(inode: Inode): Uint8Array {
  return inode.content.subarray(0, inode.length);
}

/** Writes at a place in the file or behind its end, without a gap. */
export function writeTo(inode: Inode, offset: number, bytes: Uint8Array): void {
  const end = Math.max(inode.length, offset + bytes.length);
  if (inode.content.length < end) {
    const grown = new Uint8Array(end * 2);
    grown.set(visible(inode));
    inode.content = grown;
  }
  inode.content.set(bytes, offset);
  inode.writes.push({ offset, bytes, state: "pending" });
  inode.length = end;
}

/** Cuts a file and syncs it. */
export function cut(inode: Inode, length: number): void {
  inode.length = Math.min(inode.length, length);
  inode.content.fill(0, inode.length);
  inode.writes = inode.writes.filter((write) => write.offset < length);
  for (const write of inode.writes) write.bytes = write.bytes.subarray(0, length - write.offset);
  for (const write of inode.writes) if (write.state === "pending") write.state = "durable";
}

/** What a power cut leaves of a file. */
export function afterCrash(inode: Inode, random: Random): Inode {
  const kept: { offset: number; bytes: Uint8Array }[] = [];
  const mode = random.int(4);
  for (const write of inode.writes) {
    if (write.state === "durable") kept.push(write);
    else if (write.state === "pending" || write.state === "orphan")
      kept.push(...fragments(write, mode === 0 ? 0 : random.int(4), random));
  }
  let length = 0;
  for (const part of kept) length = Math.max(length, part.offset + part.bytes.length);
  const end = inode.writes.at(-1);
  // The size may have reached the disk without the bytes: they read as zeros.
  if (end !== undefined && random.chance(0.1)) length = Math.max(length, random.int(end.offset + end.bytes.length + 1));
  const content = new Uint8Array(length);
  for (const part of kept) content.set(part.bytes, part.offset);
  return durableFile(content);
}

/** What is left of one write that no sync has made safe. */
function fragments({ offset, bytes }: Write, fate: number, random: Random): { offset: number; bytes: Uint8Array }[] {
  if (fate === 0) return [];
  if (fate === 1) return [{ offset, bytes }];
  if (fate === 2) return [{ offset, bytes: bytes.subarray(0, random.int(bytes.length + 1)) }];
  // Pages reach the disk in any order.
  const pageBytes = 64;
  const parts: { offset: number; bytes: Uint8Array }[] = [];
  for (let at = 0; at < bytes.length; at += pageBytes) {
    if (random.chance(0.6)) parts.push({ offset: offset + at, bytes: bytes.subarray(at, at + pageBytes) });
  }
  return parts;
}
