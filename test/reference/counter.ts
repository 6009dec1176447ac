import { Flag } from "../../engine/base/flags.js";
import type { MeterSettings } from "../../engine/base/settings.js";
import { type Exchange, type History, LONGEST_SPREAD_MS, type Reading, type Segment } from "./history.js";
import { greatest, mostIn, rounded, shown, unitsOf } from "./scale.js";
import type { Step } from "./steps.js";

/** A value of the register at an instant. */
interface Point {
  ts: number;
  v: bigint;
}

/** The first of the undeclared epochs that share a baseline. */
interface Epoch {
  /** The baseline that it left. */
  q: Point;
  /** When it was opened. */
  since: number;
  firstJump: bigint;
  countedSinceQ: bigint;
}

interface Verdict {
  delta: bigint | null;
  flags: number;
  /** Value of the baseline left at i's ts; null: p stays. */
  baseline: bigint | null;
  opensEpoch?: true;
  oldEpochGoesOn?: true;
}

/** −j ≤ v_b − v_a ≤ bound(a→b), or |v_b − v_a| ≤ bound(a→b) with `net`. */
function agrees(settings: MeterSettings, a: Point, b: Point): boolean {
  const change = b.v - a.v;
  const most = bound(settings, a, b);
  if (settings.net) return within(change, most) && within(-change, most);
  return change >= -2n * unitsOf(settings, settings.step) && within(change, most);
}

/** maxRate × max(hours, 1) + step. */
function bound(settings: MeterSettings, a: Point, b: Point): bigint | null {
  return mostIn(settings, Math.max(b.ts - a.ts, 3_600_000));
}

function within(amount: bigint, most: bigint | null): boolean {
  return most === null || amount <= most;
}

/** The table: the first case that fits. `n` is the next record, whatever becomes of it. */
function judge(settings: MeterSettings, p: Point | null, i: Point, n: Point | null, epoch: Epoch | null): Verdict {
  if (p === null) return { delta: null, flags: Flag.FIRST, baseline: i.v };
  if (settings.net) return judgeNet(settings, p, i, n);
  const d = i.v - p.v;
  const most = bound(settings, p, i);
  const j = 2n * unitsOf(settings, settings.step);
  if (n !== null && agrees(settings, p, n) && (i.v < p.v - j || i.v > n.v + j))
    return { delta: 0n, flags: Flag.SPIKE, baseline: null };
  if (epoch !== null && agrees(settings, epoch.q, i) && takesBackHalf(d, epoch.firstJump)) {
    const delta = i.v - epoch.q.v - epoch.countedSinceQ;
    return {
      delta: greatest([0n, delta]),
      flags: Flag.RESET,
      baseline: greatest([i.v, epoch.q.v]),
      oldEpochGoesOn: true,
    };
  }
  if (d >= 0n && within(d, most)) return { delta: d, flags: 0, baseline: i.v };
  if (d < 0n && d >= -j) return { delta: 0n, flags: Flag.BACKWARD, baseline: p.v };
  if (rollsOver(settings, p, i, most))
    return { delta: unitsOf(settings, settings.modulus ?? 0) + d, flags: Flag.ROLLOVER, baseline: i.v };
  if (d < 0n && most !== null && i.v >= 0n && i.v <= most)
    return { delta: i.v, flags: Flag.RESET, baseline: i.v, opensEpoch: true };
  const flags = d < 0n ? Flag.RESET | Flag.QUESTIONABLE : Flag.EXCHANGE;
  return { delta: null, flags, baseline: i.v, opensEpoch: true };
}

function judgeNet(settings: MeterSettings, p: Point, i: Point, n: Point | null): Verdict {
  if (agrees(settings, p, i)) return { delta: i.v - p.v, flags: 0, baseline: i.v };
  if (n !== null && agrees(settings, p, n)) return { delta: 0n, flags: Flag.SPIKE, baseline: null };
  return { delta: null, flags: Flag.EXCHANGE, baseline: i.v };
}

function takesBackHalf(d: bigint, jump: bigint): boolean {
  return jump < 0n ? 2n * d >= -jump : 2n * -d >= jump;
}

function rollsOver(settings: MeterSettings, p: Point, i: Point, most: bigint | null): boolean {
  if (settings.modulus === null) return false;
  const modulus = unitsOf(settings, settings.modulus);
  if (!(0n <= i.v && i.v < p.v && p.v < modulus)) return false;
  const delta = modulus + i.v - p.v;
  if (most !== null) return delta <= most && 2n * delta <= modulus;
  return 10n * p.v >= 9n * modulus && 10n * i.v <= modulus;
}

function segment(step: Step, from: number, to: number, delta: bigint, flags: number): Segment {
  const length = BigInt(to - from);
  const upTo = (ts: number) => (ts >= to ? delta : ts <= from ? 0n : rounded(delta * BigInt(ts - from), length));
  return { step, from, to, upTo, flags };
}

/** One pass over all records of a series in time, each judged by the settings of its ts; at the ts of a reading an exchange comes after it. */
export function counterHistory(readings: Reading[], exchanges: Exchange[]): History {
  const records = [...readings, ...exchanges].sort((a, b) => a.ts - b.ts || Number("exchange" in a) - Number("exchange" in b));
  const history: History = { judged: [], segments: [], records: records.map(({ ts }) => ts) };
  let p: Point | null = null;
  let epoch: Epoch | null = null;
  /** What declared exchanges leave for the next accepted reading. */
  let closed: bigint | null = null;
  let closedFlags = 0;

  for (const [k, record] of records.entries()) {
    const { step } = record;
    const { settings } = step;
    if ("exchange" in record) {
      if (record.exchange === null) continue;
      const final = { ts: record.ts, v: unitsOf(settings, record.exchange.final) };
      closedFlags |= Flag.EXCHANGE;
      // Before any reading only `start` counts.
      if (p !== null && history.judged.length > 0) {
        if (agrees(settings, p, final)) {
          closed = (closed ?? 0n) + final.v - p.v;
          history.segments.push(segment(step, p.ts, final.ts, final.v - p.v, Flag.EXCHANGE));
          if (final.ts - p.ts > LONGEST_SPREAD_MS) closedFlags |= Flag.UNDISTRIBUTED;
        } else closedFlags |= Flag.QUESTIONABLE;
      }
      p = { ts: record.ts, v: unitsOf(settings, record.exchange.start) };
      epoch = null;
      continue;
    }
    const i: Point = { ts: record.ts, v: unitsOf(settings, record.value) };
    const lately: Epoch | null = epoch !== null && i.ts - epoch.since <= settings.maxGapMs ? epoch : null;
    const verdict = judge(settings, p, i, nextAfter(settings, records, k), lately);
    const accepted = verdict.baseline !== null;
    let { delta, flags } = verdict;
    if (record.conflict) flags |= Flag.CONFLICT;
    if (verdict.baseline !== null) {
      epoch = lately;
      flags |= closedFlags;
      if (p !== null && delta !== null) {
        if (i.ts - p.ts > LONGEST_SPREAD_MS) flags |= Flag.UNDISTRIBUTED;
        history.segments.push(segment(step, p.ts, i.ts, delta, flags));
      }
      if (verdict.oldEpochGoesOn) epoch = null;
      if (verdict.opensEpoch && p !== null) epoch ??= { q: p, since: i.ts, firstJump: i.v - p.v, countedSinceQ: 0n };
      if (epoch !== null) epoch.countedSinceQ += delta ?? 0n;
      // A row's delta is all that is known to have been counted since the row before.
      if (closed !== null) delta = closed + (delta ?? 0n);
      p = { ts: i.ts, v: verdict.baseline };
      closed = null;
      closedFlags = 0;
    }
    const { ts, value, rev } = record;
    const row = { ts, value, rev, delta: delta === null ? null : shown(settings, delta), flags };
    history.judged.push({ row, step, at: ts, accepted });
  }
  return history;
}

/** The next record in time: a declared exchange counts as a reading of `final`, a withdrawn one is none. */
function nextAfter(settings: MeterSettings, records: (Reading | Exchange)[], k: number): Point | null {
  for (const record of records.slice(k + 1)) {
    if (!("exchange" in record)) return { ts: record.ts, v: unitsOf(settings, record.value) };
    if (record.exchange !== null) return { ts: record.ts, v: unitsOf(settings, record.exchange.final) };
  }
  return null;
}
