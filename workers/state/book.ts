import { type EntryWriter, ExchangeInfo, Kind } from "../../engine/base/entries.js";
import { invariant } from "../../engine/base/errors.js";
import { limits } from "../../engine/base/limits.js";
import { always, type MeterSettings, type MeterTimeline } from "../../engine/base/settings.js";
import type { Observation } from "../kernels/alert.js";
import type { CompiledSettings } from "../kernels/compiled-settings.js";
import { CompiledTimeline } from "../kernels/compiled-timeline.js";
import { BookCut, restoreBook } from "./book-cut.js";
import { type Cut, type CutSink, sweepAll } from "./cut-records.js";
import { takeExchange } from "./meter-exchange.js";
import { drawWindow, imageOf } from "./meter-image.js";
import { isRare, loadRare, RareState, saveRare } from "./meter-rare.js";
import { RowWriter } from "./meter-rows.js";
import { createRunning, fillObservation, fillRunning, fillSettled, type Running, type SettledReading } from "./meter-running.js";
import { Applied, takeReading } from "./meter-step.js";
import { MeterWindow } from "./meter-window.js";
import { MeterPage, Status } from "./page.js";
import { takeAcross } from "./page-across.js";
import { observeSteady } from "./page-observe.js";
import { takeSteady } from "./page-steady.js";
import { loadWindow, saveWindow } from "./page-window.js";

export { Applied, createRunning, type Running, type SettledReading };

/** Whoever wants to know of the rows that a reading wrote; `energy` NaN where NULL. */
export interface PeriodListener {
  period(meter: number, period: number, start: number, energy: number, end: number): void;
}

/** Whoever keeps the newest records of some meters in memory. `final` and `start` NaN: a withdrawn exchange. */
export interface InputListener {
  reading(meter: number, ts: number, value: number, rev: number): void;
  exchange(meter: number, ts: number, final: number, start: number, rev: number): void;
}

/**
 * The meters of a shard: what the rules of deltas and consumption need to know of each to go on, and the rows that
 * each input makes. It is a function of the inputs and their order alone; amounts in rows are after the multiplier.
 *
 * Live rows are provisional as long as the next reading may still change them; they are written again when it does.
 */
export class MeterBook {
  readonly #slotBits: number;
  readonly #slotMask: number;
  readonly #pages: MeterPage[] = [];
  readonly #compiled: CompiledTimeline[] = [];
  /** Numbers of timelines, by their JSON; most meters bring the very object that another one brought. */
  readonly #numbers = new Map<string | MeterSettings | MeterTimeline, number>();
  #rares = new Map<number, RareState>();
  readonly #window = new MeterWindow();
  readonly #rows = new RowWriter();
  /** The meter whose state the window holds; -1: none. */
  #held = -1;
  /** Meters whose inputs are listened to; they never go the short way. */
  readonly #followed = new Set<number>();
  /** Told of every input of a followed meter that is not late. */
  listener: InputListener | null = null;
  /** Meters opened. */
  count = 0;
  /** Whatever changes a meter's state tells it first. */
  #cut: BookCut | null = null;

  /** `metersPerPage` is a power of two. */
  constructor(metersPerPage: number = limits.metersPerPage) {
    this.#slotBits = 31 - Math.clz32(metersPerPage);
    this.#slotMask = metersPerPage - 1;
    invariant(1 << this.#slotBits === metersPerPage, "a page has a power of two of slots");
  }

  /** Meters are opened in order of their numbers: 0, 1, 2 … */
  open(meter: number, settings: MeterSettings | MeterTimeline): void {
    invariant(meter === this.count, `meter ${meter} was opened, next is ${this.count}`);
    if ((meter & this.#slotMask) === 0) this.#pages.push(new MeterPage(this.#slotMask + 1));
    this.#judgeBy(meter, settings);
    this.count++;
  }

  /**
   * From now on other settings, which are the same as before for all of the meter's records: see `decidedUntil`.
   * Periods that are open end where the settings of their time now end.
   */
  adopt(meter: number, settings: MeterSettings | MeterTimeline): void {
    if (this.#cut !== null) this.#cut.save(meter);
    const window = this.#open(meter);
    const page = this.#pages[meter >>> this.#slotBits]!;
    for (const [period, sum] of window.sums.entries()) {
      if (window.timeline.periods.includes(period)) page.periods[period]!.end[meter & this.#slotMask] = 0;
      else sum.open(period, Number.NaN, Number.NaN);
    }
    const image = imageOf(window);
    this.#judgeBy(meter, settings);
    const timeline = this.timeline(meter);
    window.timeline = timeline;
    drawWindow(window, image);
    for (const sum of [...window.sums, ...window.spilled]) {
      if (!Number.isNaN(sum.end)) sum.end = timeline.at(sum.start).periodEnd(sum.period, sum.start);
    }
    window.judge();
    this.#close(meter);
  }

  #judgeBy(meter: number, settings: MeterSettings | MeterTimeline): void {
    const number = this.#settingsNumber(settings);
    const { periods, hasLevels } = this.#compiled[number]!;
    const page = this.#pages[meter >>> this.#slotBits]!;
    page.settings[meter & this.#slotMask] = number;
    for (const period of periods) page.needs(period, hasLevels);
  }

  #settingsNumber(settings: MeterSettings | MeterTimeline): number {
    const known = this.#numbers.get(settings);
    if (known !== undefined) return known;
    const timeline = "kind" in settings ? always(settings) : settings;
    const text = JSON.stringify(timeline);
    const number = this.#numbers.get(text) ?? this.#compiled.length;
    if (number === this.#compiled.length) this.#compiled.push(new CompiledTimeline(timeline));
    this.#numbers.set(text, number);
    this.#numbers.set(settings, number);
    return number;
  }

  /** Those in force at an instant; unless it is given those by which its newest record is judged, the first ones where there is none. */
  settings(meter: number, ts?: number): MeterSettings {
    return this.compiled(meter, ts).settings;
  }

  /** As `settings`, made ready. */
  compiled(meter: number, ts?: number): CompiledSettings {
    const timeline = this.timeline(meter);
    return timeline.only ?? timeline.at(ts ?? this.newestTs(meter));
  }

  /** All its settings over time. */
  timeline(meter: number): CompiledTimeline {
    return this.#compiled[this.#pages[meter >>> this.#slotBits]!.settings[meter & this.#slotMask]!]!;
  }

  /** Whether a finite value of an instant is within ±2^53 units of the meter's resolution. */
  accepts(meter: number, ts: number, value: number): boolean {
    return this.compiled(meter, ts).inRange(value);
  }

  /**
   * Takes one reading: `ts` whole epoch milliseconds, `value` finite and accepted, `rev` a u32. Writes exactly one
   * READING, INPUT or LATE, and what else follows from it. The answer is of `Applied`.
   */
  apply(meter: number, ts: number, value: number, rev: number, out: EntryWriter): number {
    if (this.#cut !== null) this.#cut.save(meter);
    this.#rows.begin();
    const page = this.#pages[meter >>> this.#slotBits]!;
    const slot = meter & this.#slotMask;
    const timeline = this.#compiled[page.settings[slot]!]!;
    const settings = timeline.only ?? timeline.at(page.newerTs[slot]!);
    const counted = takeSteady(page, slot, settings, ts, value, rev);
    if (counted >= 0) {
      if (this.#held === meter) this.#held = -1;
      out.reading(Kind.READING, meter, ts, value, settings.shownAmount(counted, 0), rev, 0);
      return Applied.LIVE;
    }
    if (timeline.only !== null && takeAcross(meter, page, slot, settings, ts, value, rev, this.#rows, out)) {
      if (this.#held === meter) this.#held = -1;
      return Applied.LIVE;
    }
    const window = this.#open(meter);
    if (Number.isNaN(window.newer.ts) && Number.isNaN(window.closedTo)) page.firstTs[slot] = ts;
    const applied = takeReading(meter, window, ts, value, rev, false, this.#rows, out);
    if (applied === Applied.LATE) return applied;
    if (applied !== Applied.DUPLICATE) this.#close(meter);
    if (this.#followed.size > 0 && this.#followed.has(meter)) this.listener?.reading(meter, ts, value, rev);
    return applied;
  }

  /**
   * Takes a declared exchange; `final` and `start` count only where it is not withdrawn. Writes its EXCHANGE entry
   * always; one behind the newest record changes nothing else. The answer is of `Applied`.
   */
  applyExchange(
    meter: number,
    ts: number,
    final: number,
    start: number,
    rev: number,
    withdrawn: boolean,
    out: EntryWriter,
  ): number {
    if (this.#cut !== null) this.#cut.save(meter);
    const last = withdrawn ? Number.NaN : final;
    const first = withdrawn ? Number.NaN : start;
    // Only a counter has a register that can be exchanged.
    if (!this.compiled(meter, ts).isCounter) {
      out.exchange(meter, ts, last, first, rev, withdrawn ? ExchangeInfo.WITHDRAWN : 0);
      return Applied.LIVE;
    }
    const window = this.#open(meter);
    if (Number.isNaN(window.newer.ts) && Number.isNaN(window.closedTo)) {
      this.#pages[meter >>> this.#slotBits]!.firstTs[meter & this.#slotMask] = ts;
    }
    this.#rows.begin();
    const applied = takeExchange(meter, window, ts, last, first, rev, this.#rows, out);
    if (applied === Applied.LATE) return applied;
    if (applied !== Applied.DUPLICATE) this.#close(meter);
    if (this.#followed.size > 0 && this.#followed.has(meter)) this.listener?.exchange(meter, ts, last, first, rev);
    return applied;
  }

  /** From now on every input of the meter that is not late is told to the listener, or no longer. */
  follow(meter: number, on: boolean): void {
    if (this.#cut !== null) this.#cut.save(meter);
    if (on) this.#followed.add(meter);
    else this.#followed.delete(meter);
    const page = this.#pages[meter >>> this.#slotBits]!;
    page.status[meter & this.#slotMask]! &= ~Status.STEADY;
    if (this.#held === meter) this.#held = -1;
  }

  /** The instant of the meter's first record among those worked in; NaN: none. */
  firstTs(meter: number): number {
    const ts = this.#pages[meter >>> this.#slotBits]!.firstTs[meter & this.#slotMask]!;
    return ts === 0 ? Number.NaN : ts;
  }

  /** The instant of the meter's newest record; NaN: none. */
  newestTs(meter: number): number {
    const window = this.#open(meter);
    return window.withdrawnTs > window.newer.ts || Number.isNaN(window.newer.ts) ? window.withdrawnTs : window.newer.ts;
  }

  /** Up to this instant, itself included, its rows follow from its settings; NaN: nothing does yet. */
  decidedUntil(meter: number): number {
    const { base, older, newer, closedTo, withdrawnTs } = this.#open(meter);
    const instants = [base.ts, older.ts, older.at, newer.ts, newer.at, closedTo, withdrawnTs].filter((at) => !Number.isNaN(at));
    return instants.length === 0 ? Number.NaN : Math.max(...instants);
  }

  /** How far apart its newest records are, in milliseconds; NaN: unknown. */
  cadenceMs(meter: number): number {
    const { older, newer, base } = this.#open(meter);
    return Math.max(newer.ts - older.ts, older.ts - base.ts);
  }

  /** A repair worked in records as early as this. */
  beginsAt(meter: number, ts: number): void {
    if (this.#cut !== null) this.#cut.save(meter);
    const page = this.#pages[meter >>> this.#slotBits]!;
    const slot = meter & this.#slotMask;
    if (page.firstTs[slot] === 0 || ts < page.firstTs[slot]!) page.firstTs[slot] = ts;
  }

  /** The live state of a meter as numbers; see `meter-image.ts`. */
  image(meter: number): number[] {
    return imageOf(this.#open(meter));
  }

  /** Puts the state in the place of what the meter had. */
  draw(meter: number, image: Float64Array | readonly number[]): void {
    if (this.#cut !== null) this.#cut.save(meter);
    drawWindow(this.#open(meter), image);
    this.#window.judge();
    this.#close(meter);
  }

  /** Fills in the newest reading and the running periods. */
  running(meter: number, into: Running): void {
    fillRunning(this.#open(meter), into);
  }

  /** Fills in the reading before the newest, as the newest has settled it. */
  settled(meter: number, into: SettledReading): void {
    fillSettled(this.#open(meter), into);
  }

  /** Fills in the live reading that was applied last, for the alerts; of running periods those with a bit in `periods` (1 << index into PERIODS). */
  observe(meter: number, into: Observation, periods = 7): void {
    const { only } = this.timeline(meter);
    const page = this.#pages[meter >>> this.#slotBits]!;
    if (only !== null && observeSteady(page, meter & this.#slotMask, only, into, periods)) return;
    fillObservation(this.#open(meter), into, periods);
  }

  /** Reports each row of `consumption` that the last call of `apply` wrote for this meter, new or again. */
  reportPeriods(meter: number, listener: PeriodListener): void {
    const rows = this.#rows;
    for (let i = 0; i < rows.count; i++)
      listener.period(meter, rows.periodAt(i), rows.startAt(i), rows.valueAt(i), rows.endAt(i));
  }

  /** Opens a meter in the one window, its records judged. */
  #open(meter: number): MeterWindow {
    const window = this.#window;
    if (meter === this.#held) return window;
    const page = this.#pages[meter >>> this.#slotBits]!;
    const slot = meter & this.#slotMask;
    window.timeline = this.#compiled[page.settings[slot]!]!;
    loadWindow(page, slot, window);
    if ((page.status[slot]! & Status.RARE) !== 0) loadRare(this.#rares.get(meter)!, window);
    window.judge();
    this.#held = meter;
    return window;
  }

  /** Puts the window back into its page. */
  #close(meter: number): void {
    const window = this.#window;
    const page = this.#pages[meter >>> this.#slotBits]!;
    const slot = meter & this.#slotMask;
    const rare = isRare(window);
    if (rare) {
      let state = this.#rares.get(meter);
      if (state === undefined) {
        state = new RareState();
        this.#rares.set(meter, state);
      }
      saveRare(window, state);
    } else if ((page.status[slot]! & Status.RARE) !== 0) {
      this.#rares.delete(meter);
    }
    saveWindow(page, slot, window, rare, this.#followed.size > 0 && this.#followed.has(meter));
  }

  /** The state as it is now, copied bit by bit from here on; `endCut` ends it. There is one at a time. */
  beginCut(sink: CutSink): Cut {
    invariant(this.#cut === null, "one cut is taken at a time");
    this.#cut = new BookCut(this.#pages, this.#slotBits, this.count, this.#rares, sink);
    return this.#cut;
  }

  endCut(): void {
    this.#cut = null;
  }

  /** The state as it is now, in pieces of its own. */
  snapshot(): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    sweepAll(this.beginCut((bytes) => pieces.push(bytes)));
    this.endCut();
    return pieces;
  }

  /** Takes over a snapshot's state. All its meters are open, with the settings they had. */
  restore(parts: readonly Uint8Array[]): void {
    this.#rares = restoreBook(parts, this.#pages, this.#slotBits);
    this.#held = -1;
  }

  /** Bytes of state per meter that has a slot, without what few meters have beside the pages. */
  get bytesPerMeter(): number {
    const bytes = this.#pages
      .flatMap((page) => [page.settings, ...page.columns()])
      .reduce((sum, column) => sum + column.byteLength, 0);
    return this.#pages.length === 0 ? 0 : bytes / (this.#pages.length << this.#slotBits);
  }
}
