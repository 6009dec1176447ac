import { MINUTE_MS, offsetsOf } from "../base/zone.js";

/** Instants as the wall clock of a zone shows them, with its offset: on the nights when clocks change two look alike without it. */
export class LocalClock {
  readonly #offsetAt: (ts: number) => number;
  readonly #timezone: string;

  constructor(timezone: string) {
    this.#timezone = timezone;
    this.#offsetAt = offsetsOf(timezone);
  }

  get zone(): string {
    return this.#timezone;
  }

  text(iso: string): string {
    const ts = Date.parse(iso);
    const offsetMs = this.#offsetAt(ts);
    const wall = new Date(ts + offsetMs).toISOString();
    const seconds = wall.slice(17, 23) === "00.000" ? "" : wall.slice(16, wall.endsWith(".000Z") ? 19 : 23);
    const minutes = Math.abs(offsetMs) / MINUTE_MS;
    const offset = `${pad(Math.floor(minutes / 60))}:${pad(Math.floor(minutes % 60))}`;
    return `${wall.slice(0, 10)} ${wall.slice(11, 16)}${seconds} ${offsetMs < 0 ? "-" : "+"}${offset}`;
  }
}

function pad(number: number): string {
  return String(number).padStart(2, "0");
}
