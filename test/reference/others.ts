import { calendarFor } from "../../engine/base/calendar.js";
import { Flag } from "../../engine/base/flags.js";
import type { MeterSettings } from "../../engine/base/settings.js";
import { type History, LONGEST_SPREAD_MS, type Reading, type Segment } from "./history.js";
import { floored, greatest, least, mostIn, rounded, shown, unitsOf } from "./scale.js";
import type { Step } from "./steps.js";

/** `interval`: each reading is its own segment and counts by its end. None reaches over an end of its series. */
export function intervalHistory(readings: Reading[]): History {
  const spans = readings.map(({ step, ts }) => {
    const { from, to } = spanOf(step.settings, ts);
    return { from: Math.max(from, step.series.from), to: Math.min(to, step.series.until) };
  });
  const history: History = { judged: [], segments: [], records: spans.map(({ to }) => to).sort((a, b) => a - b) };
  for (const [k, { step, ts, value, rev, conflict }] of readings.entries()) {
    const { settings } = step;
    const { from, to } = spans[k] ?? { from: ts, to: ts };
    const delta = unitsOf(settings, value);
    const whole = spanOf(settings, ts);
    const most = mostIn(settings, whole.to - whole.from);
    let flags = conflict ? Flag.CONFLICT : 0;
    const overlaps = spans.some((other, o) => o !== k && other.from < to && from < other.to);
    if (overlaps || (delta < 0n && !settings.net) || (most !== null && delta > most)) flags |= Flag.QUESTIONABLE;
    if (to - from > LONGEST_SPREAD_MS) flags |= Flag.UNDISTRIBUTED;
    const row = { ts, value, rev, delta: shown(settings, delta), flags };
    history.judged.push({ row, step, at: to, accepted: true });
    const length = BigInt(to - from);
    const upTo = (b: number) => (b >= to ? delta : b <= from ? 0n : rounded(delta * BigInt(b - from), length));
    history.segments.push({ step, from, to, upTo, flags });
  }
  return history;
}

function spanOf({ interval, label, timezone }: MeterSettings, ts: number): { from: number; to: number } {
  const other = (sign: 1 | -1) => (interval === "1d" ? calendarFor(timezone).shiftDay(ts, sign) : ts + sign * interval);
  return label === "end" ? { from: other(-1), to: ts } : { from: ts, to: other(1) };
}

/** `power` and `gauge`: straight lines between readings no further apart than maxGap. */
export function lineHistory(readings: Reading[]): History {
  const history: History = { judged: [], segments: [], records: readings.map(({ ts }) => ts) };
  for (const [k, { step, ts, value, rev, conflict }] of readings.entries()) {
    const { settings } = step;
    const isPower = settings.kind === "power";
    const p = readings[k - 1];
    let flags = conflict ? Flag.CONFLICT : 0;
    let delta: number | null = null;
    if (p === undefined || ts - p.ts > settings.maxGapMs) {
      if (isPower) flags |= Flag.FIRST;
    } else {
      const area = (unitsOf(settings, p.value) + unitsOf(settings, value)) * BigInt(ts - p.ts);
      if (isPower) delta = shown(settings, area, 7_200_000);
      if (ts - p.ts > LONGEST_SPREAD_MS) flags |= Flag.UNDISTRIBUTED;
      history.segments.push(lineSegment(step, p.ts, ts, unitsOf(settings, p.value), unitsOf(settings, value), flags));
    }
    history.judged.push({ row: { ts, value, rev, delta, flags }, step, at: ts, accepted: true });
  }
  return history;
}

/** The area up to ts: (v_from + v(ts)) × (ts − from), where v(ts) lies on the line. */
function lineSegment(step: Step, from: number, to: number, vFrom: bigint, vTo: bigint, flags: number): Segment {
  const length = BigInt(to - from);
  const upTo = (ts: number) => {
    const time = BigInt(Math.min(Math.max(ts, from), to) - from);
    return rounded(2n * vFrom * time * length + (vTo - vFrom) * time * time, length);
  };
  return { step, from, to, upTo, flags, line: { from: vFrom, to: vTo } };
}

/** Least and greatest value of a line between two instants within it, rounded outwards. */
export function lineRange(segment: Segment, start: number, end: number): { min: bigint; max: bigint } {
  const { from: vFrom, to: vTo } = segment.line ?? { from: 0n, to: 0n };
  const length = BigInt(segment.to - segment.from);
  const numerators = [start, end].map((ts) => vFrom * length + (vTo - vFrom) * BigInt(ts - segment.from));
  const lows = numerators.map((n) => floored(n, length));
  const highs = numerators.map((n) => -floored(-n, length));
  return { min: least(lows), max: greatest(highs) };
}
