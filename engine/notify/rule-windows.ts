interface Window {
  endMs: number;
  sent: number;
}

/** Expired windows are dropped when there are so many. */
const SWEEP_AT = 256;

/** How many transitions of each rule have gone out in the running window of each. A window begins with the first that goes out. */
export class RuleWindows {
  readonly #windowMs: number;
  readonly #windows = new Map<string, Window>();

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** Whether one more of this rule may go at `nowMs`; it then counts. */
  admit(rule: string, nowMs: number, perWindow: number): boolean {
    const window = this.#windows.get(rule);
    if (window === undefined || nowMs >= window.endMs) {
      if (this.#windows.size >= SWEEP_AT) this.#sweep(nowMs);
      this.#windows.set(rule, { endMs: nowMs + this.#windowMs, sent: 1 });
      return true;
    }
    if (window.sent >= perWindow) return false;
    window.sent++;
    return true;
  }

  /** When the next window of a rule opens; −Infinity: none is running. */
  opensMs(rule: string): number {
    return this.#windows.get(rule)?.endMs ?? Number.NEGATIVE_INFINITY;
  }

  #sweep(nowMs: number): void {
    for (const [rule, { endMs }] of this.#windows) if (nowMs >= endMs) this.#windows.delete(rule);
  }
}
