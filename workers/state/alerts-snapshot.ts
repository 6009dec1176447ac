import { MeterstormError } from "../../engine/base/errors.js";
import type { Rule } from "../../engine/base/settings.js";
import { emptyObservation, type Observation } from "../kernels/alert.js";
import type { EndedPeriod } from "./alerts-periods.js";

/** What the alerts remember beside the meters. */
export interface SavedHead {
  startedMs: number;
  /** By tenant: since when it has its rules, by their keys. */
  from: readonly (readonly (readonly [string, number])[])[];
}

export interface SavedSlot {
  rule: Rule;
  state: number;
  since: number;
  began: number;
  last: number;
  level: number;
}

/** All that a meter's alerts remember. Slots that are OK and of which nothing is to be remembered are left out. */
export interface SavedMeter {
  meter: number;
  /** The reading whose energy waits for its look-ahead. */
  held: Observation | null;
  judged: readonly number[];
  waiting: readonly EndedPeriod[];
  slots: readonly SavedSlot[];
  arrived: number;
  newest: number;
  flags: number;
  /** Whether a rule needs these three while it is OK. */
  needsNewest: boolean;
}

const PIECE_BYTES = 64 * 1024;

/**
 * Pieces of a snapshot: first JSON, the rules that are referred to by their place in it; then numbers, f64
 * little-endian, whole meters in each piece:
 *
 *     meter | held 0 or 1 | ts delta span quarter hour day (if held) | judged × 3 | arrived newest flags
 *     waiting n | period start end energy (n times) | slots n | rule state since began last level (n times)
 *
 * Version 1 had neither what stands behind `judged` nor `last` and `level`.
 */
export function writeAlerts(head: SavedHead, meters: Iterable<SavedMeter>): Uint8Array[] {
  const rules = new Map<Rule, number>();
  const pieces: Uint8Array[] = [];
  let numbers: number[] = [];
  const flush = () => {
    if (numbers.length > 0) pieces.push(new Uint8Array(new Float64Array(numbers).buffer));
    numbers = [];
  };
  for (const { meter, held, judged, waiting, slots, arrived, newest, flags, needsNewest } of meters) {
    const isQuiet = held === null && waiting.length + slots.length === 0 && !needsNewest;
    if (isQuiet && judged.every((end) => end === Number.NEGATIVE_INFINITY)) continue;
    numbers.push(meter, held === null ? 0 : 1);
    if (held !== null) numbers.push(held.ts, held.delta, held.spanMs, held.quarter, held.hour, held.day);
    numbers.push(...judged, arrived, newest, flags, waiting.length);
    for (const { period, start, end, energy } of waiting) numbers.push(period, start, end, energy);
    numbers.push(slots.length);
    for (const { rule, state, since, began, last, level } of slots) {
      if (!rules.has(rule)) rules.set(rule, rules.size);
      numbers.push(rules.get(rule)!, state, since, began, last, level);
    }
    if (numbers.length * 8 >= PIECE_BYTES) flush();
  }
  flush();
  return [new TextEncoder().encode(JSON.stringify({ version: 2, ...head, rules: [...rules.keys()] })), ...pieces];
}

/** @throws MeterstormError `snapshot_damaged`, at the latest while the meters are gone through: the pieces are not what `writeAlerts` gives for meters below `meterCount` */
export function readAlerts(
  pieces: readonly Uint8Array[],
  meterCount: number,
): { head: SavedHead; meters: Generator<SavedMeter> } {
  const { rules, isOld, startedMs, from } = readHeader(pieces[0]);
  return { head: { startedMs, from }, meters: readMeters(pieces, meterCount, rules, isOld) };
}

function* readMeters(
  pieces: readonly Uint8Array[],
  meterCount: number,
  rules: readonly Rule[],
  isOld: boolean,
): Generator<SavedMeter> {
  for (const piece of pieces.slice(1)) {
    if (piece.length % 8 !== 0) throw damaged("a piece that is cut");
    const numbers = new Float64Array(piece.slice().buffer);
    let at = 0;
    const next = (): number => {
      if (at >= numbers.length) throw damaged("a meter's record that is cut");
      return numbers[at++]!;
    };
    const times = <T>(n: number, read: () => T): T[] => {
      if (!(n >= 0 && n <= numbers.length)) throw damaged(`a count of ${n}`);
      return Array.from({ length: n }, read);
    };
    while (at < numbers.length) {
      const meter = next();
      if (!(meter >= 0 && meter < meterCount)) throw damaged(`meter ${meter} of ${meterCount}`);
      const held = next() === 1 ? readHeld(next) : null;
      const judged = times(3, next);
      const [arrived, newest, flags] = isOld ? [Number.NaN, Number.NaN, 0] : [next(), next(), next()];
      const waiting = times(next(), () => ({ period: next(), start: next(), end: next(), energy: next() }));
      const slots = times(next(), () => {
        const index = next();
        const rule = rules[index];
        if (rule === undefined) throw damaged(`rule ${index} of ${rules.length}`);
        const [state, since, began] = [next(), next(), next()];
        return { rule, state, since, began, last: isOld ? Number.NaN : next(), level: isOld ? 0 : next() };
      });
      yield { meter, held, judged, waiting, slots, arrived, newest, flags, needsNewest: false };
    }
  }
}

function readHeader(piece: Uint8Array | undefined): SavedHead & { rules: Rule[]; isOld: boolean } {
  try {
    const header = JSON.parse(new TextDecoder().decode(piece)) as Partial<SavedHead> & { version?: unknown; rules?: unknown };
    const { version, rules, from, startedMs } = header;
    // JSON has no −Infinity: an engine that has not started yet has null.
    if ((version === 1 || version === 2) && Array.isArray(rules))
      return { rules: rules as Rule[], isOld: version === 1, from: from ?? [], startedMs: startedMs ?? Number.NEGATIVE_INFINITY };
  } catch {
    // No JSON: said below.
  }
  throw damaged("no header of version 2");
}

function readHeld(next: () => number): Observation {
  const held = emptyObservation();
  held.ts = next();
  held.delta = next();
  held.spanMs = next();
  held.quarter = next();
  held.hour = next();
  held.day = next();
  return held;
}

function damaged(what: string): MeterstormError {
  return new MeterstormError(
    "snapshot_damaged",
    `the alerts' part of a snapshot has ${what}; remove the snapshot to start from the one before`,
  );
}
