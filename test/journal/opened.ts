import type { Disk } from "../../engine/base/disk.js";
import type { MeterstormError } from "../../engine/base/errors.js";
import type { JournalOptions } from "../../workers/journal/journal.js";
import { Journal } from "../../workers/journal/journal.js";
import { SimClock } from "../support/sim-clock.js";

export interface Opened {
  journal: Journal;
  clock: SimClock;
  /** Positions reported as durable, and errors reported, in order. */
  durable: number[];
  failed: MeterstormError[];
}

/** A journal whose reports are kept. */
export async function opened(disk: Disk, directory: string, options: Partial<JournalOptions> = {}): Promise<Opened> {
  const durable: number[] = [];
  const failed: MeterstormError[] = [];
  const clock = new SimClock();
  const journal = await Journal.open({
    disk,
    clock,
    directory,
    onDurable: (position) => durable.push(position),
    onFailed: (error) => failed.push(error),
    ...options,
  });
  return { journal, clock, durable, failed };
}

/** Small enough that a few units make several blocks, files and drops from memory. */
export const small = { blockBytes: 512, segmentBytes: 4096, memoryBytes: 2048 };
