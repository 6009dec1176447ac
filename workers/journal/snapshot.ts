import { crc32 } from "node:zlib";
import type { Disk, DiskFile } from "../../engine/base/disk.js";
import { invariant, MeterstormError, messageOf } from "../../engine/base/errors.js";

/**
 * A shard's state at one position of its journal, as named sections. Little-endian, parts padded to 8 bytes.
 *
 *   file = header | section | section | … | section        section = head | name | payload | tail
 *
 * Header, 40 bytes. Magic, version and checksum keep their places in every version.
 *    0 magic "METERSNP" | 8 u32 version | 12 u32 sections | 16 f64 position | 24 zeros | 36 u32 crc32 of bytes 0–35
 * Head, 16 bytes:  0 f64 bytes of the payload | 8 u32 bytes of the name | 12 u32 crc32 of bytes 0–11 and of the padded name
 * Tail, 8 bytes:   0 u32 crc32 of the padded payload | 4 zero
 *
 * It is written under another name and renamed once all of it is synced: a file under its own name is whole, or damaged since.
 */
const SNAPSHOT_VERSION = 2;

export interface SnapshotSection {
  name: string;
  /** Written one after another; must not change until the snapshot is written. */
  parts: readonly Uint8Array[];
}

export interface Snapshot {
  position: number;
  /** Each section's bytes in a buffer of its own. */
  sections: Map<string, Uint8Array>;
  /** Why a newer snapshot was passed over; `null` in the normal case. */
  warning: string | null;
}

const headerBytes = 40;
const headBytes = 16;
const tailBytes = 8;
const kept = 2;
/** Written and synced at a time: larger ones hold up the journal's own syncs on the same disk. */
const pieceBytes = 4 * 1024 * 1024;
const magic = new TextEncoder().encode("METERSNP");
const namePattern = /^snapshot-(\d{16})\.snap$/;
const temporaryName = "snapshot.tmp";

/** Makes a snapshot durable and removes all but the two newest. Rejects with the disk's error; an older snapshot is then still there. */
export async function writeSnapshot(
  disk: Disk,
  directory: string,
  position: number,
  sections: readonly SnapshotSection[],
): Promise<void> {
  await disk.makeDirectory(directory);
  const temporary = `${directory}/${temporaryName}`;
  if ((await disk.list(directory)).includes(temporaryName)) await disk.remove(temporary);
  const file = await disk.create(temporary);
  try {
    const writer = new PieceWriter(file);
    await writer.write(encodeHeader(position, sections.length));
    for (const section of sections) await writeSection(writer, section);
    await writer.flush();
  } finally {
    await file.close();
  }
  await disk.rename(temporary, `${directory}/snapshot-${String(position).padStart(16, "0")}.snap`);
  await disk.syncDirectory(directory);
  for (const old of (await positions(disk, directory)).slice(kept)) await disk.remove(snapshotPath(directory, old));
  await disk.syncDirectory(directory);
}

/**
 * The newest whole snapshot; `null` where there is none at all. Throws MeterstormError `snapshot_version` on one of another
 * version, `snapshot_damaged` when none that is there is whole.
 */
export async function loadSnapshot(disk: Disk, directory: string): Promise<Snapshot | null> {
  const faults: string[] = [];
  for (const position of await positions(disk, directory)) {
    const path = snapshotPath(directory, position);
    const result = await readSnapshot(disk, path, position);
    if (typeof result === "string") faults.push(`${path}: ${result}`);
    else {
      const warning =
        faults.length === 0
          ? null
          : `A damaged snapshot was passed over for the one at position ${position}: ${faults.join("; ")}`;
      return { position, sections: result, warning };
    }
  }
  if (faults.length === 0) return null;
  throw new MeterstormError(
    "snapshot_damaged",
    `No snapshot in ${directory} is whole: ${faults.join("; ")}. Put one back from a copy; or remove them, if the journal still begins ` +
      "at position 0 and can rebuild the state from there.",
  );
}

function snapshotPath(directory: string, position: number): string {
  return `${directory}/snapshot-${String(position).padStart(16, "0")}.snap`;
}

/** Positions of the snapshots in a directory, the newest first. */
async function positions(disk: Disk, directory: string): Promise<number[]> {
  const found = (await disk.list(directory)).map((name) => namePattern.exec(name)?.[1]);
  return found
    .filter((digits) => digits !== undefined)
    .map(Number)
    .sort((a, b) => b - a);
}

function padding(bytes: number): number {
  return (8 - (bytes % 8)) % 8;
}

/** Gathers what is written into pieces and syncs each before the next is taken. */
class PieceWriter {
  readonly #file: DiskFile;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  /** Checksum of what was written since it was set to 0. */
  crc = 0;

  constructor(file: DiskFile) {
    this.#file = file;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.subarray(at, at + pieceBytes - this.#bytes);
      this.crc = crc32(piece, this.crc);
      this.#pieces.push(piece);
      this.#bytes += piece.length;
      at += piece.length;
      if (this.#bytes >= pieceBytes) await this.flush();
    }
  }

  async flush(): Promise<void> {
    await this.#file.append(this.#pieces);
    await this.#file.sync();
    this.#pieces = [];
    this.#bytes = 0;
  }
}

function encodeHeader(position: number, sections: number): Uint8Array {
  invariant(Number.isSafeInteger(position) && position >= 0, "a snapshot has a position of the journal");
  const bytes = new Uint8Array(headerBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(magic, 0);
  view.setUint32(8, SNAPSHOT_VERSION, true);
  view.setUint32(12, sections, true);
  view.setFloat64(16, position, true);
  view.setUint32(36, crc32(bytes.subarray(0, 36)), true);
  return bytes;
}

async function writeSection(writer: PieceWriter, { name, parts }: SnapshotSection): Promise<void> {
  const text = new TextEncoder().encode(name);
  const payloadBytes = parts.reduce((sum, part) => sum + part.length, 0);
  const head = new Uint8Array(headBytes + text.length + padding(text.length));
  const view = new DataView(head.buffer);
  view.setFloat64(0, payloadBytes, true);
  view.setUint32(8, text.length, true);
  head.set(text, headBytes);
  view.setUint32(12, crc32(head.subarray(headBytes), crc32(head.subarray(0, 12))), true);
  await writer.write(head);
  writer.crc = 0;
  for (const part of parts) await writer.write(part);
  await writer.write(new Uint8Array(padding(payloadBytes)));
  const tail = new Uint8Array(tailBytes);
  new DataView(tail.buffer).setUint32(0, writer.crc, true);
  await writer.write(tail);
}

/** The sections, or what is wrong with the file. */
async function readSnapshot(disk: Disk, path: string, position: number): Promise<Map<string, Uint8Array> | string> {
  try {
    const header = await disk.readAt(path, 0, headerBytes);
    const view = new DataView(header.buffer, header.byteOffset, header.length);
    if (header.length < headerBytes || magic.some((byte, i) => header[i] !== byte)) return "it has no header";
    if (view.getUint32(36, true) !== crc32(header.subarray(0, 36))) return "its header is damaged";
    const version = view.getUint32(8, true);
    if (version !== SNAPSHOT_VERSION) throw otherVersion(path, version);
    if (view.getFloat64(16, true) !== position) return `it was written for position ${view.getFloat64(16, true)}`;
    return await readSections(disk, path, view.getUint32(12, true));
  } catch (error) {
    if (error instanceof MeterstormError) throw error;
    return messageOf(error);
  }
}

function otherVersion(path: string, version: number): MeterstormError {
  return new MeterstormError(
    "snapshot_version",
    `The snapshot ${path} has format version ${version}; this program reads version ${SNAPSHOT_VERSION}. Start the program that wrote it, ` +
      "or move the shard's directory aside.",
  );
}

async function readSections(disk: Disk, path: string, count: number): Promise<Map<string, Uint8Array> | string> {
  const sections = new Map<string, Uint8Array>();
  let offset = headerBytes;
  for (let i = 0; i < count; i++) {
    const head = await disk.readAt(path, offset, headBytes);
    if (head.length < headBytes) return `it ends before section ${i + 1} of ${count}`;
    const view = new DataView(head.buffer, head.byteOffset, head.length);
    const nameBytes = view.getUint32(8, true);
    if (nameBytes > 4096) return `the head of section ${i + 1} is damaged`;
    offset += headBytes;
    const name = await disk.readAt(path, offset, nameBytes + padding(nameBytes));
    offset += nameBytes + padding(nameBytes);
    if (view.getUint32(12, true) !== crc32(name, crc32(head.subarray(0, 12)))) return `the head of section ${i + 1} is damaged`;
    const text = new TextDecoder().decode(name.subarray(0, nameBytes));
    const payloadBytes = view.getFloat64(0, true);
    const payload = await readPayload(disk, path, offset, payloadBytes);
    if (payload === null) return `section ${i + 1}, "${text}", is damaged`;
    sections.set(text, payload);
    offset += payloadBytes + padding(payloadBytes) + tailBytes;
  }
  return sections;
}

async function readPayload(disk: Disk, path: string, offset: number, bytes: number): Promise<Uint8Array | null> {
  const padded = bytes + padding(bytes);
  const payload = new Uint8Array(padded);
  let crc = 0;
  for (let at = 0; at < padded; ) {
    const piece = await disk.readAt(path, offset + at, Math.min(pieceBytes, padded - at));
    if (piece.length === 0) return null;
    crc = crc32(piece, crc);
    payload.set(piece, at);
    at += piece.length;
  }
  const tail = await disk.readAt(path, offset + padded, tailBytes);
  if (tail.length < tailBytes) return null;
  const view = new DataView(tail.buffer, tail.byteOffset, tail.length);
  return view.getUint32(0, true) === crc && view.getUint32(4, true) === 0 ? payload.subarray(0, bytes) : null;
}
