import type { Disk } from "../../engine/base/disk.js";
import { MeterstormError, messageOf } from "../../engine/base/errors.js";
import { snapshotPath, snapshotPositions } from "./snapshot-files.js";
import {
  crcOf,
  decodeHead,
  decodeHeader,
  END_BYTES,
  HEAD_BYTES,
  HEADER_BYTES,
  MAX_NAME_BYTES,
  MAX_PIECE_BYTES,
  padding,
  SNAPSHOT_VERSION,
} from "./snapshot-format.js";
import { SnapshotWriter } from "./snapshot-writer.js";

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

/** Makes a snapshot durable and removes all but the two newest. Rejects with the disk's error; an older snapshot is then still there. */
export async function writeSnapshot(
  disk: Disk,
  directory: string,
  position: number,
  sections: readonly SnapshotSection[],
): Promise<void> {
  const writer = new SnapshotWriter(disk, directory, position);
  try {
    for (const { name, parts } of sections)
      for (const part of parts.length === 0 ? [new Uint8Array(0)] : parts) writer.put(name, part);
    await writer.finish();
  } catch (error) {
    await writer.abandon().catch(() => {});
    throw error;
  }
}

/**
 * The newest whole snapshot; `null` where there is none at all. Throws MeterstormError `snapshot_version` on one of another
 * version, `snapshot_damaged` when none that is there is whole.
 */
export async function loadSnapshot(disk: Disk, directory: string): Promise<Snapshot | null> {
  const faults: string[] = [];
  for (const position of await snapshotPositions(disk, directory)) {
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

/** The sections, or what is wrong with the file. */
async function readSnapshot(disk: Disk, path: string, position: number): Promise<Map<string, Uint8Array> | string> {
  try {
    const reader = new Reader(disk, path);
    const header = decodeHeader(await reader.take(HEADER_BYTES));
    if (typeof header === "string") return header;
    if (header.version !== SNAPSHOT_VERSION) throw otherVersion(path, header.version);
    if (header.position !== position) return `it was written for position ${header.position}`;
    return await readPieces(reader);
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

async function readPieces(reader: Reader): Promise<Map<string, Uint8Array> | string> {
  const sections = new Map<string, Uint8Array[]>();
  for (let number = 0; ; number++) {
    const start = reader.offset;
    const head = await reader.take(HEAD_BYTES);
    if (head.length < HEAD_BYTES) return `it ends at byte ${start + head.length}, before all of it is said`;
    const { payloadBytes, nameBytes, crc, ...said } = decodeHead(head);
    const isPossible = said.number === number && payloadBytes <= MAX_PIECE_BYTES && nameBytes <= MAX_NAME_BYTES;
    const rest = isPossible ? await reader.take(nameBytes + padding(nameBytes) + payloadBytes + padding(payloadBytes)) : null;
    if (rest === null || crcOf(head, rest) !== crc) return `it is damaged between bytes ${start} and ${reader.offset}`;
    const from = nameBytes + padding(nameBytes);
    const payload = rest.subarray(from, from + payloadBytes);
    if (nameBytes === 0) {
      const isEnd = payloadBytes === END_BYTES - HEAD_BYTES && new Float64Array(payload.slice().buffer)[0] === start;
      if (!isEnd || (await reader.take(1)).length > 0) return `its end at byte ${start} is not where it ends`;
      break;
    }
    const name = new TextDecoder().decode(rest.subarray(0, nameBytes));
    const pieces = sections.get(name);
    if (pieces === undefined) sections.set(name, [payload]);
    else pieces.push(payload);
  }
  return new Map([...sections].map(([name, pieces]) => [name, joined(pieces)]));
}

function joined(pieces: Uint8Array[]): Uint8Array {
  const section = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const [i, piece] of pieces.entries()) {
    section.set(piece, at);
    at += piece.length;
    // So that there are no two copies of the whole.
    pieces[i] = piece.subarray(0, 0);
  }
  return section;
}

/** Reads a file from its beginning on, much of it at a time. */
class Reader {
  readonly #disk: Disk;
  readonly #path: string;
  #bytes = new Uint8Array(0);
  #next = 0;
  offset = 0;

  constructor(disk: Disk, path: string) {
    this.#disk = disk;
    this.#path = path;
  }

  /** The next bytes; fewer where the file ends. Nobody changes them any more. */
  async take(count: number): Promise<Uint8Array> {
    const left = this.#bytes.length - this.#next;
    if (left < count) {
      const more = await this.#disk.readAt(this.#path, this.offset + left, Math.max(READ_BYTES, count - left));
      const bytes = new Uint8Array(left + more.length);
      bytes.set(this.#bytes.subarray(this.#next));
      bytes.set(more, left);
      this.#bytes = bytes;
      this.#next = 0;
    }
    const taken = this.#bytes.subarray(this.#next, this.#next + count);
    this.#next += taken.length;
    this.offset += taken.length;
    return taken;
  }
}

const READ_BYTES = 1024 * 1024;
