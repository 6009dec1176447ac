import type { Life } from "../memory/life.js";

/** How often to look. */
export const LOOK_EVERY_MS = 250;
/** Looks without a beat after which a thread hangs: 3 s. Looks are counted, not time, so that a process that was stopped and goes on finds nobody dead. */
const LOOKS = 12;

/** Watches a thread's beats. */
export class Heartbeat {
  readonly #life: Life;
  #seen: number;
  #looks = 0;

  constructor(life: Life) {
    this.#life = life;
    this.#seen = life.beats;
  }

  /** Looks once more: whether the thread has not beaten for so long that it will not any more. */
  hangs(): boolean {
    const { beats } = this.#life;
    this.#looks = beats === this.#seen ? this.#looks + 1 : 0;
    this.#seen = beats;
    return this.#looks >= LOOKS;
  }
}
