import { type Cut, type CutSink, doublesOf, RecordWriter } from "./cut-records.js";
import { type KnownRecord, UNSETTLED } from "./known-record.js";

/** A late input with who sent it (a datalogger's number). */
export interface LateInput {
  readonly record: KnownRecord;
  readonly datalogger: number;
}

/** What waits of a meter. */
export interface LateMeter<Input extends LateInput = LateInput> {
  /** Grows with each meter that begins to wait, or waits on after a repair. */
  readonly serial: number;
  /** Inputs are added at its end; nothing else ever changes in it. */
  readonly inputs: Input[];
}

/** A meter's inputs at the cut's instant, those from `next` on not copied yet. */
interface Rest {
  meter: number;
  serial: number;
  inputs: readonly LateInput[];
  count: number;
  next: number;
}

const INPUT_NUMBERS = 8;
const INPUTS_AT_ONCE = 16;

/** What waits at one instant. A meter's list only grows until another takes its place: to keep it is to remember its length. */
export class LateCut implements Cut {
  readonly #meters: ReadonlyMap<number, LateMeter>;
  /** What began to wait later has this serial or a greater one. */
  readonly #serials: number;
  readonly #out: RecordWriter;
  readonly #saved = new Set<number>();
  readonly #rests: Rest[] = [];
  /** Up to this serial all have had their turn. */
  #done = -1;

  constructor(meters: ReadonlyMap<number, LateMeter>, serials: number, sink: CutSink) {
    this.#meters = meters;
    this.#serials = serials;
    this.#out = new RecordWriter(sink);
  }

  /** What waits of the meter is about to change. */
  save(meter: number, { serial, inputs }: LateMeter): void {
    if (serial <= this.#done || serial >= this.#serials || this.#saved.has(serial)) return;
    this.#saved.add(serial);
    this.#rests.push({ meter, serial, inputs, count: inputs.length, next: 0 });
  }

  *sweep(): Generator<void, void, undefined> {
    // Who begins to wait meanwhile stands behind all others, and goes without leaving a trace.
    for (const [meter, waiting] of this.#meters) {
      if (waiting.serial >= this.#serials) break;
      this.save(meter, waiting);
      this.#done = waiting.serial;
      yield* this.#copy();
    }
    this.#done = this.#serials;
    yield* this.#copy();
    this.#out.flush();
  }

  *#copy(): Generator<void, void, undefined> {
    for (let rest = this.#rests.pop(); rest !== undefined; rest = this.#rests.pop()) {
      while (rest.next < rest.count) {
        const end = Math.min(rest.count, rest.next + INPUTS_AT_ONCE);
        while (rest.next < end) this.#write(rest.serial, rest.meter, rest.inputs[rest.next++]!);
        yield;
      }
    }
  }

  /** serial │ meter │ datalogger │ ts │ type │ value │ start │ rev */
  #write(serial: number, meter: number, { record, datalogger }: LateInput): void {
    const out = this.#out;
    out.begin(INPUT_NUMBERS);
    out.push(serial);
    out.push(meter);
    out.push(datalogger);
    out.push(record.ts);
    out.push(record.type);
    out.push(record.value);
    out.push(record.start);
    out.push(record.rev);
  }
}

/** What a cut wrote, those first that waited longest, of one meter in order of arrival. */
export function readLateInputs(bytes: Uint8Array): (LateInput & { meter: number })[] {
  const doubles = doublesOf(bytes);
  const read: (LateInput & { meter: number; serial: number })[] = [];
  for (let at = 0; at < doubles.length; at += INPUT_NUMBERS) {
    const [serial, meter, datalogger, ts, type, value, start, rev] = doubles.subarray(
      at,
      at + INPUT_NUMBERS,
    ) as unknown as number[];
    const record = { ts: ts!, type: type!, value: value!, start: start!, rev: rev!, conflict: false, flags: UNSETTLED };
    read.push({ serial: serial!, meter: meter!, datalogger: datalogger!, record });
  }
  return read.sort((a, b) => a.serial - b.serial);
}
