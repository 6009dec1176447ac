import { Kind } from "../../engine/base/entries.js";
import { entryBytes, viewsOf } from "../../engine/base/entry-views.js";
import { Outcome } from "../../engine/memory/protocol.js";
import { alertTransition } from "./alert-json.js";
import type { Applier } from "./applier.js";
import type { Counters } from "./counters.js";
import type { Outbox } from "./outbox.js";

interface Transition {
  /** Where its unit begins in the journal, and where its entry ends: that names it. */
  from: number;
  position: number;
  /** What is told; empty once that has happened. */
  json: string;
}

/**
 * Tells the main thread of alert transitions once they are durable, and again after a start, until it says that they are kept
 * elsewhere. What of them is kept stands in the applier, with the rest of what outlives the shard.
 *
 *     written ──▶ durable: told ──▶ kept elsewhere (TOLD)
 */
export class Telling {
  readonly #applier: Applier;
  readonly #counters: Counters;
  readonly #outbox: Outbox;
  /** In order: not kept elsewhere yet. The first `#toldCount` have been told. */
  readonly #waiting: Transition[] = [];
  #toldCount = 0;
  /** More is kept than the journal says. */
  isUnwritten = false;

  constructor(applier: Applier, counters: Counters, outbox: Outbox) {
    this.#applier = applier;
    this.#counters = counters;
    this.#outbox = outbox;
    applier.told.from = Number.POSITIVE_INFINITY;
  }

  /** Takes note of the transitions of the unit that was written last; the writer's bytes will stand at `base` in the journal. */
  written(base: number): void {
    if (this.#applier.takeTransitions() === 0) return;
    const { out } = this.#applier;
    for (const tenantState of this.#collect(out.bytes(), out.lastUnit, base)) this.#counters.transition(...tenantState);
  }

  /** Tells what these journaled units hold of transitions that are not known to be kept. */
  again(units: Uint8Array, base: number, keptTo: number): void {
    this.#collect(units, 0, base, keptTo);
  }

  #collect(bytes: Uint8Array, first: number, base: number, keptTo = -1): [string, string][] {
    const { directory, told } = this.#applier;
    const views = viewsOf(bytes);
    const found: [string, string][] = [];
    let from = first;
    for (let at = first; at < views.u8.length; ) {
      const kind = views.u32[at >> 2]! & 0xff;
      if (kind === Kind.UNIT) from = at;
      const size = entryBytes(views, at);
      const position = base + at + size;
      if (kind === Kind.ALERT && position > keptTo) {
        const transition = alertTransition(views, at, directory);
        this.#waiting.push({ from: base + from, position, json: JSON.stringify(transition) });
        found.push([transition.tenant, transition.state]);
      }
      at += size;
    }
    told.from = this.#waiting[0]?.from ?? Number.POSITIVE_INFINITY;
    return found;
  }

  /** Everything up to here is durable. */
  tell(durable: number): void {
    for (; this.#toldCount < this.#waiting.length; this.#toldCount++) {
      const transition = this.#waiting[this.#toldCount]!;
      if (transition.position > durable) return;
      this.#outbox.sendText(Outcome.ALERT, 0, 0, transition.position, transition.json);
      transition.json = "";
    }
  }

  /** All transitions up to this one are kept elsewhere. */
  kept(position: number): void {
    let count = 0;
    while (count < this.#toldCount && this.#waiting[count]!.position <= position) count++;
    if (count === 0) return;
    const { told } = this.#applier;
    told.position = this.#waiting[count - 1]!.position;
    this.#waiting.splice(0, count);
    this.#toldCount -= count;
    told.from = this.#waiting[0]?.from ?? Number.POSITIVE_INFINITY;
    this.isUnwritten = true;
  }

  /** Transitions that nobody is known to have. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Writes into the open unit, which will stand at `position`, what is kept elsewhere. */
  write(position: number): void {
    const { told, out } = this.#applier;
    out.told(Math.min(told.from, position), told.position);
    this.isUnwritten = false;
  }
}
