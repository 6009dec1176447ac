import { type Clock, sleep } from "../../engine/base/clock.js";
import { MeterstormError, messageOf } from "../../engine/base/errors.js";
import type { Sink } from "../../engine/store/interface.js";
import type { Journal } from "../journal/journal.js";
import { Audit, AuditDay, settledTo } from "../state/audit-day.js";
import type { Span } from "../state/audit-spans.js";
import { drawWindow } from "../state/meter-image.js";
import { MeterWindow } from "../state/meter-window.js";
import type { Applier } from "./applier.js";
import { type AuditReach, auditRange, firstDayOf } from "./audit-plan.js";
import { Pause, SLICE_MS, Slices } from "./pause.js";

/** Between two looks, and at least so many times as long as the last one took: where others are busy, it takes longer. */
const EVERY_MS = 1_000;
const REST = 20;
/** Where the store has so much to take that is computed already, the next look waits for it, but no longer than this. */
const BEHIND_BYTES = 4 * 1024 * 1024;
const BEHIND_EVERY_MS = 60_000;
/** Records judged before it is seen whether others are to be let by. */
const SLICE_RECORDS = 64;
/** How often it is looked whether the store has what was computed, and for how long in all; then another meter is as good. */
const LOOK_AGAIN_MS = 100;
const PATIENCE_MS = 20_000;
/** A question to a store in trouble is not asked again for so long. */
const TROUBLE_MS = 5_000;
/** A stretch of more records that is still not enough is left out: a register that is never in order cannot be judged from the middle. */
const MOST_RECORDS = 25_000;
/** Of so many looks one is at a day that is known to differ: it may have been put right. */
const LOOKS_PER_REVISIT = 8;
/** Meters without a settled day that are passed by in one turn. */
const METERS_PER_TURN = 64;
/** Days that are known to differ, at most; the gauge grows no further. */
const MOST_DIFFERENT = 100_000;

export interface AuditorPorts {
  clock: Clock;
  journal: Pick<Journal, "appended">;
  sink: Pick<Sink, "history" | "consumption">;
  applier: Pick<Applier, "book" | "late" | "directory">;
  /** Position up to which the store has everything. */
  stored(): number;
  /** Whether the store takes rows, and nobody else waits for it. */
  mayLook(): boolean;
  /** 0 ≤ x < 1. */
  random(): number;
  /** Text for the log. */
  warn(message: string): void;
}

interface MeterDay {
  readonly meter: number;
  readonly day: Span;
}

interface Look {
  readonly faults: readonly string[];
  readonly rows: number;
  /** 0: the day was left out. */
  readonly days: 0 | 1;
}

const LEFT_OUT: Look = { faults: [], rows: 0, days: 0 };

/**
 * Goes round a shard's meters for ever, a settled local day of one at a time, oldest to newest and round again: reads from the store what
 * it holds of the day, judges its readings anew and compares every row. So a row that was lost, changed or never written is found, whoever
 * is to blame.
 *
 * There are no false alarms: what is compared lies behind everything that may still change, was stored before it is read, and counts
 * only if no repair of the meter came in between and if a second look, with everything stored again, finds it too.
 */
export class Auditor {
  readonly #ports: AuditorPorts;
  readonly #everyMs: number;
  readonly #window = new MeterWindow();
  /** Which day of each meter is next: where it begins; NaN: none was yet. */
  #cursors = new Float64Array(0);
  #meter = -1;
  #looks = 0;
  /** Days that differ, those that were looked at longest ago first. */
  readonly #different = new Map<string, MeterDay>();
  #watched = -1;
  #touched = false;
  #running: Promise<void> | null = null;
  readonly #pause: Pause;
  readonly #slices: Slices;
  #restMs = 0;
  /** Rows compared, and days of meters looked at. */
  rows = 0;
  days = 0;

  constructor(ports: AuditorPorts, everyMs: number = EVERY_MS) {
    this.#ports = ports;
    this.#pause = new Pause(ports.clock);
    this.#slices = new Slices(ports.clock);
    this.#everyMs = everyMs;
  }

  /** Days of meters that are known to differ now. */
  get mismatches(): number {
    return this.#different.size;
  }

  start(): void {
    this.#running ??= this.#run().catch((error: unknown) => {
      if (!this.#pause.stopped) this.#ports.warn(`the audit of stored rows has ended until the next start: ${messageOf(error)}`);
    });
  }

  /** A repair has written rows of the meter anew. */
  changed(meter: number): void {
    if (meter === this.#watched) this.#touched = true;
  }

  /** Ends after the slice under way; a question to the store under way is not waited for. */
  async stop(): Promise<void> {
    this.#pause.stop();
    await Promise.race([this.#running ?? Promise.resolve(), sleep(this.#ports.clock, SLICE_MS)]);
  }

  async #run(): Promise<void> {
    const { applier, mayLook, clock, journal, stored } = this.#ports;
    let lookedMs = clock.monotonicMs();
    while (!this.#pause.stopped) {
      await this.#pause.wait(Math.max(this.#everyMs, this.#restMs));
      this.#restMs = 0;
      if (this.#pause.stopped || applier.late.size > 0 || !mayLook()) continue;
      const isBehind = journal.appended - stored() > BEHIND_BYTES;
      if (isBehind && clock.monotonicMs() - lookedMs < BEHIND_EVERY_MS) continue;
      lookedMs = clock.monotonicMs();
      this.#looks++;
      const again = this.#looks % LOOKS_PER_REVISIT === 0 ? this.#differentOne() : null;
      const next = again ?? this.#nextDay();
      if (next === null) continue;
      const look = await this.#lookTwice(next);
      if (look === null || this.#pause.stopped) continue;
      this.rows += look.rows;
      this.days += look.days;
      if (again === null) this.#cursors[next.meter] = next.day.to;
      if (look.days > 0) this.#tell(next, look.faults);
    }
  }

  /** The day that differs and was looked at longest ago. */
  #differentOne(): MeterDay | null {
    for (const [key, one] of this.#different) {
      this.#different.delete(key);
      this.#different.set(key, one);
      return this.#isSettled(one) ? one : null;
    }
    return null;
  }

  /** The next day of the next meter that has one. */
  #nextDay(): MeterDay | null {
    const { book } = this.#ports.applier;
    if (book.count > this.#cursors.length) this.#grow(book.count);
    if (this.#meter < 0 && book.count > 0) this.#meter = Math.floor(this.#ports.random() * book.count);
    for (let passed = 0; passed < Math.min(METERS_PER_TURN, book.count); passed++) {
      const meter = this.#meter;
      this.#meter = (meter + 1) % book.count;
      const next = this.#dayOf(meter);
      if (next !== null) return next;
    }
    return null;
  }

  #grow(meters: number): void {
    const cursors = new Float64Array(Math.max(meters, 2 * this.#cursors.length)).fill(Number.NaN);
    cursors.set(this.#cursors);
    this.#cursors = cursors;
  }

  /** A first look at a meter is at some day, so that starts now and then do not always see the oldest; then they come in order. */
  #dayOf(meter: number): MeterDay | null {
    const { book } = this.#ports.applier;
    if (Number.isNaN(book.firstTs(meter))) return null;
    const settled = this.#settledTo(meter);
    const timeline = book.timeline(meter);
    const first = firstDayOf(book, meter);
    if (!(timeline.dayOf(first).to <= settled)) return null;
    let from = this.#cursors[meter]!;
    if (Number.isNaN(from)) from = timeline.dayOf(first + this.#ports.random() * (settled - first)).from;
    if (from < first || timeline.dayOf(from).to > settled) from = first;
    return { meter, day: timeline.dayOf(from) };
  }

  #settledTo(meter: number): number {
    const { book } = this.#ports.applier;
    this.#window.timeline = book.timeline(meter);
    drawWindow(this.#window, book.image(meter));
    return settledTo(this.#window);
  }

  #isSettled({ meter, day }: MeterDay): boolean {
    return day.to <= this.#settledTo(meter);
  }

  /** A difference counts when it is there twice; null: nothing can be said. */
  async #lookTwice(next: MeterDay): Promise<Look | null> {
    this.#watched = next.meter;
    try {
      const first = await this.#look(next);
      return first === null || first.faults.length === 0 ? first : await this.#look(next);
    } catch (error) {
      if (!(error instanceof MeterstormError && error.code === "store_unavailable")) throw error;
      this.#restMs = TROUBLE_MS;
      return null;
    } finally {
      this.#watched = -1;
    }
  }

  async #look({ meter, day }: MeterDay): Promise<Look | null> {
    const { clock, journal } = this.#ports;
    this.#touched = false;
    const position = journal.appended;
    if (!(await this.#hasStored(position))) return null;
    const startMs = clock.monotonicMs();
    let reach: AuditReach | null = { before: 1, after: 1 };
    let look: Look = LEFT_OUT;
    while (reach !== null) {
      if (!this.#isUndisturbed(meter, position)) return null;
      const [judged, records] = await this.#judge({ meter, day }, reach, position);
      if (judged === null) return null;
      if (typeof judged !== "number") {
        look = judged;
        reach = null;
      } else if (records > MOST_RECORDS) reach = null;
      else {
        const { before, after }: AuditReach = reach;
        reach = judged === Audit.NEEDS_BEFORE ? { before: before * 8, after } : { before, after: after * 8 };
      }
    }
    this.#restMs = Math.max(this.#restMs, REST * (clock.monotonicMs() - startMs));
    return this.#isUndisturbed(meter, position) ? look : null;
  }

  /** What is found with so much read, or what of `Audit` it needs more of, and how many records were read; null: stopped or disturbed. */
  async #judge({ meter, day }: MeterDay, reach: AuditReach, position: number): Promise<[Look | number | null, number]> {
    const { sink, applier } = this.#ports;
    const { from, to, knownFrom, knownTo } = auditRange(applier.book, meter, day, reach);
    const [history] = await sink.history([{ meter, from, to }]);
    const [periods] = await sink.consumption([{ meter, from: day.from, to: day.to - 1 }]);
    if (history === undefined || periods === undefined || !this.#isUndisturbed(meter, position)) return [null, 0];
    const records = history.readings.ts.length;
    const audit = new AuditDay(applier.book.timeline(meter), { day, from: knownFrom, to: knownTo, history, periods });
    let state = audit.advance(SLICE_RECORDS);
    while (state === Audit.GOES_ON) {
      await this.#slices.letBy();
      if (this.#pause.stopped) return [null, records];
      state = audit.advance(SLICE_RECORDS);
    }
    return [state === Audit.DONE ? { faults: audit.faults, rows: audit.rows, days: 1 } : state, records];
  }

  #isUndisturbed(meter: number, position: number): boolean {
    const { applier, stored, mayLook } = this.#ports;
    return !this.#pause.stopped && !this.#touched && !applier.late.has(meter) && stored() >= position && mayLook();
  }

  async #hasStored(position: number): Promise<boolean> {
    const { clock, stored, mayLook } = this.#ports;
    const endMs = clock.monotonicMs() + PATIENCE_MS;
    while (stored() < position) {
      if (this.#pause.stopped || !mayLook() || clock.monotonicMs() >= endMs) return false;
      await this.#pause.wait(LOOK_AGAIN_MS);
    }
    return true;
  }

  #tell({ meter, day }: MeterDay, faults: readonly string[]): void {
    const key = `${meter}/${day.from}`;
    if (faults.length === 0) {
      this.#different.delete(key);
      return;
    }
    if (this.#different.has(key) || this.#different.size >= MOST_DIFFERENT) return;
    this.#different.set(key, { meter, day });
    const { directory, book } = this.#ports.applier;
    const where = `meter "${directory.meter(meter)}" of ${directory.tenantOfMeter(meter)} on ${book.compiled(meter, day.from).calendar.localDate(day.from)}`;
    const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : "";
    this.#ports.warn(
      `stored rows of ${where} are not what follows from its readings: ${faults[0]}${more}. Something else has changed, removed or added rows in the store, or it has lost some; put the readings right there, or send them again with a greater rev`,
    );
  }
}
