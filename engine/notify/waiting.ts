import type { AlertTransition } from "../base/alert-transition.js";
import { RuleWindows } from "./rule-windows.js";

/** A transition that waits for one webhook. */
export interface Item {
  readonly id: number;
  /** When it was taken, epoch ms. */
  readonly at: number;
  readonly transition: AlertTransition;
  /** How many of the same incident were left out before it. */
  heldBack: number;
}

/**
 * What waits for one webhook, in the order in which it goes out.
 *
 *   queue ──its rule has room──▶ next                       held: per rule and incident the newest state alone,
 *         └─ has none ─▶ held ──the rule's window opens──▶ next     with how many it left out
 */
export class Waiting {
  readonly #windows: RuleWindows;
  readonly #leftOut: (older: Item, newer: Item) => void;
  #queue: Item[] = [];
  #head = 0;
  readonly #held = new Map<string, Map<string, Item>>();
  #heldCount = 0;

  /** `leftOut` is called when a newer state of an incident takes the place of an older one. */
  constructor(windowMs: number, leftOut: (older: Item, newer: Item) => void) {
    this.#windows = new RuleWindows(windowMs);
    this.#leftOut = leftOut;
  }

  get size(): number {
    return this.#queue.length - this.#head + this.#heldCount;
  }

  add(item: Item): void {
    this.#queue.push(item);
  }

  /** Takes out what may go at `nowMs`; null: nothing may. */
  next(nowMs: number, perWindow: number): Item | null {
    for (const [rule, incidents] of this.#held) {
      if (!this.#windows.admit(rule, nowMs, perWindow)) continue;
      // The incident that has been held longest: one that flaps cannot stay behind the others for ever, nor before them.
      const [incident, item] = incidents.entries().next().value!;
      incidents.delete(incident);
      if (incidents.size === 0) this.#held.delete(rule);
      this.#heldCount--;
      return item;
    }
    while (this.#head < this.#queue.length) {
      const item = this.#shift();
      if (this.#windows.admit(item.transition.rule, nowMs, perWindow)) return item;
      this.#hold(item);
    }
    return null;
  }

  /** When the first of the held rules has room again; Infinity: none is held. */
  opensMs(): number {
    let first = Number.POSITIVE_INFINITY;
    for (const rule of this.#held.keys()) first = Math.min(first, this.#windows.opensMs(rule));
    return first;
  }

  /** All of it, in the order in which it was taken. */
  items(): Item[] {
    const held = [...this.#held.values()].flatMap((incidents) => [...incidents.values()]);
    return [...held, ...this.#queue.slice(this.#head)].sort((a, b) => a.id - b.id);
  }

  /** Takes out all that was taken at or before `atMs`, epoch ms. */
  removeUntil(atMs: number): Item[] {
    const removed = this.items().filter(({ at }) => at <= atMs);
    if (removed.length === 0) return removed;
    this.#queue = this.#queue.slice(this.#head).filter(({ at }) => at > atMs);
    this.#head = 0;
    for (const [rule, incidents] of this.#held) {
      for (const [incident, { at }] of incidents) if (at <= atMs && incidents.delete(incident)) this.#heldCount--;
      if (incidents.size === 0) this.#held.delete(rule);
    }
    return removed;
  }

  #hold(item: Item): void {
    const { rule, incident } = item.transition;
    let incidents = this.#held.get(rule);
    if (incidents === undefined) {
      incidents = new Map();
      this.#held.set(rule, incidents);
    }
    const held = incidents.get(incident);
    // A dead letter that is sent again may be older than what came since: that must not be left out for it.
    if (held !== undefined && item.transition.ts < held.transition.ts) this.#leaveOut(item, held);
    else {
      if (held === undefined) this.#heldCount++;
      else this.#leaveOut(held, item);
      incidents.set(incident, item);
    }
  }

  #leaveOut(older: Item, newer: Item): void {
    newer.heldBack += older.heldBack + 1;
    this.#leftOut(older, newer);
  }

  #shift(): Item {
    const item = this.#queue[this.#head++]!;
    if (this.#head === 1024) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}
