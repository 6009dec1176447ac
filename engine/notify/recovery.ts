import type { Disk } from "../base/disk.js";
import { MeterstormError } from "../base/errors.js";
import { decodeRecords, FILE_VERSION, type QueueRecord } from "./records.js";

export interface RecoveredQueue {
  records: QueueRecord[];
  /** The greatest number that a file has had; 0: there was none. */
  generation: number;
  /** Names of the files that were found. */
  files: string[];
  /** Lines that are damaged though whole ones follow: something was lost. */
  damaged: number;
}

const namePattern = /^queue-(\d{10})\.log$/;

export function queueFileName(generation: number): string {
  return `queue-${String(generation).padStart(10, "0")}.log`;
}

/**
 * What the files say. The newest one that was begun in full holds everything; an older one is still there only because a crash came before
 * it was removed. Where none is whole, whatever can be read of all of them is taken.
 * Throws MeterstormError `notify_version` for files of another version.
 */
export async function recoverQueue(disk: Disk, directory: string): Promise<RecoveredQueue> {
  const files = (await disk.list(directory)).filter((name) => namePattern.test(name));
  const generation = files.reduce((most, name) => Math.max(most, Number(namePattern.exec(name)![1])), 0);
  const salvaged: RecoveredQueue = { records: [], generation, files, damaged: 0 };
  for (const name of [...files].reverse()) {
    const lines = [...decodeRecords((await disk.read(`${directory}/${name}`)) ?? new Uint8Array(0))];
    const [header] = lines;
    if (header?.k === "file" && header.version !== FILE_VERSION) throw otherVersion(directory, header.version);
    const { records, damaged } = wholeLines(lines);
    if (begunInFull(lines)) return { records, generation, files, damaged };
    // Keys say that something was taken; where what was taken may be missing, it has to be told again.
    salvaged.records.unshift(...records.filter(({ k }) => k !== "keys"));
    salvaged.damaged += damaged;
  }
  return salvaged;
}

/** Whether everything up to the line that says so is whole. */
function begunInFull(lines: readonly (QueueRecord | null)[]): boolean {
  for (const [index, line] of lines.entries()) {
    if (line === null) return false;
    if (line.k === "complete") return line.records === index;
  }
  return false;
}

/**
 * Where the last write begins, something may be torn: nobody was promised what it holds, and what follows the tear would overtake what is
 * told again. Damage before that is another matter: all that is whole is taken.
 */
function wholeLines(lines: readonly (QueueRecord | null)[]): { records: QueueRecord[]; damaged: number } {
  const lastWrite = lines.findLastIndex((line) => line?.k === "safe" || line?.k === "complete") + 1;
  const torn = lines.indexOf(null, lastWrite);
  const kept = torn === -1 ? lines : lines.slice(0, torn);
  const records = kept.filter((line) => line !== null);
  return { records, damaged: kept.length - records.length };
}

function otherVersion(directory: string, found: number): MeterstormError {
  return new MeterstormError(
    "notify_version",
    `${directory} holds webhooks' transitions in format ${found}, this version reads format ${FILE_VERSION}. Start the version that wrote ` +
      "them, or move the directory aside: what waits in it is then not delivered.",
  );
}
