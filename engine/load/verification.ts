import { type Clock, sleep } from "../base/clock.js";
import { MeterstormError } from "../base/errors.js";
import type { LoadOptions } from "./options.js";
import { ReadingsApi } from "./readings-api.js";
import type { LoadRun } from "./run.js";
import { mix } from "./series.js";
import { MeterCheck, type MeterFindings } from "./verify.js";

const PARALLEL = 8;
const MAX_FAULTS = 10;
const RETRY_MS = 100;

/** What reading back has shown. */
export interface Verification {
  /** Meters read back, of how many. */
  readonly meters: number;
  readonly ofMeters: number;
  found: number;
  missing: number;
  doubled: number;
  changed: number;
  foreign: number;
  /** The first faults in words. */
  readonly faults: string[];
  /** How long it took until everything was there. */
  elapsedMs: number;
}

/**
 * Reads meters back through the engine until each acked reading is there once, with its value and
 * delta, or `verifyWithinMs` is over. Only what is missing is waited for: a wrong row stays wrong.
 * Throws MeterstormError `load_read` where the engine refuses to answer.
 */
export async function verifyLoad(
  options: LoadOptions,
  run: LoadRun,
  clock: Clock,
  onProgress?: (meters: number, of: number) => void,
): Promise<Verification | null> {
  if (options.verify === "none") return null;
  const { dataloggers, metersPerDatalogger } = run.series.options;
  const total = dataloggers * metersPerDatalogger;
  const chosen = chooseMeters(total, options.verify === "all" ? total : options.verify, options.seed);
  const rejected = rejectedRounds(run);
  const verification: Verification = {
    meters: chosen.length,
    ofMeters: total,
    found: 0,
    missing: 0,
    doubled: 0,
    changed: 0,
    foreign: 0,
    faults: [],
    elapsedMs: 0,
  };
  const startMs = clock.monotonicMs();
  const api = new ReadingsApi(options.url, PARALLEL);
  let next = 0;
  const reader = async () => {
    while (next < chosen.length) {
      const number = chosen[next++]!;
      const datalogger = Math.floor(number / metersPerDatalogger);
      const meter = number % metersPerDatalogger;
      const refused = rejected.get(number) ?? NONE;
      add(verification, await verifyMeter(options, run, api, clock, startMs, datalogger, meter, refused));
      onProgress?.(next, chosen.length);
    }
  };
  try {
    await Promise.all(Array.from({ length: PARALLEL }, reader));
  } finally {
    await api.close();
  }
  verification.elapsedMs = clock.monotonicMs() - startMs;
  return verification;
}

const NONE: ReadonlySet<number> = new Set();

async function verifyMeter(
  options: LoadOptions,
  run: LoadRun,
  api: ReadingsApi,
  clock: Clock,
  startMs: number,
  datalogger: number,
  meter: number,
  rejectedRounds: ReadonlySet<number>,
): Promise<MeterFindings> {
  const { series } = run;
  const sender = run.senders[datalogger]!;
  const tokens = options.readTokens.length > 0 ? options.readTokens : options.tokens;
  const token = tokens[datalogger % tokens.length]!;
  const sentRounds = sender.sentRounds(meter);
  const expected = {
    datalogger,
    meter,
    ackedRounds: sender.ackedRounds(meter),
    sentRounds,
    rejectedRounds,
    deltas: options.deltas,
  };
  const fromMs = series.options.startMs;
  const toMs = series.tsMs(datalogger, meter, sentRounds);
  for (;;) {
    const overdue = clock.monotonicMs() - startMs > options.verifyWithinMs;
    const check = new MeterCheck(series, expected);
    try {
      await api.rows(token, series.meterId(datalogger, meter), fromMs, toMs, (rows) => check.take(rows));
      const findings = check.finish();
      if (findings.missing === 0 || overdue) return findings;
    } catch (error) {
      if (overdue || !(error instanceof MeterstormError) || error.code !== "unavailable") throw error;
    }
    await sleep(clock, RETRY_MS);
  }
}

/** `count` of `total` meters, chosen by the seed, each once. */
export function chooseMeters(total: number, count: number, seed: number): number[] {
  const numbers = Array.from({ length: total }, (_, i) => i);
  if (count >= total) return numbers;
  for (let i = 0; i < count; i++) {
    const other = i + ((mix(seed + i) >>> 0) % (total - i));
    [numbers[i], numbers[other]] = [numbers[other]!, numbers[i]!];
  }
  return numbers.slice(0, count);
}

/** The rounds that were refused, by the meter's number over all dataloggers. */
function rejectedRounds(run: LoadRun): Map<number, Set<number>> {
  const rounds = new Map<number, Set<number>>();
  run.senders.forEach((sender, datalogger) => {
    for (const { meter, round } of sender.rejected) {
      const number = datalogger * run.series.options.metersPerDatalogger + meter;
      let set = rounds.get(number);
      if (set === undefined) {
        set = new Set();
        rounds.set(number, set);
      }
      set.add(round);
    }
  });
  return rounds;
}

function add(verification: Verification, findings: MeterFindings): void {
  verification.found += findings.found;
  verification.missing += findings.missing;
  verification.doubled += findings.doubled;
  verification.changed += findings.changed;
  verification.foreign += findings.foreign;
  if (findings.firstFault !== null && verification.faults.length < MAX_FAULTS) verification.faults.push(findings.firstFault);
}
