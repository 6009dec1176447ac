import type { Rule } from "../../engine/base/settings.js";
import { AlertState, emptyObservation } from "../kernels/alert.js";
import type { EndedPeriods } from "./alerts-periods.js";
import type { AlertRows } from "./alerts-rows.js";
import type { SlotRuns } from "./alerts-slots.js";
import { HAS_HELD, HAS_MORE, type SavedHead, writeHead } from "./alerts-snapshot.js";
import { type Cut, type CutSink, RecordWriter } from "./cut-records.js";

const METERS_AT_ONCE = 16;
const FIXED = 6;
const HELD_NUMBERS = 6;
const PERIOD_NUMBERS = 4;
const SLOT_NUMBERS = 6;

/** What of the alert book a cut reads. */
export interface AlertsNow {
  readonly rows: AlertRows;
  readonly slots: SlotRuns;
  readonly periods: EndedPeriods;
  /** Meters are known by numbers below this. */
  readonly meters: number;
  /** The meter's row; −1: it has no rules. */
  rowOf(meter: number): number;
}

/** The alerts' state at one instant: meter by meter in order, and whoever changes before its turn right before that. */
export class AlertCut implements Cut {
  readonly #now: AlertsNow;
  readonly #meters: number;
  readonly #head: SavedHead;
  readonly #out: RecordWriter;
  readonly #saved: Uint8Array;
  /** Rules that were met, by their places in the head. */
  readonly #rules = new Map<Rule, number>();
  readonly #held = emptyObservation();
  /** Meters before this one have had their turn. */
  #next = 0;

  constructor(now: AlertsNow, head: SavedHead, sink: CutSink) {
    this.#now = now;
    this.#meters = now.meters;
    this.#head = head;
    this.#out = new RecordWriter(sink);
    this.#saved = new Uint8Array(now.meters);
  }

  /** The meter's alerts are about to change. */
  save(meter: number): void {
    if (meter < this.#next || meter >= this.#meters || this.#saved[meter] === 1) return;
    this.#saved[meter] = 1;
    this.#write(meter);
  }

  *sweep(): Generator<void, void, undefined> {
    while (this.#next < this.#meters) {
      const end = Math.min(this.#next + METERS_AT_ONCE, this.#meters);
      for (let meter = this.#next; meter < end; meter++) if (this.#saved[meter] === 0) this.#write(meter);
      this.#next = end;
      yield;
    }
    this.#out.flush();
  }

  /** What the records refer to, once all are written. */
  head(): Uint8Array {
    return writeHead(this.#head, [...this.#rules.keys()]);
  }

  #write(meter: number): void {
    const { rows, slots, periods } = this.#now;
    const row = this.#now.rowOf(meter);
    if (row < 0) return;
    const out = this.#out;
    const isHeld = !Number.isNaN(rows.heldTs(row));
    const waiting = periods.waiting(row);
    const start = rows.start[row]!;
    const end = start + rows.count[row]!;
    let kept = 0;
    for (let slot = start; slot < end; slot++) if (isKept(slots, slot)) kept++;
    const isMore =
      kept + waiting.length > 0 || [0, 1, 2].some((period) => periods.judged(row, period) !== Number.NEGATIVE_INFINITY);
    const more = isMore ? 5 + waiting.length * PERIOD_NUMBERS + kept * SLOT_NUMBERS : 0;
    out.begin(FIXED + (isHeld ? HELD_NUMBERS : 0) + more);
    out.push(meter);
    out.push(rows.arrived[row]!);
    out.push(rows.newest[row]!);
    out.push(rows.counts[row]!);
    out.push(rows.flags[row]!);
    out.push((isHeld ? HAS_HELD : 0) | (isMore ? HAS_MORE : 0));
    if (isHeld) this.#writeHeld(row);
    if (!isMore) return;
    for (let period = 0; period < 3; period++) out.push(periods.judged(row, period));
    out.push(waiting.length);
    for (const { period, start, end, energy } of waiting) {
      out.push(period);
      out.push(start);
      out.push(end);
      out.push(energy);
    }
    out.push(kept);
    for (let slot = start; slot < end; slot++) if (isKept(slots, slot)) this.#writeSlot(slot);
  }

  #writeHeld(row: number): void {
    const held = this.#held;
    this.#now.rows.held(row, held);
    this.#out.push(held.ts);
    this.#out.push(held.delta);
    this.#out.push(held.spanMs);
    this.#out.push(held.quarter);
    this.#out.push(held.hour);
    this.#out.push(held.day);
  }

  #writeSlot(slot: number): void {
    const { slots } = this.#now;
    const out = this.#out;
    const { rule } = slots.rule[slot]!;
    let index = this.#rules.get(rule);
    if (index === undefined) {
      index = this.#rules.size;
      this.#rules.set(rule, index);
    }
    out.push(index);
    out.push(slots.state[slot]!);
    out.push(slots.since[slot]!);
    out.push(slots.began[slot]!);
    out.push(slots.last[slot]!);
    out.push(slots.severity[slot]!);
  }
}

/**
 * Of a slot that is OK and has never been moved by time alone nothing is to be remembered. One whose rule is gone keeps the meter's row, and
 * what that waits for, until rules change again: after a restart too.
 */
function isKept(slots: SlotRuns, slot: number): boolean {
  return slots.rule[slot]!.retired || slots.state[slot] !== AlertState.OK || slots.since[slot] !== 0;
}
