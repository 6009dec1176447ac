import { Flag } from "../../engine/base/flags.js";
import type { Baseline } from "./baseline.js";
import type { CompiledSettings } from "./compiled-settings.js";
import { Case, type MeterRecord } from "./record.js";

/** Says what a reading of a counter is: the first of the table's rows that fits. `next` is null while it is the newest. */
export function judgeCounter(settings: CompiledSettings, base: Baseline, reading: MeterRecord, next: MeterRecord | null): void {
  reading.noSegment();
  if (Number.isNaN(base.ts)) settle(reading, Case.FIRST, Number.NaN, Flag.FIRST);
  else if (settings.net) judgeNet(settings, base, reading, next);
  else if (next !== null && isSpike(settings, base, reading, next)) settle(reading, Case.SPIKE, 0, Flag.SPIKE);
  else if (returns(settings, base, reading)) {
    const grown = reading.units - base.beforeUnits - base.counted;
    settle(reading, Case.RETURN, Math.max(0, grown), Flag.RESET);
  } else judgeStep(settings, base, reading);
  if (reading.case !== Case.SPIKE) endSegment(base, reading);
}

function judgeNet(settings: CompiledSettings, base: Baseline, reading: MeterRecord, next: MeterRecord | null): void {
  if (settings.agrees(base.units, base.ts, reading.units, reading.ts)) {
    settle(reading, Case.PLAIN, reading.units - base.units, 0);
  } else if (next !== null && settings.agrees(base.units, base.ts, next.units, next.ts)) {
    settle(reading, Case.SPIKE, 0, Flag.SPIKE);
  } else {
    settle(reading, Case.NEW_EPOCH, Number.NaN, Flag.EXCHANGE);
  }
}

/** A dip or a peak: the next record goes on from the baseline as if this reading had not been. */
export function isSpike(settings: CompiledSettings, base: Baseline, reading: MeterRecord, next: MeterRecord): boolean {
  if (!settings.agrees(base.units, base.ts, next.units, next.ts)) return false;
  return reading.units < base.units - settings.jitter || reading.units > next.units + settings.jitter;
}

/** Back to the epoch before: a register that restarted for a while, or was misread. */
function returns(settings: CompiledSettings, base: Baseline, reading: MeterRecord): boolean {
  if (!(reading.ts - base.epochTs <= settings.maxGapMs)) return false;
  if (!settings.agrees(base.beforeUnits, base.beforeTs, reading.units, reading.ts)) return false;
  const taken = base.units - reading.units;
  return base.jump > 0 ? 2 * taken >= base.jump : 2 * taken <= base.jump;
}

function judgeStep(settings: CompiledSettings, base: Baseline, reading: MeterRecord): void {
  const moved = reading.units - base.units;
  const bound = settings.bound(base.ts, reading.ts);
  if (moved > bound) settle(reading, Case.NEW_EPOCH, Number.NaN, Flag.EXCHANGE);
  else if (moved >= 0) settle(reading, Case.PLAIN, moved, 0);
  else if (moved >= -settings.jitter) settle(reading, Case.BACKWARD, 0, Flag.BACKWARD);
  else if (rollsOver(settings, base, reading, bound)) settle(reading, Case.ROLLOVER, settings.modulus + moved, Flag.ROLLOVER);
  else if (settings.isBounded && reading.units >= 0 && reading.units <= bound)
    settle(reading, Case.NEW_EPOCH, reading.units, Flag.RESET);
  else settle(reading, Case.NEW_EPOCH, Number.NaN, Flag.RESET | Flag.QUESTIONABLE);
}

function rollsOver(settings: CompiledSettings, base: Baseline, reading: MeterRecord, bound: number): boolean {
  const { modulus } = settings;
  if (!(reading.units >= 0 && base.units < modulus)) return false;
  if (!settings.isBounded) return 10 * base.units >= 9 * modulus && 10 * reading.units <= modulus;
  return modulus + reading.units - base.units <= Math.min(bound, modulus / 2);
}

function settle(reading: MeterRecord, kase: number, delta: number, flags: number): void {
  reading.case = kase;
  reading.delta = delta;
  reading.flags = flags;
}

function endSegment(base: Baseline, reading: MeterRecord): void {
  if (!Number.isNaN(reading.delta)) {
    reading.from = base.ts;
    reading.amount = reading.delta;
  }
  if (!base.exchanged) return;
  reading.flags |= Flag.EXCHANGE | base.closedFlags;
  if (!Number.isNaN(base.closed)) reading.delta = (Number.isNaN(reading.delta) ? 0 : reading.delta) + base.closed;
}
