import { invariant } from "../../engine/base/errors.js";
import type { Cut, CutSink } from "./cut-records.js";
import { inOrder, type KnownRecord } from "./known-record.js";
import { LateCut, type LateInput, type LateMeter, readLateInputs } from "./late-cut.js";

/** Late inputs that one answer speaks of. */
export interface LateBatch {
  /** How many still wait. */
  waiting: number;
  /** Where the last repair that worked one in ends in the journal. */
  mendedAt: number;
}

/** A late input with who sent it (a datalogger's number). */
interface Waiting extends LateInput {
  readonly batch: LateBatch;
}

/**
 * Inputs behind their meters' newest records, until a repair has worked them in: journaled with the frame that brought them, and
 * part of a snapshot, so that none is forgotten. Meters come in the order in which they began to wait.
 */
export class LateInputs {
  readonly #meters = new Map<number, LateMeter<Waiting>>();
  /** Number of the meter that begins to wait next. */
  #nextSerial = 0;
  /** Whatever changes what waits tells it first. */
  #cut: LateCut | null = null;
  /** By datalogger: what came since the last answer. */
  readonly #batches = new Map<number, LateBatch>();
  /** All that wait. */
  size = 0;

  add(meter: number, record: KnownRecord, datalogger: number): void {
    let batch = this.#batches.get(datalogger);
    if (batch === undefined) {
      batch = { waiting: 0, mendedAt: 0 };
      this.#batches.set(datalogger, batch);
    }
    batch.waiting++;
    const waiting = this.#meters.get(meter);
    if (waiting === undefined) this.#wait(meter, [{ record, datalogger, batch }]);
    else {
      if (this.#cut !== null) this.#cut.save(meter, waiting);
      waiting.inputs.push({ record, datalogger, batch });
    }
    this.size++;
  }

  /** Behind the others: whoever waits longest comes first. */
  #wait(meter: number, inputs: Waiting[]): void {
    this.#meters.set(meter, { serial: this.#nextSerial++, inputs });
  }

  /** What a datalogger sent since this was last asked; null where nothing was late. */
  takeBatch(datalogger: number): LateBatch | null {
    const batch = this.#batches.get(datalogger);
    if (batch === undefined) return null;
    this.#batches.delete(datalogger);
    return batch;
  }

  get meters(): IterableIterator<number> {
    return this.#meters.keys();
  }

  get meterCount(): number {
    return this.#meters.size;
  }

  has(meter: number): boolean {
    return this.#meters.has(meter);
  }

  /** How many inputs of a meter wait. */
  count(meter: number): number {
    return this.#meters.get(meter)?.inputs.length ?? 0;
  }

  /** The instants of a meter's late inputs, in order. Numbers alone are sorted ten times as fast as records. */
  instants(meter: number): Float64Array {
    const waiting = this.#meters.get(meter)?.inputs ?? [];
    const instants = new Float64Array(waiting.length);
    for (let i = 0; i < instants.length; i++) instants[i] = waiting[i]!.record.ts;
    return instants.sort();
  }

  /** A meter's late inputs from an instant on, in order of time; of one instant in order of arrival. */
  since(meter: number, ts: number): KnownRecord[] {
    const records: KnownRecord[] = [];
    for (const { record } of this.#meters.get(meter)?.inputs ?? []) if (record.ts >= ts) records.push(record);
    return records.sort(inOrder);
  }

  /**
   * Those of the first `count` that lie within the range are worked in, by a repair that ends at `position` in the journal. Returns the
   * instant of the first, NaN where there is none.
   */
  mended(meter: number, from: number, to: number, count: number, position: number): number {
    const before = this.#meters.get(meter);
    if (before === undefined) return Number.NaN;
    if (this.#cut !== null) this.#cut.save(meter, before);
    let first = Number.NaN;
    const left = before.inputs.filter(({ record, batch }, i) => {
      if (i >= count || record.ts < from || record.ts > to) return true;
      if (!(record.ts >= first)) first = record.ts;
      batch.waiting--;
      batch.mendedAt = position;
      return false;
    });
    this.size -= before.inputs.length - left.length;
    this.#meters.delete(meter);
    if (left.length > 0) this.#wait(meter, left);
    return first;
  }

  /** What waits now, copied bit by bit from here on; `endCut` ends it. There is one at a time. */
  beginCut(sink: CutSink): Cut {
    invariant(this.#cut === null, "one cut is taken at a time");
    this.#cut = new LateCut(this.#meters, this.#nextSerial, sink);
    return this.#cut;
  }

  endCut(): void {
    this.#cut = null;
  }

  /** Adds what a cut wrote, to none that wait. */
  restore(bytes: Uint8Array): void {
    for (const { meter, datalogger, record } of readLateInputs(bytes)) this.add(meter, record, datalogger);
  }
}
