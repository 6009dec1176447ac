import { isDeepStrictEqual } from "node:util";
import { flagNames } from "../../engine/base/flags.js";
import { byIdentity, type MeterRows, rowsOf } from "../reference/meter-rows.js";
import type { AlertRow, Evidence, LoggerRecord, Seen } from "./record.js";
import { keyOf, rightAlerts } from "./right-alerts.js";
import type { ScriptedMeter } from "./script.js";

/** What must hold after every fault. */
export const PROMISES = [
  "what was acked is stored",
  "no row is there twice",
  "acks only rise",
  "rows are those of the accepted readings",
  "others go on",
  "memory has its bound",
  "the backlog goes",
  "each alert transition once",
] as const;

export type Promised = (typeof PROMISES)[number];

export interface Finding {
  readonly promise: Promised;
  readonly what: string;
}

export interface Verdict {
  readonly findings: readonly Finding[];
  readonly figures: Figures;
}

export interface Figures {
  /** Readings, corrections included, in frames that were sent, and in frames that were acked. */
  readonly sent: number;
  readonly acked: number;
  /** Acked readings that have no row. */
  readonly lost: number;
  readonly duplicated: number;
  /** Rows of all tables but `alerts` that are missing, too many, or say something else. */
  readonly wrongRows: number;
  readonly transitions: number;
  readonly wrongTransitions: number;
}

/** Others' acks may take so many times as long at p99 as before the fault. */
const OTHERS_FACTOR = 2;
/** Fewer waits than these say nothing of a p99. */
const LEAST_WAITS = 20;
const SHOWN_FINDINGS = 20;

/** Judges what a scenario left behind by the dataloggers' own record of it. */
export function check(evidence: Evidence): Verdict {
  const inspection = new Inspection();
  for (const logger of evidence.loggers) inspection.logger(logger, evidence.seen.get(logger.tenant));
  for (const [tenant, seen] of evidence.seen) inspection.client(tenant, seen, evidence.loggers);
  inspection.others(evidence.others);
  const { memory, backlog } = evidence;
  if (!(memory.peakMiB <= memory.boundMiB)) {
    const what = `the engine's memory was ${Math.round(memory.peakMiB)} MiB, its bound is ${memory.boundMiB}`;
    inspection.found("memory has its bound", what);
  }
  if (backlog.goneMs === null || backlog.goneMs > backlog.withinMs) {
    const gone = backlog.goneMs === null ? "was still there" : `was gone after ${Math.round(backlog.goneMs)} ms`;
    inspection.found("the backlog goes", `what waited ${gone}; ${backlog.withinMs} ms are allowed`);
  }
  return inspection.verdict();
}

/** The value that 99 of 100 do not exceed. */
export function p99(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? Number.NaN;
}

/** The inputs of the frames up to this one. */
export function inputsUpTo(meter: ScriptedMeter, seq: number) {
  return Array.from({ length: seq }, (_, i) => meter.at(i + 1)).flat();
}

class Inspection {
  readonly #findings: Finding[] = [];
  #more = 0;
  readonly #figures = { sent: 0, acked: 0, lost: 0, duplicated: 0, wrongRows: 0, transitions: 0, wrongTransitions: 0 };

  found(promise: Promised, what: string): void {
    if (this.#findings.filter((finding) => finding.promise === promise).length < SHOWN_FINDINGS)
      this.#findings.push({ promise, what });
    else this.#more++;
  }

  verdict(): Verdict {
    if (this.#figures.acked === 0) this.found("what was acked is stored", "nothing was acked, so nothing is proven");
    if (this.#more > 0) this.#findings.push({ promise: this.#findings[0]!.promise, what: `and ${this.#more} more findings` });
    return { findings: this.#findings, figures: this.#figures };
  }

  logger(logger: LoggerRecord, seen: Seen | undefined): void {
    this.#acks(logger);
    for (const refused of logger.refused)
      this.found("rows are those of the accepted readings", `${logger.name} was refused ${refused}`);
    for (const meter of logger.meters) this.#meter(logger, meter, seen?.rows.get(meter.id));
  }

  #acks({ name, sent, acked, connections }: LoggerRecord): void {
    let highest = 0;
    for (const [c, heard] of connections.entries()) {
      for (const [i, seq] of heard.entries()) {
        const how = `connection ${c + 1} of ${name} ${i === 0 ? "was welcomed with" : "was acked"} ${seq}`;
        if (seq < highest) this.found("acks only rise", `${how} after ${highest}`);
        if (seq > sent) this.found("acks only rise", `${how}, and has sent ${sent}`);
        highest = Math.max(highest, seq);
      }
    }
    if (highest !== acked) this.found("acks only rise", `${name} heard acks up to ${highest} and wrote down ${acked}`);
    if (acked !== sent) this.found("the backlog goes", `${name} has sent ${sent} frames and was acked ${acked}`);
  }

  #meter({ acked, sent }: LoggerRecord, meter: ScriptedMeter, stored: MeterRows | undefined): void {
    const inputs = inputsUpTo(meter, acked);
    this.#figures.acked += inputs.length;
    this.#figures.sent += inputs.length;
    for (let seq = acked + 1; seq <= sent; seq++) this.#figures.sent += meter.at(seq).length;
    if (acked === 0) return;
    const present = new Set(stored?.readings.map(({ ts }) => ts));
    for (const { ts } of inputs) {
      if (present.has(ts)) continue;
      this.#figures.lost++;
      this.found("what was acked is stored", `${meter.id} was acked its reading of ${iso(ts)}, which is not there`);
    }
    const rows = stored ?? { readings: [], consumption: [], exchanges: [] };
    this.#twice(meter.id, [
      ...rows.readings.map(({ ts }) => `reading ${iso(ts)}`),
      ...rows.consumption.map(({ ts, period }) => `${period} ${iso(ts)}`),
      ...rows.exchanges.map(({ ts }) => `exchange ${iso(ts)}`),
    ]);
    // What was sent and not acked may be there or not: only who was acked all can say what the rows must be.
    if (acked === sent) this.#rows(meter.id, byIdentity(even(rows)), byIdentity(even(rowsOf(meter.settings, inputs))));
  }

  #twice(whose: string, identities: readonly string[]): void {
    const once = new Set<string>();
    for (const identity of identities) {
      if (once.has(identity)) {
        this.#figures.duplicated++;
        this.found("no row is there twice", `${whose}: ${identity}`);
      }
      once.add(identity);
    }
  }

  #rows(meter: string, is: ReadonlyMap<string, string>, should: ReadonlyMap<string, string>): void {
    for (const identity of new Set([...is.keys(), ...should.keys()])) {
      if (is.get(identity) === should.get(identity)) continue;
      this.#figures.wrongRows++;
      const what = `${meter}: ${identity} is ${is.get(identity) ?? "not there"}, and should ${should.get(identity) ?? "not be"}`;
      this.found("rows are those of the accepted readings", what);
    }
  }

  client(tenant: string, seen: Seen, loggers: readonly LoggerRecord[]): void {
    const own = loggers.filter((logger) => logger.tenant === tenant);
    this.#alerts(tenant, seen, own);
    for (const [id, shown] of seen.shown) {
      const logger = own.find(({ meters }) => meters.some((meter) => meter.id === id));
      const meter = logger?.meters.find((each) => each.id === id);
      if (logger === undefined || meter === undefined || logger.acked !== logger.sent) continue;
      const right = rowsOf(meter.settings, inputsUpTo(meter, logger.acked)).readings.map(({ ts, flags, ...row }) => ({
        ...{ ts: iso(ts), flags: flagNames(flags), ...row },
      }));
      if (!isDeepStrictEqual(plain(shown), plain(right)))
        this.found(
          "rows are those of the accepted readings",
          `the API shows other readings of ${id}: ${firstOther(shown, right)}`,
        );
    }
  }

  #alerts(tenant: string, { alerts, told }: Seen, loggers: readonly LoggerRecord[]): void {
    const possible = loggers.flatMap(({ meters, sent, acked }) =>
      meters.map((meter) => [rightAlerts(tenant, meter, acked), rightAlerts(tenant, meter, sent)] as const),
    );
    // A frame that was not acked may have been judged or not.
    const due = new Map(possible.flatMap(([rows]) => rows.map((row) => [keyOf(row), row])));
    const allowed = new Set(possible.flatMap(([, rows]) => rows.map(keyOf)));
    this.#figures.transitions += due.size;
    const wrong = (what: string) => {
      this.#figures.wrongTransitions++;
      this.found("each alert transition once", `${tenant}: ${what}`);
    };
    const seen = new Set<string>();
    for (const row of alerts) {
      const key = keyOf(row);
      if (seen.has(key)) wrong(`two rows ${key} of ${row.meter}`);
      seen.add(key);
      const right = due.get(key);
      if (!allowed.has(key)) wrong(`a row that nothing raises: ${key} of ${row.meter}`);
      else if (right !== undefined && !isDeepStrictEqual(sorted(row), sorted(right)))
        wrong(`row ${key} is ${JSON.stringify(row)}, and should be ${JSON.stringify(right)}`);
    }
    const heard = new Set(told);
    for (const [key, { meter }] of due) {
      if (!seen.has(key)) wrong(`no row ${key} of ${meter}`);
      if (!heard.has(key)) wrong(`nobody was told of ${key} of ${meter}`);
    }
    for (const key of heard) if (!allowed.has(key)) wrong(`a transition was told that nothing raises: ${key}`);
  }

  others(others: Evidence["others"]): void {
    if (others === null) return;
    const { beforeMs, duringMs, floorMs } = others;
    if (beforeMs.length < LEAST_WAITS || duringMs.length < LEAST_WAITS) {
      this.found("others go on", `${beforeMs.length} acks of others before and ${duringMs.length} meanwhile say nothing`);
      return;
    }
    const [before, during] = [p99(beforeMs), p99(duringMs)];
    if (during <= Math.max(floorMs, OTHERS_FACTOR * before)) return;
    this.found("others go on", `their acks took ${during.toFixed(1)} ms at p99, ${before.toFixed(1)} before`);
  }
}

/** Rows in a form in which equal amounts are equal texts: shares in 12 places, zeros without a sign. */
function even({ readings, consumption, exchanges }: MeterRows): MeterRows {
  const unsigned = <T extends object>(rows: readonly T[]): T[] => JSON.parse(JSON.stringify(rows)) as T[];
  return {
    readings: unsigned(readings),
    consumption: unsigned(consumption).map((row) => ({ ...row, coverage: Number(row.coverage.toFixed(12)) })),
    exchanges: unsigned(exchanges),
  };
}

function firstOther(is: readonly unknown[], should: readonly unknown[]): string {
  const at = Array.from({ length: Math.max(is.length, should.length) }, (_, i) => i).find(
    (i) => !isDeepStrictEqual(plain(is[i]), plain(should[i])),
  );
  return `row ${at}: ${JSON.stringify(is[at ?? 0])}, should be ${JSON.stringify(should[at ?? 0])}`;
}

function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

function sorted(row: AlertRow): unknown {
  return Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1));
}

function iso(ts: number): string {
  return new Date(ts).toISOString();
}
