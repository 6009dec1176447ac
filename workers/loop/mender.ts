import { type Clock, sleep } from "../../engine/base/clock.js";
import { EntryWriter, NONE, UnitType } from "../../engine/base/entries.js";
import { MeterstormError, messageOf } from "../../engine/base/errors.js";
import { limits } from "../../engine/base/limits.js";
import type { HistoryRange, Sink } from "../../engine/store/interface.js";
import type { Journal } from "../journal/journal.js";
import { type KnownRecord, recordsOf, withNews } from "../state/known-record.js";
import { KnownTails } from "../state/known-tails.js";
import { FEW_RECORDS, type KnownStretch, MeterRepair, Repair } from "../state/meter-repair.js";
import type { Applier } from "./applier.js";
import { clusterOf, inTurns, type LateRange, type Reach, rangeFor } from "./late-plan.js";
import { Pause, SLICE_MS, Slices } from "./pause.js";

/** Records judged before it is seen whether others are to be let by. */
const SLICE_RECORDS = 64;
/** Late inputs rarely come alone: so long others are waited for before the store is asked. */
const GATHER_MS = 200;
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 5_000;
/** Records, as far as can be told beforehand, of the histories that are in memory at one time. */
const RECORDS_PER_QUESTION = 50_000;
/** A repair that live inputs overtake so often goes on without letting them by. */
const PATIENT_RUNS = 2;

export interface MenderPorts {
  clock: Clock;
  journal: Journal;
  sink: Pick<Sink, "history">;
  applier: Applier;
  /** Position up to which the store has everything. */
  stored(): number;
  /** Whether the journal has room for more. */
  mayWrite(): boolean;
  /** Whether the store takes rows now. */
  mayAsk(): boolean;
  /** How long to let others by after so many milliseconds of work. */
  restMs(workedMs: number): number;
  /** A repair of the meter is journaled; it took so many milliseconds. */
  onMended(meter: number, ms: number): void;
  onError(kind: string, message: string): void;
  /** What is no answer of the store: the shard must not go on. */
  onFailed(error: unknown): void;
}

/**
 * Works late inputs into what was there before: from memory where the meter's neighbours are known, else from the store, many meters in one
 * pass. Runs beside the loop, a slice at a time, and writes each meter's repair as one unit between two batches.
 *
 *     late inputs ──▶ known in memory? ──yes──────────────────────────────────▶ two runs ──▶ REPAIR unit: rows, state
 *                          └──no──▶ store has all that is computed ──▶ history ──▶ ▲  with what came meanwhile
 */
export class Mender {
  readonly #ports: MenderPorts;
  readonly #out = new EntryWriter(1 << 16);
  readonly #tails: KnownTails;
  readonly #fewRecords: number;
  #running: Promise<void> | null = null;
  readonly #pause: Pause;
  readonly #slices: Slices;
  #retryMs = 0;
  /** Meters that are known in memory and yet need the store. */
  readonly #unknown = new Set<number>();
  /** Why late inputs wait now; empty while they do not. */
  trouble = "";
  /** Repairs done, rows written again by them, and times that the store was asked. */
  repairs = 0;
  rows = 0;
  passes = 0;

  /** `knownRecords`: how many are kept in memory; `fewRecords`: a history of so many is judged from its beginning. */
  constructor(ports: MenderPorts, knownRecords: number = limits.knownRecords, fewRecords = FEW_RECORDS) {
    this.#fewRecords = fewRecords;
    this.#ports = ports;
    this.#pause = new Pause(ports.clock);
    this.#slices = new Slices(ports.clock, ports.restMs);
    this.#tails = new KnownTails(ports.applier.book, knownRecords);
    ports.applier.book.listener = this.#tails;
  }

  start(): void {
    this.#running ??= this.#run().catch((error: unknown) => {
      if (!this.#pause.stopped) this.#ports.onFailed(error);
    });
  }

  /** Late inputs came, or the store has more. */
  notify(): void {
    this.#pause.wake();
  }

  /** Ends after the slice under way; what is not done waits for the next start. */
  async stop(): Promise<void> {
    this.#pause.stop();
    // A question to the store under way is not waited for: nothing is done with its answer.
    await Promise.race([this.#running ?? Promise.resolve(), sleep(this.#ports.clock, SLICE_MS)]);
  }

  async #run(): Promise<void> {
    const { late } = this.#ports.applier;
    while (!this.#pause.stopped) {
      if (late.size === 0) await this.#pause.wait(null);
      else if (!this.#ports.mayWrite()) await this.#pause.wait(FIRST_RETRY_MS, false);
      else {
        await this.#fromMemory();
        if (late.size === 0 || this.#pause.stopped) continue;
        if (this.#ports.mayAsk()) await this.#fromStore();
        else await this.#pause.wait(FIRST_RETRY_MS, false);
      }
    }
  }

  /** All waiting meters whose neighbours are known. */
  async #fromMemory(): Promise<void> {
    const { late } = this.#ports.applier;
    for (const meter of [...late.meters]) {
      if (this.#pause.stopped) return;
      if (this.#tails.stretch(meter) === null || this.#unknown.has(meter)) continue;
      const state = await this.#repair(meter, () => this.#tails.stretch(meter));
      if (state !== Repair.DONE) this.#unknown.add(meter);
    }
  }

  async #fromStore(): Promise<void> {
    const { late } = this.#ports.applier;
    if (late.size < limits.lateInputsPerRepair) await this.#pause.wait(GATHER_MS, false);
    const isFar = (meter: number) => this.#tails.stretch(meter) === null || this.#unknown.has(meter);
    const { directory } = this.#ports.applier;
    const meters = inTurns([...late.meters].filter(isFar), (meter) => directory.meterTenant(meter), limits.lateMetersPerPass);
    if (meters.length === 0 || this.#pause.stopped) return;
    const position = this.#ports.journal.appended;
    for (const meter of meters) this.#tails.beginSince(meter);
    try {
      if (await this.#hasStored(position)) {
        await this.#ask(meters);
        this.trouble = "";
        this.#retryMs = 0;
      }
    } catch (error) {
      if (!(error instanceof MeterstormError && error.code === "store_unavailable")) throw error;
      this.trouble = messageOf(error);
      this.#ports.onError("history", this.trouble);
    } finally {
      for (const meter of meters) {
        this.#tails.endSince(meter);
        this.#unknown.delete(meter);
      }
    }
    if (this.trouble === "" || this.#pause.stopped) return;
    this.#retryMs = Math.min(MAX_RETRY_MS, Math.max(FIRST_RETRY_MS, this.#retryMs * 2));
    await this.#pause.wait(this.#retryMs, false);
  }

  /** Whether everything up to the position is stored; not when there is more to remember meanwhile than is good. */
  async #hasStored(position: number): Promise<boolean> {
    const { mayAsk, stored } = this.#ports;
    while (stored() < position && !this.#pause.stopped) {
      if (this.#tails.sinceSize > limits.knownRecords || !mayAsk()) {
        this.trouble = "the store does not keep up with what is computed; late inputs wait until it does";
        return false;
      }
      await this.#pause.wait(FIRST_RETRY_MS);
    }
    return !this.#pause.stopped;
  }

  /** Reads what lies around the late inputs of some meters, works them in, and reads more of those that need more. */
  async #ask(meters: readonly number[]): Promise<void> {
    let reaches = new Map<number, Reach>(meters.map((meter) => [meter, { before: 1, after: 1 }]));
    while (reaches.size > 0 && !this.#pause.stopped) {
      const further = new Map<number, Reach>();
      let ranges: LateRange[] = [];
      let records = 0;
      for (const [meter, reach] of reaches) {
        const range = rangeFor(this.#ports.applier, meter, reach);
        if (ranges.length > 0 && records + range.records > RECORDS_PER_QUESTION) {
          await this.#askFor(ranges, reaches, further);
          ranges = [];
          records = 0;
        }
        ranges.push(range);
        records += range.records;
      }
      await this.#askFor(ranges, reaches, further);
      reaches = further;
    }
  }

  /** One question to the store and the repairs that its answer allows; who needs more is added to `further`. */
  async #askFor(ranges: readonly LateRange[], reaches: ReadonlyMap<number, Reach>, further: Map<number, Reach>): Promise<void> {
    if (this.#pause.stopped) return;
    this.passes++;
    const { clock, sink, restMs } = this.#ports;
    const askedMs = clock.monotonicMs();
    const histories = await sink.history(ranges.map(({ meter, from, to }): HistoryRange => ({ meter, from, to })));
    // What the store works for late inputs may be at the cost of others too.
    const rest = restMs(clock.monotonicMs() - askedMs);
    if (rest > 0) await this.#pause.wait(rest, false);
    for (const [i, { meter, from, to, isFirst, isLast }] of ranges.entries()) {
      if (this.#pause.stopped) return;
      const timeline = this.#ports.applier.book.timeline(meter);
      const found = recordsOf(histories[i]!, (at) => timeline.at(at).isCounter);
      const first = isFirst ? Number.NEGATIVE_INFINITY : from;
      const last = isLast ? Number.POSITIVE_INFINITY : to;
      const stretch = (): KnownStretch => {
        const since = this.#tails.since(meter).filter(({ ts }) => ts >= first && ts <= last);
        return { records: withNews(found, since), from: first, to: last, sound: false };
      };
      const state = await this.#repair(meter, stretch);
      const reach = reaches.get(meter)!;
      if (state === Repair.NEEDS_BEFORE) further.set(meter, { ...reach, before: reach.before * 8 });
      else if (state === Repair.NEEDS_AFTER) further.set(meter, { ...reach, after: reach.after * 8 });
    }
  }

  /** Works in as many late inputs of a meter as what is known allows. The answer is of `Repair`. */
  async #repair(meter: number, stretch: () => KnownStretch | null): Promise<number> {
    const { applier, clock } = this.#ports;
    const startMs = clock.monotonicMs();
    let waitedMs = 0;
    for (let run = 0; !this.#pause.stopped; run++) {
      while (!this.#ports.mayWrite() && !this.#pause.stopped) await this.#pause.wait(FIRST_RETRY_MS, false);
      const count = applier.late.count(meter);
      const lates = clusterOf(applier.late, meter);
      if (lates.length === 0) return Repair.DONE;
      const known = stretch();
      const [first, last] = [lates[0]!, lates[lates.length - 1]!];
      if (known === null || first.ts < known.from) return Repair.NEEDS_BEFORE;
      if (last.ts > known.to) return Repair.NEEDS_AFTER;
      const version = this.#tails.version(meter);
      const repair = new MeterRepair(applier.book.timeline(meter), known, lates, this.#fewRecords);
      let state = repair.advance(SLICE_RECORDS);
      while (state === Repair.GOES_ON) {
        if (run < PATIENT_RUNS) waitedMs += await this.#slices.letBy();
        if (this.#pause.stopped) return Repair.GOES_ON;
        state = repair.advance(SLICE_RECORDS);
      }
      if (state !== Repair.DONE) return state;
      // What came meanwhile may belong between what was judged.
      if (known.to === Number.POSITIVE_INFINITY && version !== this.#tails.version(meter)) continue;
      this.#write(meter, known, first, last, count, repair, clock.monotonicMs() - startMs - waitedMs);
      if (run < PATIENT_RUNS) await this.#slices.letBy();
      return Repair.DONE;
    }
    return Repair.GOES_ON;
  }

  /** One meter's repair as a unit, there whole or not at all; the state follows at once. */
  #write(
    meter: number,
    known: KnownStretch,
    first: KnownRecord,
    last: KnownRecord,
    count: number,
    repair: MeterRepair,
    ms: number,
  ): void {
    const { applier, journal, clock, onMended } = this.#ports;
    const out = this.#out;
    out.reset();
    out.beginUnit(UnitType.REPAIR, clock.nowMs(), NONE, 0, 0, 0);
    out.mended(meter, first.ts, last.ts, count);
    const rows = repair.writeRows(meter, out);
    this.rows += rows;
    this.repairs++;
    const { image } = repair;
    if (image !== null) out.state(meter, image);
    out.endUnit(rows);
    journal.append(out.bytes());
    journal.commit();
    applier.mended(meter, first.ts, last.ts, count, image, journal.appended);
    const { from, to, sound } = known;
    this.#tails.keep(meter, applier.book.timeline(meter), { records: repair.records, from, to, sound }, last.ts);
    onMended(meter, ms);
  }
}
