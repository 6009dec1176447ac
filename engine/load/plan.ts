import type { Clock } from "../base/clock.js";
import { MeterstormError } from "../base/errors.js";
import { limits } from "../base/limits.js";
import type { LoadOptions } from "./options.js";
import { MAX_ROUNDS, Series } from "./series.js";

/** History begins here unless told otherwise: long enough ago for months of readings a minute. */
const HISTORY_START_MS = Date.UTC(2024, 0, 1);
const HISTORY_INTERVAL_MS = 5 * 60_000;
/** Clocks differ; live readings are a little late rather than early. */
const LIVE_BEHIND_MS = 1_000;

export interface LoadPlan {
  readonly series: Series;
  /** Readings of each datalogger; Infinity where time alone ends the run. */
  readonly readingsOf: (datalogger: number) => number;
}

/**
 * Decides ids, times and amounts before anything is sent. Throws MeterstormError `load_options`
 * where the options do not go together, with what to change.
 */
export function planLoad(options: LoadOptions, clock: Clock): LoadPlan {
  const { dataloggers, metersPerDatalogger, readingsPerSecond, durationMs } = options;
  const meters = dataloggers * metersPerDatalogger;
  const nowMs = clock.nowMs();
  const wanted = options.readings ?? Number.POSITIVE_INFINITY;
  const byRate =
    readingsPerSecond === null || durationMs === null ? Number.POSITIVE_INFINITY : (readingsPerSecond * durationMs) / 1000;
  if (durationMs === null && wanted === Number.POSITIVE_INFINITY) {
    throw new MeterstormError("load_options", "neither a duration nor a count was given, so the test would never end; give one");
  }
  const total = Math.min(wanted, Math.ceil(byRate));
  const live = readingsPerSecond !== null && options.intervalMs === null && options.startMs === null;
  const intervalMs =
    options.intervalMs ?? (live ? Math.max(1, Math.round((meters / readingsPerSecond!) * 1000)) : HISTORY_INTERVAL_MS);
  let startMs = options.startMs ?? HISTORY_START_MS;
  if (live) {
    // Where readings come faster than one a millisecond and meter, their time runs ahead of the clock: it begins that much earlier.
    const spanMs = Math.ceil(total / meters) * intervalMs;
    const lastsMs = (total / readingsPerSecond!) * 1000;
    startMs = Math.floor(nowMs - LIVE_BEHIND_MS - Math.max(0, spanMs - lastsMs));
  }
  const rounds = Math.min(MAX_ROUNDS, Math.floor((nowMs + limits.maxFutureMs / 2 - startMs) / intervalMs));
  const possible = rounds * meters;
  if (possible <= 0 || (Number.isFinite(total) && total > possible)) {
    throw new MeterstormError(
      "load_options",
      `${total} readings of ${meters} meters every ${intervalMs} ms from ${new Date(startMs).toISOString()} would end in the future or beyond ${MAX_ROUNDS} a meter; at most ${Math.max(0, possible)} are possible: lower the interval or the count, begin earlier, or use more meters`,
    );
  }
  const name = options.name ?? `load-${nowMs.toString(36)}`;
  const series = new Series({ name, dataloggers, metersPerDatalogger, seed: options.seed, startMs, intervalMs });
  const sum = Number.isFinite(total) ? total : possible;
  return {
    series,
    readingsOf: (datalogger) => Math.floor(sum / dataloggers) + (datalogger < sum % dataloggers ? 1 : 0),
  };
}
