import { globMatches } from "../base/glob.js";
import { limits } from "../base/limits.js";
import { TRIAL_EXCHANGE, TRIAL_READING } from "../base/rules-trial.js";
import type { Rule, TenantPlan } from "../base/settings.js";
import type { Range, ReadingRow } from "../store/interface.js";
import type { DeclaredExchange, History } from "./history.js";
import { incidentsWithin, type TriedIncident } from "./incidents.js";
import { TrialThread } from "./trial-thread.js";

const DAY_MS = 24 * 3_600_000;
/** Behind all instants of which there may be readings. */
const LATEST_MS = Date.UTC(2200, 0, 1);
/** Before the range so much is read beside what the rules' own times ask for: sums begin with their day, deltas with a baseline. */
const LEAD_MS = 2 * DAY_MS;
/** Before that the reading must lie from which on the sums of a day are whole, which may have 25 hours. */
const BASELINE_MS = 1.5 * DAY_MS;

export interface RunOptions {
  history: History;
  /** Its rules are those to be tried. */
  plan: TenantPlan;
  /** Glob on the meter's id. */
  meters: string;
  /** Epoch milliseconds, from ≤ ts < to. */
  from: number;
  to: number;
  /** Rows that are asked for at a time. */
  pageRows?: number;
  onMeter?(done: number, of: number): void;
}

export interface RunResult {
  /** Meters that a rule looked at, readings of theirs within the range, and records that their present settings refuse. */
  meters: number;
  readings: number;
  refused: number;
  incidents: TriedIncident[];
}

/**
 * Runs rules over stored history, one meter after the other: each reading as if it had arrived at its own instant.
 * @throws MeterstormError what `History` throws
 */
export async function runRules(options: RunOptions): Promise<RunResult> {
  const { plan, history, from, to } = options;
  const thread = new TrialThread({ plan, fromMs: from, toMs: to });
  try {
    const meters = (await metersOf(history, plan, from)).filter(
      (meter) => globMatches(options.meters, meter) && plan.rules.some((rule) => globMatches(rule.meters, meter)),
    );
    const result: RunResult = { meters: meters.length, readings: 0, refused: 0, incidents: [] };
    for (const [done, meter] of meters.entries()) {
      options.onMeter?.(done, meters.length);
      const run = new MeterHistory(options, thread, meter);
      await run.feed();
      const { transitions, refused } = await thread.end(meter);
      result.readings += run.readings;
      result.refused += refused;
      // One by one: a rule that changes all the time makes more of them than a call takes arguments.
      for (const incident of incidentsWithin(meter, transitions, from, to)) result.incidents.push(incident);
    }
    result.incidents.sort((a, b) => a.ts - b.ts || (a.meter < b.meter ? -1 : a.meter > b.meter ? 1 : 0));
    return result;
  } finally {
    await thread.close();
  }
}

/** Those that ever sent, and for rules that miss them, those that the configuration names without wildcards. */
async function metersOf(history: History, plan: TenantPlan, from: number): Promise<string[]> {
  const known = await history.meters(plan.id);
  // Since ever nobody can be missed.
  if (from <= limits.minTsMs || !plan.rules.some(({ on }) => on === "nodata")) return known;
  const named = plan.meters.map(({ match }) => match).filter((match) => !/[*?]/.test(match));
  return [...new Set([...known, ...named])].sort((a, b) => (a < b ? -1 : 1));
}

/** How long a rule's own times can carry on what began before an instant. */
function carriedMs(rules: readonly Rule[]): number {
  return rules.reduce((most, { forMs, keepFiringMs }) => Math.max(most, 2 * forMs + keepFiringMs), 0);
}

/** The way of one meter's stored records to the kernels. */
class MeterHistory {
  readonly #options: RunOptions;
  readonly #thread: TrialThread;
  readonly #meter: string;
  readonly #pageRows: number;
  /** ts of the last reading fed. */
  #last = Number.NEGATIVE_INFINITY;
  /** Readings within the range. */
  readings = 0;

  constructor(options: RunOptions, thread: TrialThread, meter: string) {
    this.#options = options;
    this.#thread = thread;
    this.#meter = meter;
    this.#pageRows = options.pageRows ?? limits.maxQueryRows;
  }

  async feed(): Promise<void> {
    const { from, to, plan } = this.#options;
    const carried = carriedMs(plan.rules);
    const lead = Math.max(limits.minTsMs, from - LEAD_MS - carried);
    let page = await this.#read({ from: lead, to }, this.#pageRows);
    const begin = await this.#beginOf(page, lead, carried);
    if (begin < lead) await this.#feedBefore(begin, lead);
    for (;;) {
      await this.#give(page);
      if (page.length < this.#pageRows) break;
      page = await this.#read({ from: this.#last + 1, to }, this.#pageRows);
    }
    // What comes next decides how the last one is judged.
    await this.#give(await this.#read({ from: to, to: LATEST_MS }, 1));
  }

  /**
   * From when on readings decide how the range begins. Where few come that may be long before it, where a silence may have begun
   * too: the last one before the range must have its own days and its own baseline. `page` holds the first ones from `lead` on.
   */
  async #beginOf(page: readonly ReadingRow[], lead: number, carried: number): Promise<number> {
    const { from } = this.#options;
    let last = page.findLast(({ ts }) => ts < from)?.ts;
    let oldest = page[0]?.ts ?? Number.POSITIVE_INFINITY;
    let begin = lead;
    for (let span = from - lead, until = lead; until > limits.minTsMs; span *= 4) {
      if (last !== undefined && oldest <= last - carried - BASELINE_MS) break;
      const rows = await this.#read({ from: Math.max(limits.minTsMs, until - span), to: until }, this.#pageRows);
      until = Math.max(limits.minTsMs, until - span);
      if (rows.length === 0) continue;
      last ??= rows.at(-1)!.ts;
      oldest = rows[0]!.ts;
      begin = oldest;
    }
    return begin;
  }

  async #feedBefore(begin: number, lead: number): Promise<void> {
    for (let next = begin; ; next = this.#last + 1) {
      const page = await this.#read({ from: next, to: lead }, this.#pageRows);
      await this.#give(page);
      if (page.length < this.#pageRows) return;
    }
  }

  #read(range: Range, limit: number): Promise<ReadingRow[]> {
    const { history, plan } = this.#options;
    return history.readings(plan.id, this.#meter, range, limit);
  }

  async #give(page: readonly ReadingRow[]): Promise<void> {
    if (page.length === 0) return;
    const { history, plan, from, to } = this.#options;
    const last = page.at(-1)!.ts;
    // The first reading fed has nothing before it that an exchange could close.
    const after = Number.isFinite(this.#last) ? this.#last : page[0]!.ts - 1;
    const declared = (await history.exchanges(plan.id, this.#meter, page)).filter(({ ts }) => ts > after && ts <= last);
    this.#last = last;
    for (const { ts } of page) if (ts >= from && ts < to) this.readings++;
    await this.#thread.feed(this.#meter, { readings: readingNumbers(page), exchanges: exchangeNumbers(declared) });
  }
}

function readingNumbers(page: readonly ReadingRow[]): Float64Array {
  const numbers = new Float64Array(page.length * TRIAL_READING);
  for (const [i, { ts, value, rev, flags }] of page.entries()) numbers.set([ts, value, rev, flags], i * TRIAL_READING);
  return numbers;
}

function exchangeNumbers(declared: readonly DeclaredExchange[]): Float64Array {
  const numbers = new Float64Array(declared.length * TRIAL_EXCHANGE);
  for (const [i, { ts, final, start, rev }] of declared.entries())
    numbers.set([ts, final ?? Number.NaN, start ?? Number.NaN, rev], i * TRIAL_EXCHANGE);
  return numbers;
}
