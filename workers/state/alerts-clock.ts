import type { EntryWriter } from "../../engine/base/entries.js";
import { AlertState } from "../kernels/alert.js";
import { On } from "../kernels/alert-rule.js";
import type { AlertMachines, RuleNumber } from "./alerts-machines.js";
import type { AlertRows } from "./alerts-rows.js";
import type { SlotRuns } from "./alerts-slots.js";
import { TimerWheel } from "./timer-wheel.js";

/** Clocks are put right by less than this without anybody noticing. */
const SET_BACK_MS = 60_000;
/** Slots looked at for one that moves: most have only to be looked at again later. */
const LOOKS_PER_MOVE = 20;

interface DueSlot {
  slot: number;
  meter: number;
  atMs: number;
}

/**
 * What time alone decides, found through a wheel of timers. A reading that puts off what is due changes nothing here: whoever
 * expires too early is looked at and set anew.
 */
export class AlertClock {
  readonly #rows: AlertRows;
  readonly #slots: SlotRuns;
  readonly #machines: AlertMachines;
  readonly #wheel: TimerWheel;

  constructor(rows: AlertRows, slots: SlotRuns, machines: AlertMachines, nowMs: number) {
    this.#rows = rows;
    this.#slots = slots;
    this.#machines = machines;
    this.#wheel = new TimerWheel(nowMs);
  }

  /** Whether a tick was cut short. */
  get isBehind(): boolean {
    return this.#wheel.isBehind;
  }

  get bytes(): number {
    return this.#wheel.bytes;
  }

  /** What may have come nearer at one of a meter's rules. */
  set(row: number): void {
    const start = this.#rows.start[row]!;
    const end = start + this.#rows.count[row]!;
    for (let slot = start; slot < end; slot++) this.#wheel.set(slot, this.#machines.dueMs(slot));
  }

  /** A live reading has come: what time may end has moved, and what is missed is missed later, which is seen when its time has come. */
  read(row: number): void {
    const slots = this.#slots;
    const start = this.#rows.start[row]!;
    const end = start + this.#rows.count[row]!;
    const arrivedMs = this.#rows.arrived[row]!;
    for (let slot = start; slot < end; slot++) {
      if (slots.state[slot] === AlertState.OK) {
        const { on, forMs } = slots.rule[slot]!;
        if (on !== On.NODATA || this.#wheel.isSetBefore(slot, arrivedMs + forMs)) continue;
      }
      this.#wheel.set(slot, this.#machines.dueMs(slot));
    }
  }

  /** A meter's slots are given to others. */
  forget(start: number, count: number): void {
    for (let slot = start; slot < start + count; slot++) this.#wheel.forget(slot);
  }

  /** Moves at most so many machines on, in order of their instants, meters and rules. Returns how many it moved. */
  tick(nowMs: number, most: number, out: EntryWriter, ruleNumber: RuleNumber, setAll: () => void): number {
    const wheel = this.#wheel;
    if (nowMs < wheel.nowMs - SET_BACK_MS) {
      wheel.clear(nowMs);
      setAll();
    }
    wheel.advance(nowMs);
    let due: DueSlot[] = [];
    let looks = most * LOOKS_PER_MOVE;
    while (due.length < most && looks-- > 0) {
      const slot = wheel.next();
      if (slot < 0) break;
      this.#look(slot, nowMs, due);
    }
    let moved = 0;
    while (due.length > 0) {
      due.sort((a, b) => a.atMs - b.atMs || a.meter - b.meter || a.slot - b.slot);
      const again: DueSlot[] = [];
      for (const { slot } of due) {
        if (this.#machines.tick(slot, nowMs, out, ruleNumber)) moved++;
        this.#look(slot, nowMs, again);
      }
      due = again;
    }
    return moved;
  }

  #look(slot: number, nowMs: number, due: DueSlot[]): void {
    const atMs = this.#machines.dueMs(slot);
    if (atMs <= nowMs) due.push({ slot, meter: this.#rows.meter[this.#slots.row[slot]!]!, atMs });
    // While the clock has been set back a little the wheel is ahead of it: what is not due must not be looked at again and again.
    else this.#wheel.set(slot, Math.max(atMs, this.#wheel.nowMs + 1000));
  }
}
