import { readFileSync } from "node:fs";

const EVERY_MS = 100;
const PAGE_BYTES = 4096;

/** The most memory that a process has had since it was last asked, resident, in MiB. 0 where the system does not tell. */
export class MemoryWatch {
  readonly #timer: NodeJS.Timeout;
  #peakMiB = 0;

  /** `pid`: which process it is now; null while there is none. */
  constructor(pid: () => number | null) {
    this.#timer = setInterval(() => {
      const now = pid();
      if (now !== null) this.#peakMiB = Math.max(this.#peakMiB, residentMiB(now));
    }, EVERY_MS);
    this.#timer.unref();
  }

  takePeak(): number {
    const peak = this.#peakMiB;
    this.#peakMiB = 0;
    return peak;
  }

  end(): void {
    clearInterval(this.#timer);
  }
}

function residentMiB(pid: number): number {
  try {
    return (Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * PAGE_BYTES) / 2 ** 20;
  } catch {
    return 0;
  }
}
