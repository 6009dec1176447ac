import type { Rule } from "../../engine/base/settings.js";
import { type AlertSlots, AlertState } from "../kernels/alert.js";
import { type CompiledRule, sameCondition } from "../kernels/alert-rule.js";

export interface SavedSlot {
  rule: Rule;
  state: number;
  since: number;
  began: number;
  last: number;
  severity: number;
}

/** All that a slot holds. */
export type LiveSlot = Omit<SavedSlot, "rule"> & { rule: CompiledRule };

/**
 * The state machines of all (rule, meter), in runs: those of one meter lie side by side. A run that is
 * given back waits for a meter with as many rules.
 */
export class SlotRuns implements AlertSlots {
  state = new Uint8Array(64);
  since = new Float64Array(64);
  began = new Float64Array(64);
  /** What was known last while it is not OK; NaN: nothing. */
  last = new Float64Array(64);
  /** What the incident that goes on said last, index into SEVERITIES. */
  severity = new Uint8Array(64);
  /** The meter's row. */
  row = new Uint32Array(64);
  readonly rule: CompiledRule[] = [];
  readonly #free = new Map<number, number[]>();
  #used = 0;

  /** Eight bytes of each slot are the reference to its rule. */
  get bytes(): number {
    const columns = [this.state, this.since, this.began, this.last, this.severity, this.row];
    return columns.reduce((sum, { byteLength }) => sum + byteLength, 8 * this.rule.length);
  }

  /** First slot of a run for these rules, all of them OK. */
  take(row: number, rules: readonly CompiledRule[]): number {
    const start = this.#free.get(rules.length)?.pop() ?? this.#extend(rules.length);
    rules.forEach((rule, index) => {
      this.rule[start + index] = rule;
      this.row[start + index] = row;
      this.state[start + index] = AlertState.OK;
      this.since[start + index] = 0;
      this.began[start + index] = 0;
      this.last[start + index] = Number.NaN;
      this.severity[start + index] = 0;
    });
    return start;
  }

  save(slot: number): LiveSlot {
    const [state, since] = [this.state[slot]!, this.since[slot]!];
    const [began, last, severity] = [this.began[slot]!, this.last[slot]!, this.severity[slot]!];
    return { rule: this.rule[slot]!, state, since, began, last, severity };
  }

  /** Takes over what was saved under a rule that may have read otherwise: a condition that waits is then another one. */
  fill(slot: number, was: Rule, { state, since, began, last, severity }: Omit<SavedSlot, "rule">): void {
    if (state === AlertState.PENDING && !sameCondition(was, this.rule[slot]!.rule)) return;
    this.state[slot] = state;
    this.since[slot] = since;
    this.began[slot] = began;
    this.last[slot] = last;
    this.severity[slot] = severity;
  }

  giveBack(start: number, count: number): void {
    const free = this.#free.get(count);
    if (free === undefined) this.#free.set(count, [start]);
    else free.push(start);
  }

  #extend(count: number): number {
    const start = this.#used;
    this.#used += count;
    let size = this.state.length;
    while (size < this.#used) size *= 2;
    if (size > this.state.length) {
      this.state = grown(this.state, new Uint8Array(size));
      this.since = grown(this.since, new Float64Array(size));
      this.began = grown(this.began, new Float64Array(size));
      this.last = grown(this.last, new Float64Array(size));
      this.severity = grown(this.severity, new Uint8Array(size));
      this.row = grown(this.row, new Uint32Array(size));
    }
    return start;
  }
}

/** `to` with the content of `from`, which is shorter. */
export function grown<T extends Uint8Array | Uint16Array | Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
