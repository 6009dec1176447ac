import { inOrder, type KnownRecord, UNSETTLED } from "./known-record.js";

/** Late inputs that one answer speaks of. */
export interface LateBatch {
  /** How many still wait. */
  waiting: number;
  /** Where the last repair that worked one in ends in the journal. */
  mendedAt: number;
}

/** A late input with who sent it (a datalogger's number). */
interface Waiting {
  readonly record: KnownRecord;
  readonly datalogger: number;
  readonly batch: LateBatch;
}

/**
 * Inputs behind their meters' newest records, until a repair has worked them in: journaled with the frame that brought them, and
 * part of a snapshot, so that none is forgotten. Meters come in the order in which they began to wait.
 */
export class LateInputs {
  readonly #meters = new Map<number, Waiting[]>();
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
    if (waiting === undefined) this.#meters.set(meter, [{ record, datalogger, batch }]);
    else waiting.push({ record, datalogger, batch });
    this.size++;
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
    return this.#meters.get(meter)?.length ?? 0;
  }

  /** The instants of a meter's late inputs, in order. Numbers alone are sorted ten times as fast as records. */
  instants(meter: number): Float64Array {
    const waiting = this.#meters.get(meter) ?? [];
    const instants = new Float64Array(waiting.length);
    for (let i = 0; i < instants.length; i++) instants[i] = waiting[i]!.record.ts;
    return instants.sort();
  }

  /** A meter's late inputs from an instant on, in order of time; of one instant in order of arrival. */
  since(meter: number, ts: number): KnownRecord[] {
    const records: KnownRecord[] = [];
    for (const { record } of this.#meters.get(meter) ?? []) if (record.ts >= ts) records.push(record);
    return records.sort(inOrder);
  }

  /**
   * Those of the first `count` that lie within the range are worked in, by a repair that ends at `position` in the journal. Returns the
   * instant of the first, NaN where there is none.
   */
  mended(meter: number, from: number, to: number, count: number, position: number): number {
    const waiting = this.#meters.get(meter) ?? [];
    let first = Number.NaN;
    const left = waiting.filter(({ record, batch }, i) => {
      if (i >= count || record.ts < from || record.ts > to) return true;
      if (!(record.ts >= first)) first = record.ts;
      batch.waiting--;
      batch.mendedAt = position;
      return false;
    });
    this.size -= waiting.length - left.length;
    this.#meters.delete(meter);
    // Behind the others: whoever waits longest comes first.
    if (left.length > 0) this.#meters.set(meter, left);
    return first;
  }

  /** Everything as doubles, per input: meter, datalogger, ts, type, value, start, rev. */
  encode(): Float64Array {
    const doubles = new Float64Array(this.size * INPUT_NUMBERS);
    let at = 0;
    for (const [meter, waiting] of this.#meters) {
      for (const { record, datalogger } of waiting) {
        doubles[at] = meter;
        doubles[at + 1] = datalogger;
        doubles[at + 2] = record.ts;
        doubles[at + 3] = record.type;
        doubles[at + 4] = record.value;
        doubles[at + 5] = record.start;
        doubles[at + 6] = record.rev;
        at += INPUT_NUMBERS;
      }
    }
    return doubles;
  }

  /** Adds what `encode` gave. */
  decode(doubles: Float64Array): void {
    for (let at = 0; at < doubles.length; at += INPUT_NUMBERS) {
      const [meter, datalogger, ts, type, value, start, rev] = doubles.subarray(at, at + INPUT_NUMBERS) as unknown as number[];
      const record = { ts: ts!, type: type!, value: value!, start: start!, rev: rev!, conflict: false, flags: UNSETTLED };
      this.add(meter!, record, datalogger!);
    }
  }
}

const INPUT_NUMBERS = 7;
