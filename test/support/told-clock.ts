import { closeSync, openSync, readSync, writeSync } from "node:fs";

/**
 * A wall clock that a test tells a process: eight bytes in a file. Started with this file as an `--import`, every thread of the
 * process reads its wall clock there; timers run on as they always do.
 */
const path = process.env["METERSTORM_TOLD_CLOCK"];
if (path !== undefined) {
  const file = openSync(path, "r");
  const told = new Float64Array(1);
  Date.now = () => {
    readSync(file, told, 0, 8, 0);
    return told[0]!;
  };
}

/** The clock in a file, for whoever tells the time. */
export class ToldClock {
  readonly #file: number;
  readonly #path: string;
  #now = 0;

  constructor(file: string, now: number) {
    this.#path = file;
    this.#file = openSync(file, "w");
    this.tell(now);
  }

  get now(): number {
    return this.#now;
  }

  tell(now: number): void {
    this.#now = now;
    writeSync(this.#file, Float64Array.of(now), 0, 8, 0);
  }

  /** What a process needs in its environment to go by this clock. */
  get env(): Record<string, string> {
    return { METERSTORM_TOLD_CLOCK: this.#path, NODE_OPTIONS: `--import ${import.meta.url}` };
  }

  close(): void {
    closeSync(this.#file);
  }
}
