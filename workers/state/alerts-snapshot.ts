import { SEVERITIES } from "../../engine/base/entries.js";
import { MeterstormError } from "../../engine/base/errors.js";
import type { Rule } from "../../engine/base/settings.js";
import { emptyObservation, type Observation } from "../kernels/alert.js";
import type { EndedPeriod } from "./alerts-periods.js";
import type { SavedSlot } from "./alerts-slots.js";

/** What the alerts remember beside the meters. */
export interface SavedHead {
  startedMs: number;
  /** By tenant: since when it has its rules, by their keys. */
  from: readonly (readonly (readonly [string, number])[])[];
}

/** All that a meter's alerts remember. Slots that are OK and of which nothing is to be remembered are left out. */
export interface SavedMeter {
  meter: number;
  /** The reading whose energy waits for its look-ahead. */
  held: Observation | null;
  judged: readonly number[];
  waiting: readonly EndedPeriod[];
  slots: readonly SavedSlot[];
}

const PIECE_BYTES = 64 * 1024;
/** Numbers of each meter's newest live reading, its own included, by version. */
const COLUMNS = [0, 0, 4, 5] as const;
const VERSION = 3;

/**
 * Pieces of a snapshot: first JSON, the rules that are referred to by their place in it; then numbers, f64 little-endian. First how many
 * meters have rules, and of all of them number, and of the newest live reading arrival, ts, flags and where it counts, a column each; then whole meters
 * in each piece:
 *
 *     meter | held 0 or 1 | ts delta span quarter hour day (if held) | judged × 3
 *     waiting n | period start end energy (n times) | slots n | rule state since began last severity (n times)
 *
 * Version 1 had neither the columns nor `last` and `severity`, version 2 not the last column.
 */
export function writeAlerts(head: SavedHead, newest: readonly Float64Array[], meters: Iterable<SavedMeter>): Uint8Array[] {
  const rules = new Map<Rule, number>();
  const pieces: Uint8Array[] = [];
  let numbers: number[] = [];
  const flush = () => {
    if (numbers.length > 0) pieces.push(new Uint8Array(new Float64Array(numbers).buffer));
    numbers = [];
  };
  for (const { meter, held, judged, waiting, slots } of meters) {
    if (held === null && waiting.length + slots.length === 0 && judged.every((end) => end === Number.NEGATIVE_INFINITY)) continue;
    numbers.push(meter, held === null ? 0 : 1);
    if (held !== null) numbers.push(held.ts, held.delta, held.spanMs, held.quarter, held.hour, held.day);
    numbers.push(...judged, waiting.length);
    for (const { period, start, end, energy } of waiting) numbers.push(period, start, end, energy);
    numbers.push(slots.length);
    for (const { rule, state, since, began, last, severity } of slots) {
      if (!rules.has(rule)) rules.set(rule, rules.size);
      numbers.push(rules.get(rule)!, state, since, began, last, severity);
    }
    if (numbers.length * 8 >= PIECE_BYTES) flush();
  }
  flush();
  const count = newest[0]?.length ?? 0;
  const columns = new Float64Array(1 + COLUMNS[VERSION] * count);
  columns[0] = count;
  for (const [i, column] of newest.entries()) columns.set(column, 1 + i * count);
  pieces.unshift(new Uint8Array(columns.buffer));
  return [new TextEncoder().encode(JSON.stringify({ version: VERSION, ...head, rules: [...rules.keys()] })), ...pieces];
}

/** @throws MeterstormError `snapshot_damaged`, at the latest while the meters are gone through: the pieces are not what `writeAlerts` gives for meters below `meterCount` */
export function readAlerts(
  pieces: readonly Uint8Array[],
  meterCount: number,
): { head: SavedHead; newest: readonly Float64Array[]; meters: Generator<SavedMeter> } {
  const { rules, version, startedMs, from } = readHeader(pieces[0]);
  const isOld = version === 1;
  const newest = isOld ? [] : readColumns(pieces[1], meterCount, COLUMNS[version]);
  const meters = readMeters(pieces.slice(isOld ? 1 : 2), meterCount, rules, isOld);
  return { head: { startedMs, from }, newest, meters };
}

function readColumns(piece: Uint8Array | undefined, meterCount: number, columnCount: number): Float64Array[] {
  const numbers = piece !== undefined && piece.length % 8 === 0 ? new Float64Array(piece.slice().buffer) : new Float64Array();
  const count = numbers[0] ?? -1;
  if (numbers.length !== 1 + columnCount * count) throw damaged("columns that are cut");
  const columns = Array.from({ length: columnCount }, (_, i) => numbers.slice(1 + i * count, 1 + (i + 1) * count));
  if (columns[0]!.some((meter) => !(meter >= 0 && meter < meterCount))) throw damaged(`a meter that is none of ${meterCount}`);
  return columns;
}

function* readMeters(
  pieces: readonly Uint8Array[],
  meterCount: number,
  rules: readonly Rule[],
  isOld: boolean,
): Generator<SavedMeter> {
  for (const piece of pieces) {
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
      const waiting = times(next(), () => ({ period: next(), start: next(), end: next(), energy: next() }));
      const slots = times(next(), () => {
        const index = next();
        const rule = rules[index];
        if (rule === undefined) throw damaged(`rule ${index} of ${rules.length}`);
        const [state, since, began] = [next(), next(), next()];
        return {
          rule,
          state,
          since,
          began,
          last: isOld ? Number.NaN : next(),
          severity: isOld ? SEVERITIES.indexOf(rule.severity) : next(),
        };
      });
      yield { meter, held, judged, waiting, slots };
    }
  }
}

function readHeader(piece: Uint8Array | undefined): SavedHead & { rules: Rule[]; version: 1 | 2 | 3 } {
  try {
    const header = JSON.parse(new TextDecoder().decode(piece)) as Partial<SavedHead> & { version?: unknown; rules?: unknown };
    const { version, rules, from, startedMs } = header;
    // JSON has no −Infinity: an engine that has not started yet has null.
    if ((version === 1 || version === 2 || version === 3) && Array.isArray(rules))
      return { rules: rules as Rule[], version, from: from ?? [], startedMs: startedMs ?? Number.NEGATIVE_INFINITY };
  } catch {
    // No JSON: said below.
  }
  throw damaged("no header of version 3");
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
