import { type Clock, sleep, type Timer } from "../../engine/base/clock.js";
import { PERIODS, type PeriodName } from "../../engine/base/entries.js";
import { MeterstormError } from "../../engine/base/errors.js";
import type { Explanation } from "../../engine/base/explanation.js";
import { InTurn } from "../../engine/base/in-turn.js";
import { limits } from "../../engine/base/limits.js";
import { startOfDate } from "../../engine/base/local-date.js";
import type { Sink } from "../../engine/store/interface.js";
import type { CompiledSettings } from "../kernels/compiled-settings.js";
import type { CompiledTimeline } from "../kernels/compiled-timeline.js";
import { RecordType } from "../kernels/record.js";
import type { MeterBook } from "../state/book.js";
import { explainPeriod } from "../state/explain-period.js";
import { explainReading } from "../state/explain-reading.js";
import { JudgedRun } from "../state/explain-run.js";
import { iso } from "../state/explain-whole.js";
import { type KnownRecord, placeOf } from "../state/known-record.js";
import { restartBefore } from "../state/meter-repair.js";
import type { Applier } from "./applier.js";
import { ExplainReach, recordsIn, type Span } from "./explain-plan.js";
import { Slices } from "./pause.js";

/** `ts`: an instant in the period (a reading's own), or a date of the meter's zone, YYYY-MM-DD. */
export interface ExplainQuery {
  kind: "explain";
  tenant: string;
  meter: string;
  period: "reading" | PeriodName;
  ts: number | string;
}

export interface ExplainPorts {
  clock: Clock;
  applier: Applier;
  /** One question at a time is this one's own promise; who shares the sink with others hands in their common turns. */
  history: Sink["history"];
  /** Position up to which the store has everything. */
  stored(): number;
}

/** For so long the store is waited for to have what was computed, and to answer. */
const PATIENCE_MS = 5_000;
const LOOK_AGAIN_MS = 20;
/** Records that one answer may be made from, and questions that may wait for their turn. */
const MOST_RECORDS = 200_000;
const MOST_WAITING = 16;
/** How many records there are to a time is not told by less of it. */
const LEAST_READ_MS = 15 * 60_000;
/** What lies further from all records has no figure. */
const FAR_MS = 40 * 24 * 3_600_000;
/** Records before a reading among which the exchanges are that it closes. */
const BEFORE_READING = 200;

/**
 * Answers what lies behind a figure: reads the records around it from the store, runs them through the kernels of the live path, and says
 * what came of each. One question after the other, in slices that let the loop and others have their turn.
 */
export class Explainer {
  readonly #ports: ExplainPorts;
  readonly #turns = new InTurn();
  #waiting = 0;
  readonly #slices: Slices;

  constructor(ports: ExplainPorts) {
    this.#ports = ports;
    this.#slices = new Slices(ports.clock);
  }

  /**
   * JSON of an Explanation, of null where this shard does not know the meter. `position`: behind all that was computed so far. Rejects with
   * MeterstormError: `parameter_invalid` (the meter keeps no such period), `figure_unknown` (nothing is there), `figure_too_large`,
   * `store_unavailable` (not within some seconds), `busy`.
   */
  async answer(query: ExplainQuery, position: number): Promise<string> {
    const { directory } = this.#ports.applier;
    const tenant = directory.tenantNumber(query.tenant);
    const meter = tenant < 0 ? -1 : directory.meterNumber(tenant, query.meter);
    if (meter < 0) return "null";
    if (this.#waiting >= MOST_WAITING) {
      throw new MeterstormError("busy", `${MOST_WAITING} explanations wait already; ask again in a moment`);
    }
    this.#waiting++;
    try {
      await this.#stored(position);
      return await this.#turns.take(() => this.#explain(meter, query));
    } finally {
      this.#waiting--;
    }
  }

  async #explain(meter: number, query: ExplainQuery): Promise<string> {
    const { book, late } = this.#ports.applier;
    const ts = typeof query.ts === "string" ? dateStart(book, meter, query.ts) : query.ts;
    const settings = book.compiled(meter, ts);
    const period = PERIODS.indexOf(query.period as PeriodName);
    this.#slices.begin();
    if (period >= 0 && !settings.periods.includes(period)) throw notKept(query, settings);
    const [begin, newest] = [book.firstTs(meter), book.newestTs(meter)];
    if (!(ts >= begin - FAR_MS && ts <= newest + FAR_MS))
      throw this.#unknown(meter, query, typeof query.ts === "string" ? query.ts : iso(ts));
    const pending = late.count(meter);
    const figure =
      period < 0 ? await this.#reading(meter, settings, ts, query) : await this.#period(meter, settings, period, ts, query);
    const json = JSON.stringify({ meter: query.meter, ...figure, pending } satisfies Explanation);
    if (Buffer.byteLength(json) > limits.maxPostBytes) throw tooLarge("its explanation would be longer than 1 MiB");
    return json;
  }

  async #stored(position: number): Promise<void> {
    const { clock, stored } = this.#ports;
    const endMs = clock.monotonicMs() + PATIENCE_MS;
    while (stored() < position) {
      if (clock.monotonicMs() >= endMs) throw storeUnavailable("take what was computed before");
      await sleep(clock, LOOK_AGAIN_MS);
    }
  }

  async #reading(meter: number, settings: CompiledSettings, ts: number, query: ExplainQuery) {
    const target = { ts, type: RecordType.READING };
    const at = settings.countsAt(ts);
    const timeline = this.#ports.applier.book.timeline(meter);
    let around: readonly KnownRecord[] = [];
    const run = await this.#run(meter, { start: at - 1, end: at }, (records) => {
      const first = placeOf(records, target);
      const found = records[first];
      around = records.slice(Math.max(0, first - 1), first + 1);
      if (found?.ts !== ts || found.type !== RecordType.READING) return null;
      const keepFrom = records[Math.max(0, first - BEFORE_READING)]!.ts - 1;
      const isOver = (fed: KnownRecord) => !Number.isNaN(fed.value) && (fed.ts > ts || fed.type !== RecordType.READING);
      return { first, run: new JudgedRun(timeline, keepFrom), isOver };
    });
    const figure = run === null ? null : explainReading(run, ts);
    if (figure !== null) return figure;
    const near = around.filter(({ type }) => type === RecordType.READING).map((record) => iso(record.ts));
    throw this.#unknown(meter, query, iso(ts), near);
  }

  async #period(meter: number, settings: CompiledSettings, period: number, ts: number, query: ExplainQuery) {
    const { book } = this.#ports.applier;
    const timeline = book.timeline(meter);
    const start = settings.periodStart(period, ts);
    const end = settings.periodEnd(period, ts);
    const [first, last] = [book.firstTs(meter), book.newestTs(meter)];
    const firstSettings = timeline.at(first);
    const begin = firstSettings.isInterval ? firstSettings.intervalStart(first) : first;
    // What lies exactly on a boundary belongs to the period that ends there.
    const isWithin = end >= begin && start < timeline.at(last).countsAt(last);
    const run = !isWithin
      ? null
      : await this.#run(meter, { start, end }, (records) => {
          const from = records.findIndex((record) => endOf(timeline, record) > start);
          const judged = new JudgedRun(timeline, start);
          return from < 0 ? null : { first: from, run: judged, isOver: () => judged.isPast(end) };
        });
    if (run === null) throw this.#unknown(meter, query, `${iso(start)} to ${iso(end)}`);
    const steps = explainPeriod(settings, run, period, start, end);
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done !== true) await this.#slices.letBy();
      else if (step.value === null) throw this.#unknown(meter, query, `${iso(start)} to ${iso(end)}`);
      else return step.value;
    }
  }

  /**
   * Reads records around the span, more of them as long as they do not tell enough, and judges them. `planOf` says which record is the first that
   * has to come out right and after which one is fed enough is known; null: nothing is there.
   */
  async #run(meter: number, span: Span, planOf: (records: readonly KnownRecord[]) => Plan | null): Promise<JudgedRun | null> {
    const { book } = this.#ports.applier;
    const reach = new ExplainReach(book, meter, span);
    for (let perMs = 0; ; ) {
      const { from, to, isFirst, isLast } = reach.range;
      if (perMs * (to - from) > MOST_RECORDS) throw tooLarge(`more than ${MOST_RECORDS} readings lie behind it`);
      const records = await this.#read(meter, from, to);
      perMs = records.length / Math.max(to - from, LEAST_READ_MS);
      const plan = planOf(records);
      const known = { records, from: isFirst ? Number.NEGATIVE_INFINITY : from, to, sound: false };
      const restart = plan === null ? 0 : restartBefore(book.timeline(meter), known, plan.first);
      if (restart < 0) {
        reach.furtherBack();
        continue;
      }
      const isOver = plan !== null && (await this.#feed(plan, records, restart));
      if (isOver || isLast) return plan === null ? null : plan.run;
      if (plan === null && span.end - span.start === 1) return null;
      reach.furtherOn();
    }
  }

  /** Whether the plan has all that it needs. */
  async #feed({ first, run, isOver }: Plan, records: readonly KnownRecord[], restart: number): Promise<boolean> {
    for (let i = restart; i < records.length; i++) {
      const record = records[i]!;
      run.feed(record);
      if (i > first && isOver(record)) return true;
      await this.#slices.letBy();
    }
    return false;
  }

  async #read(meter: number, from: number, to: number): Promise<KnownRecord[]> {
    const { history, clock, applier } = this.#ports;
    const timeline = applier.book.timeline(meter);
    let timer: Timer | null = null;
    const late = new Promise<never>((_, reject) => {
      timer = clock.after(PATIENCE_MS, () => reject(storeUnavailable("answer")));
    });
    const [found] = await Promise.race([history([{ meter, from, to }]), late]).finally(() => timer?.cancel());
    const records: KnownRecord[] = [];
    for (const record of recordsIn(found!, timeline)) {
      records.push(record);
      if (records.length > MOST_RECORDS) throw tooLarge(`more than ${MOST_RECORDS} readings lie behind it`);
      await this.#slices.letBy();
    }
    return records;
  }

  #unknown(meter: number, query: ExplainQuery, where: string, near: readonly string[] = []): MeterstormError {
    const { book } = this.#ports.applier;
    const [begin, newest] = [book.firstTs(meter), book.newestTs(meter)];
    const known = Number.isNaN(begin)
      ? "nothing was taken of this meter yet"
      : near.length > 0
        ? `nearest are ${near.join(" and ")}`
        : `its records go from ${iso(begin)} to ${iso(newest)}`;
    const what = query.period === "reading" ? `no reading at ${where}` : `no ${query.period} of ${where}`;
    return new MeterstormError("figure_unknown", `meter "${query.meter}" has ${what}; ${known}`);
  }
}

interface Plan {
  /** The first record that has to come out right. */
  first: number;
  run: JudgedRun;
  /** Whether enough is known once this record, behind the first, has been fed. */
  isOver(fed: KnownRecord): boolean;
}

function endOf(timeline: CompiledTimeline, { ts, type }: KnownRecord): number {
  return type === RecordType.READING ? timeline.at(ts).countsAt(ts) : ts;
}

function dateStart(book: MeterBook, meter: number, date: string): number {
  const newest = book.compiled(meter);
  const near = startOfDate(newest.calendar, date);
  // The zone may have been another one then.
  const settings = Number.isNaN(near) ? newest : book.compiled(meter, near);
  const start = startOfDate(settings.calendar, date);
  if (!Number.isNaN(start)) return start;
  throw new MeterstormError(
    "figure_unknown",
    `the zone ${settings.settings.timezone} skipped the date ${date}: it has no figures`,
  );
}

function notKept({ meter, period }: ExplainQuery, { settings }: CompiledSettings): MeterstormError {
  const kept = settings.periods.join(", ");
  return new MeterstormError("parameter_invalid", `meter "${meter}" keeps no ${period}; its "periods" are ${kept}`);
}

function tooLarge(why: string): MeterstormError {
  return new MeterstormError("figure_too_large", `${why}; ask for a shorter period within it`);
}

function storeUnavailable(what: string): MeterstormError {
  return new MeterstormError("store_unavailable", `the store did not ${what} within ${PATIENCE_MS / 1000} s; /readyz says why`);
}
