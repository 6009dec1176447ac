import { EntryWriter, Kind, type Severity } from "../../engine/base/entries.js";
import { entryBytes, viewsOf } from "../../engine/base/entry-views.js";
import { Flag } from "../../engine/base/flags.js";
import {
  TRIAL_EXCHANGE,
  TRIAL_READING,
  type TrialRecords,
  type TrialTask,
  type TrialTransition,
} from "../../engine/base/rules-trial.js";
import { On } from "../kernels/alert-rule.js";
import { MeterBook } from "../state/book.js";
import { Directory } from "../state/directory.js";
import { alertTransition } from "./alert-json.js";
import { Applier } from "./applier.js";

const DATALOGGER = "history";

/**
 * The rules of a client on one meter's stored records, through the very code of the live path: as if each record had arrived
 * at its own instant, an interval at its end, in order, and the engine had looked at its clock all the time between.
 */
export class RulesTrial {
  readonly #task: TrialTask;
  readonly #id: string;
  readonly #applier: Applier;
  readonly #out = new EntryWriter(1 << 14);
  readonly #transitions: TrialTransition[] = [];
  #meter = -1;
  /** Records that the present settings refuse, such as numbers too large for their decimals. */
  refused = 0;

  constructor(task: TrialTask, meter: string) {
    this.#task = task;
    this.#id = meter;
    this.#applier = new Applier([task.plan], this.#out, new Directory(), new MeterBook(1));
  }

  /** Records behind those fed before. */
  feed({ readings, exchanges }: TrialRecords): void {
    let next = 0;
    for (let at = 0; at < readings.length; at += TRIAL_READING) {
      const ts = readings[at]!;
      for (; next < exchanges.length && exchanges[next]! < ts; next += TRIAL_EXCHANGE) this.#exchange(exchanges, next);
      this.#reading(ts, readings[at + 1]!, readings[at + 2]!, readings[at + 3]!);
    }
    for (; next < exchanges.length; next += TRIAL_EXCHANGE) this.#exchange(exchanges, next);
  }

  /** All that came to pass, with what time alone decides up to the end. */
  end(): TrialTransition[] {
    const { fromMs, toMs } = this.#task;
    // A meter that never sent is known from the beginning on.
    if (this.#meter < 0) this.#open(fromMs);
    this.#pass(toMs);
    return this.#transitions;
  }

  #open(nowMs: number): void {
    const applier = this.#applier;
    applier.arrivalMs = nowMs;
    applier.datalogger = applier.nameDatalogger(this.#task.plan.id, DATALOGGER);
    this.#meter = applier.meter(0, this.#id, applier.datalogger, false);
    this.#out.reset();
  }

  /** Time goes by, up to an instant within the range: each rule by itself, without the timers that a million meters need. */
  #pass(nowMs: number): void {
    const applier = this.#applier;
    const untilMs = Math.min(nowMs, this.#task.toMs);
    if (untilMs <= applier.arrivalMs) return;
    applier.arrivalMs = untilMs;
    for (const { id, on } of this.#task.plan.rules) {
      let before: number;
      do {
        before = this.#out.length;
        applier.alerts.tickAgain(this.#meter, id, On[on.toUpperCase() as keyof typeof On], untilMs, this.#out, this.#ruleNumber);
      } while (this.#out.length > before);
    }
    if (this.#out.length > 0) this.#collect();
  }

  /** A record arrives where it counts: what time has decided before that, and its own instant it leaves to the record. */
  #arrive(ts: number): number {
    const isFirst = this.#meter < 0;
    if (isFirst) this.#open(ts);
    const atMs = this.#applier.book.compiled(this.#meter, ts).countsAt(ts);
    if (!isFirst) this.#pass(atMs - 1);
    this.#applier.arrivalMs = atMs;
    return atMs;
  }

  #reading(ts: number, value: number, rev: number, flags: number): void {
    const atMs = this.#arrive(ts);
    if (this.#applier.reading(this.#meter, ts, value, rev, atMs) < 0) {
      this.refused++;
      return;
    }
    // Of two values for one instant only the one that stands is stored; any lesser one brings back the mark that there were two.
    if ((flags & Flag.CONFLICT) !== 0) this.#applier.reading(this.#meter, ts, value - 1, rev, atMs);
    this.#collect();
  }

  #exchange(exchanges: Float64Array, at: number): void {
    const ts = exchanges[at]!;
    this.#arrive(ts);
    const [final, start, rev] = [exchanges[at + 1]!, exchanges[at + 2]!, exchanges[at + 3]!];
    if (this.#applier.exchange(this.#meter, ts, final, start, rev, ts) < 0) this.refused++;
    this.#collect();
  }

  readonly #ruleNumber = (id: string): number => {
    const { directory } = this.#applier;
    const known = directory.ruleNumber(id);
    if (known < 0) directory.addRule(directory.rules.length, id);
    return known < 0 ? directory.rules.length - 1 : known;
  };

  #collect(): void {
    const views = viewsOf(this.#out.bytes());
    for (let at = 0; at < views.u8.length; at += entryBytes(views, at)) {
      if ((views.u32[at >> 2]! & 0xff) !== Kind.ALERT) continue;
      const { ts, rule, incident, state, severity, value, threshold } = alertTransition(views, at, this.#applier.directory);
      this.#transitions.push({
        ...{ ts: Date.parse(ts), rule, incident, state, severity: severity as Severity, value, threshold },
      });
    }
    this.#out.reset();
  }
}
