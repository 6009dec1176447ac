import { NONE } from "../../engine/base/entries.js";
import { invariant } from "../../engine/base/errors.js";
import { limits } from "../../engine/base/limits.js";
import { type Cut, type CutSink, doublesOf, RecordWriter } from "./cut-records.js";
import type { DataloggerState } from "./datalogger-state.js";

/** What a cut reads of a directory. */
interface Numbered {
  readonly tenantCount: number;
  readonly meterCount: number;
  readonly dataloggers: readonly DataloggerState[];
  readonly rules: readonly string[];
  meterOwner(number: number): number;
  meterSettings(number: number): number;
}

const OWNERS_AT_ONCE = 16 * 1024;
const DATALOGGERS_AT_ONCE = 4;
const HEAD = 4;

/**
 * What a directory held at one instant. Names only grow, so their counts are enough; what changes are the dataloggers' sequences, and
 * which settings and which owner a meter has.
 */
export class DirectoryCut implements Cut {
  readonly tenants: number;
  readonly dataloggers: number;
  readonly rules: number;
  readonly meters: number;
  readonly #directory: Numbered;
  readonly #out: RecordWriter;
  readonly #saved: Uint8Array;
  /** Dataloggers before this one have had their turn. */
  #next = 0;
  /** What meters had whose settings changed since. */
  readonly #settings = new Map<number, number>();
  /** Meters that somebody owns since. */
  readonly #unowned = new Set<number>();

  constructor(directory: Numbered, sink: CutSink) {
    this.tenants = directory.tenantCount;
    this.dataloggers = directory.dataloggers.length;
    this.rules = directory.rules.length;
    this.meters = directory.meterCount;
    this.#directory = directory;
    this.#out = new RecordWriter(sink);
    this.#saved = new Uint8Array(this.dataloggers);
  }

  /** The datalogger's sequence is about to change. */
  save(state: DataloggerState): void {
    const { number } = state;
    if (number < this.#next || number >= this.dataloggers || this.#saved[number] === 1) return;
    this.#saved[number] = 1;
    this.#write(state);
  }

  /** The meter's settings are about to change. */
  saveSettings(meter: number, settings: number): void {
    if (meter < this.meters && !this.#settings.has(meter)) this.#settings.set(meter, settings);
  }

  /** The meter is about to get its owner. */
  saveUnowned(meter: number): void {
    this.#unowned.add(meter);
  }

  settingsOf(meter: number): number {
    return this.#settings.get(meter) ?? this.#directory.meterSettings(meter);
  }

  /** number │ lastSeq │ frames taken │ n remembered ones │ seqs (n) │ hashes (n × two u32) */
  #write({ number, lastSeq, frames, seqs, hashes }: DataloggerState): void {
    const known = Math.min(frames, limits.rememberedFrames);
    const out = this.#out;
    out.begin(HEAD + 2 * known);
    out.push(number);
    out.push(lastSeq);
    out.push(frames);
    out.push(known);
    out.pushAll(seqs.subarray(0, known));
    out.pushAll(new Float64Array(hashes.buffer, hashes.byteOffset, known));
  }

  /** The dataloggers' sequences. */
  *sweep(): Generator<void, void, undefined> {
    while (this.#next < this.dataloggers) {
      const end = Math.min(this.#next + DATALOGGERS_AT_ONCE, this.dataloggers);
      for (let number = this.#next; number < end; number++) {
        if (this.#saved[number] === 0) this.#write(this.#directory.dataloggers[number]!);
      }
      this.#next = end;
      yield;
    }
    this.#out.flush();
  }

  #ownerOf(meter: number): number {
    return this.#unowned.has(meter) ? NONE : this.#directory.meterOwner(meter);
  }

  /** Who owns each meter, as u32. */
  *owners(sink: CutSink): Generator<void, void, undefined> {
    for (let first = 0; first < this.meters; first += OWNERS_AT_ONCE) {
      const owners = new Uint32Array(Math.min(OWNERS_AT_ONCE, this.meters - first));
      for (let i = 0; i < owners.length; i++) owners[i] = this.#ownerOf(first + i);
      sink(new Uint8Array(owners.buffer));
      yield;
    }
  }
}

/** Gives dataloggers that are known by name the sequences that a cut wrote. */
export function restoreDataloggers(dataloggers: readonly DataloggerState[], bytes: Uint8Array): void {
  const doubles = doublesOf(bytes);
  for (let at = 0; at < doubles.length; ) {
    const [number = 0, lastSeq = 0, frames = 0, known = 0] = doubles.subarray(at, at + HEAD);
    const state = dataloggers[number];
    invariant(state !== undefined, `a snapshot has datalogger ${number}, but not its name`);
    at += HEAD;
    state.seqs.set(doubles.subarray(at, at + known));
    at += known;
    state.hashes.set(new Uint32Array(doubles.buffer, doubles.byteOffset + at * 8, 2 * known));
    at += known;
    state.lastSeq = lastSeq;
    state.safeSeq = lastSeq;
    state.frames = frames;
  }
}
