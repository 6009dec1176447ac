import { MeterstormError } from "../../engine/base/errors.js";
import type { Rule } from "../../engine/base/settings.js";
import { emptyObservation, type Observation } from "../kernels/alert.js";
import type { EndedPeriod } from "./alerts-periods.js";
import type { SavedSlot } from "./alerts-slots.js";
import { doublesOf } from "./cut-records.js";

/** What the alerts remember beside the meters. */
export interface SavedHead {
  startedMs: number;
  /** By tenant: since when it has its rules, by their keys. */
  from: readonly (readonly (readonly [string, number])[])[];
  /** Meters whose data cannot be missing, though rules for missing data match them. */
  unexpected: readonly number[];
}

/** All that the alerts of a meter with rules remember. Slots that are OK and of which nothing is to be remembered are left out. */
export interface SavedMeter {
  meter: number;
  arrived: number;
  newest: number;
  /** Where its energy counts. */
  counts: number;
  flags: number;
  /** The reading whose energy waits for its look-ahead. */
  held: Observation | null;
  more: SavedMore | null;
}

export interface SavedMore {
  judged: readonly number[];
  waiting: readonly EndedPeriod[];
  slots: readonly SavedSlot[];
}

/**
 * A meter's record, f64 little-endian, in whatever order they come:
 *
 *     meter | of the newest live reading its arrival, its ts, where its energy counts, its flags | bits | ts delta span quarter hour day (HAS_HELD)
 *     (HAS_MORE:) judged × 3 | waiting n | period start end energy (n times) | slots n | rule state since began last severity (n times)
 *
 * The head is JSON, with the rules that are referred to by their places in it.
 */
export const HAS_HELD = 1;
export const HAS_MORE = 2;
const VERSION = 4;

export function writeHead(head: SavedHead, rules: readonly Rule[]): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ version: VERSION, ...head, rules }));
}

/** @throws MeterstormError `snapshot_damaged`, at the latest while the meters are gone through: the bytes are not what a cut of meters below `meterCount` writes */
export function readAlerts(
  headBytes: Uint8Array | undefined,
  pieces: readonly Uint8Array[],
  meterCount: number,
): { head: SavedHead; meters: Generator<SavedMeter> } {
  const { rules, ...head } = readHead(headBytes);
  return { head, meters: readMeters(pieces, meterCount, rules) };
}

function* readMeters(pieces: readonly Uint8Array[], meterCount: number, rules: readonly Rule[]): Generator<SavedMeter> {
  for (const piece of pieces) {
    if (piece.length % 8 !== 0) throw damaged("a piece that is cut");
    const numbers = doublesOf(piece);
    let at = 0;
    const next = (): number => {
      if (at >= numbers.length) throw damaged("a meter's record that is cut");
      return numbers[at++]!;
    };
    const times = <T>(n: number, read: () => T): T[] => {
      if (!(n >= 0 && n <= numbers.length)) throw damaged(`a count of ${n}`);
      return Array.from({ length: n }, read);
    };
    const slot = (): SavedSlot => {
      const index = next();
      const rule = rules[index];
      if (rule === undefined) throw damaged(`rule ${index} of ${rules.length}`);
      return { rule, state: next(), since: next(), began: next(), last: next(), severity: next() };
    };
    const period = (): EndedPeriod => ({ period: next(), start: next(), end: next(), energy: next() });
    while (at < numbers.length) {
      const meter = next();
      if (!(meter >= 0 && meter < meterCount)) throw damaged(`meter ${meter} of ${meterCount}`);
      const [arrived, newest, counts, flags, bits] = [next(), next(), next(), next(), next()];
      const held = (bits & HAS_HELD) === 0 ? null : readHeld(next);
      const more =
        (bits & HAS_MORE) === 0 ? null : { judged: times(3, next), waiting: times(next(), period), slots: times(next(), slot) };
      yield { meter, arrived, newest, counts, flags, held, more };
    }
  }
}

function readHead(bytes: Uint8Array | undefined): SavedHead & { rules: Rule[] } {
  try {
    const head = JSON.parse(new TextDecoder().decode(bytes)) as Partial<SavedHead> & { version?: unknown; rules?: unknown };
    const { version, rules, from, unexpected = [], startedMs } = head;
    // JSON has no −Infinity: an engine that has not started yet has null.
    if (version === VERSION && Array.isArray(rules) && from !== undefined)
      return { rules: rules as Rule[], from, unexpected, startedMs: startedMs ?? Number.NEGATIVE_INFINITY };
  } catch {
    // No JSON: said below.
  }
  throw damaged(`no head of version ${VERSION}`);
}

function readHeld(next: () => number): Observation {
  const held = emptyObservation();
  held.ts = next();
  held.at = held.ts;
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
