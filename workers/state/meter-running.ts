import { PERIODS } from "../../engine/base/entries.js";
import type { Observation } from "../kernels/alert.js";
import type { CompiledSettings } from "../kernels/compiled-settings.js";
import { PeriodSum } from "../kernels/period-sum.js";
import { type MeterRecord, RecordType } from "../kernels/record.js";
import type { MeterWindow } from "./meter-window.js";

/** A period that is not over: its start, and its energy so far with the newest reading's provisional part (of a gauge, the mean). NaN where unknown or not kept. */
export interface RunningPeriod {
  start: number;
  value: number;
}

/** A meter's newest reading as its row stands, and its running periods; a reading exactly on a period's end still belongs to that one. */
export interface Running {
  /** NaN: no reading yet. */
  ts: number;
  value: number;
  delta: number;
  flags: number;
  quarter: RunningPeriod;
  hour: RunningPeriod;
  day: RunningPeriod;
}

/** A reading as the one after it has settled it; all NaN and 0 where there is none. */
export interface SettledReading {
  ts: number;
  delta: number;
  flags: number;
}

export function createRunning(): Running {
  const none = (): RunningPeriod => ({ start: Number.NaN, value: Number.NaN });
  return { ts: Number.NaN, value: Number.NaN, delta: Number.NaN, flags: 0, quarter: none(), hour: none(), day: none() };
}

const sum = new PeriodSum();

/** The newest reading in the window; null where exchanges have pushed it out, or there was none. */
function newestReading({ older, newer }: MeterWindow): MeterRecord | null {
  if (newer.type === RecordType.READING) return newer;
  return older.type === RecordType.READING ? older : null;
}

export function fillRunning(window: MeterWindow, into: Running): void {
  const reading = newestReading(window);
  into.ts = reading === null ? Number.NaN : reading.ts;
  into.value = reading === null ? Number.NaN : reading.value;
  into.delta = reading === null ? Number.NaN : reading.settings.shownAmount(reading.delta, reading.deltaLow);
  into.flags = reading === null ? 0 : reading.flags;
  for (let period = 0; period < PERIODS.length; period++) {
    const running = into[PERIODS[period]!];
    const settings = reading === null ? null : compose(window, period, reading);
    if (settings === null) {
      running.start = Number.NaN;
      running.value = Number.NaN;
    } else {
      running.start = sum.start;
      running.value = sum.value(settings);
    }
  }
}

/** Puts the reading's period into `sum`. Returns the settings in force in it; null where it is not kept. */
function compose(window: MeterWindow, period: number, reading: MeterRecord): CompiledSettings | null {
  const last = reading.at - 1;
  const settings = window.timeline.at(last);
  if (!settings.keeps(period)) return null;
  const open = window.sums[period]!;
  if (last >= open.start && last < open.end) window.compose(period, open.start, open.end, sum);
  else window.compose(period, settings.periodStart(period, last), settings.periodEnd(period, last), sum);
  return settings;
}

export function fillSettled(window: MeterWindow, into: SettledReading): void {
  const { older } = window;
  const isReading = older.type === RecordType.READING;
  into.ts = isReading ? older.ts : Number.NaN;
  into.delta = isReading ? older.settings.shownAmount(older.delta, older.deltaLow) : Number.NaN;
  into.flags = isReading ? older.flags : 0;
}

/** The newest reading, which is the newest record or stands before an exchange. */
export function fillObservation(window: MeterWindow, into: Observation, periods: number): void {
  const { older, newer } = window;
  const isNewest = newer.type === RecordType.READING;
  const reading = isNewest ? newer : older;
  into.ts = reading.ts;
  into.at = reading.at;
  into.value = reading.value;
  into.delta = reading.settings.shownAmount(reading.delta, reading.deltaLow);
  // What an exchange closed is part of the delta, so its time is part of the span.
  const from = isNewest && older.type === RecordType.EXCHANGE && older.from < newer.from ? older.from : reading.from;
  into.spanMs = reading.at - from;
  into.flags = reading.flags;
  into.previousTs = isNewest && older.type === RecordType.READING ? older.ts : Number.NaN;
  into.previousFlags = isNewest && older.type === RecordType.READING ? older.flags : 0;
  into.quarter = (periods & 1) === 0 ? Number.NaN : energy(window, 0, reading);
  into.hour = (periods & 2) === 0 ? Number.NaN : energy(window, 1, reading);
  into.day = (periods & 4) === 0 ? Number.NaN : energy(window, 2, reading);
}

function energy(window: MeterWindow, period: number, reading: MeterRecord): number {
  const settings = compose(window, period, reading);
  return settings === null ? Number.NaN : sum.value(settings);
}
