import fc from "fast-check";
import { defaultSettings, type MeterKind, type MeterSettings, type MeterTimeline } from "../../engine/base/settings.js";
import { MINUTE_MS } from "../../engine/base/zone.js";
import type { Input } from "../reference/history.js";
import { aChange, type Change, timelineWith } from "./series-changes.js";
import { aStep, play } from "./series-steps.js";

/** A meter's settings over time and all that it ever sent, in order of time (of one ts: in some order). */
export interface Series {
  timeline: MeterTimeline;
  /** Those of its beginning. */
  settings: MeterSettings;
  inputs: Input[];
}

export interface SeriesOptions {
  /** Default: all kinds, counters more often than the others. */
  kinds?: readonly MeterKind[];
  /** Most steps of a series; a step is one input, two where one contradicts the other. */
  maxSteps?: number;
  /** Least steps; default 1. With more than one the length is drawn evenly, not mostly short. */
  minSteps?: number;
  /** Largest amount in units of the resolution: products with milliseconds go beyond 2^53 above about 2^20. */
  largestUnits?: number;
  /** Gaps of 92 days and more, which make thousands of rows; default true. */
  longGaps?: boolean;
  /** How many of the series have settings that change, once or twice; default: none, and `settings` are all that there is. */
  changes?: "none" | "some" | "all";
}

const KINDS: readonly MeterKind[] = ["counter", "counter", "counter", "interval", "power", "gauge"];

/**
 * Series of meters as they are: registers that move, stand still, tremble by a step, restart, roll over, are exchanged with and without
 * a word; single values far off; gaps; contradictions; all that around the nights when clocks change, some with other settings from an
 * instant on. They shrink to few steps of an ordinary meter in UTC.
 */
export function aSeries(options: SeriesOptions = {}): fc.Arbitrary<Series> {
  const { kinds = KINDS, maxSteps = 20, minSteps = 1, largestUnits = 2 ** 45, longGaps = true, changes = "none" } = options;
  return fc
    .record({
      settings: someSettings(kinds),
      place: aPlace,
      start: fc.record({ fraction: fc.constantFrom(0, 0, 0.5, 0.95, 0.9999), units: fc.nat({ max: 100_000 }) }),
      cadenceMs: fc.constantFrom(15, 1, 7, 10, 30, 60, 240).map((minutes) => minutes * MINUTE_MS),
      steps: fc.array(aStep(largestUnits, longGaps), {
        minLength: minSteps,
        maxLength: maxSteps,
        ...(minSteps > 1 && { size: "max" as const }),
      }),
      changed: someChanges(kinds, maxSteps, changes),
    })
    .map(({ settings: without, place, start, cadenceMs, steps, changed }) => {
      const settings = { ...without, timezone: place.timezone };
      const timeline = timelineWith(settings, changed, place.startMs, cadenceMs);
      return { timeline, settings, inputs: play(timeline, place.startMs, start, cadenceMs, steps) };
    });
}

function someChanges(kinds: readonly MeterKind[], maxSteps: number, changes: "none" | "some" | "all"): fc.Arbitrary<Change[]> {
  const other = fc
    .record({ settings: someSettings(kinds), place: aPlace })
    .map(({ settings, place: { timezone } }) => ({ ...settings, timezone }));
  const few = (minLength: number) => fc.array(aChange(other, maxSteps), { minLength, maxLength: 2 });
  if (changes === "all") return few(1);
  const none = fc.constant<Change[]>([]);
  return changes === "none" ? none : fc.oneof({ weight: 4, arbitrary: none }, { weight: 1, arbitrary: few(1) });
}

/** The same inputs in some order of arrival, some of them twice: the rows may not change. */
export function inSomeOrder(inputs: readonly Input[]): fc.Arbitrary<Input[]> {
  const whole = { minLength: inputs.length, maxLength: inputs.length };
  return fc
    .tuple(fc.shuffledSubarray([...inputs], whole), fc.subarray([...inputs]))
    .map(([shuffled, again]) => [...shuffled, ...again]);
}

/** Zones with an instant shortly before something happens to their clocks. */
const PLACES: readonly [timezone: string, before: string][] = [
  ["UTC", "2026-01-09T22:00Z"],
  ["Europe/Madrid", "2026-03-28T21:00Z"],
  ["Europe/Madrid", "2026-10-24T20:00Z"],
  ["Australia/Lord_Howe", "2026-04-04T11:00Z"],
  ["Australia/Lord_Howe", "2026-10-03T12:00Z"],
  ["Asia/Kathmandu", "2026-05-05T16:00Z"],
  ["Pacific/Chatham", "2026-04-04T09:00Z"],
  ["Asia/Beirut", "2021-03-27T19:00Z"],
  ["Pacific/Apia", "2011-12-30T07:00Z"],
  ["America/Havana", "2026-11-01T02:00Z"],
  ["America/Sao_Paulo", "2018-02-18T00:00Z"],
  ["America/St_Johns", "2010-11-07T01:00Z"],
  ["America/Chicago", "2025-12-31T23:00Z"],
];

const aPlace = fc
  .record({
    place: fc.constantFrom(...PLACES),
    offsetMs: fc.oneof(
      fc.constant(0),
      fc.nat({ max: 300 }).map((minutes) => minutes * MINUTE_MS),
      fc.nat({ max: 7_200_000 }),
    ),
  })
  .map(({ place: [timezone, before], offsetMs }) => ({ timezone, startMs: Date.parse(before) + offsetMs }));

function someSettings(kinds: readonly MeterKind[]): fc.Arbitrary<MeterSettings> {
  return fc
    .record({
      kind: fc.constantFrom(...kinds),
      decimals: fc.constantFrom(3, 0, 1, 6),
      stepUnits: fc.constantFrom(1, 1, 10, 100),
      multiplier: fc.constantFrom(1, 1, 0.1, 40, 2.5, 0.0125),
      modulusUnits: fc.constantFrom(null, null, 1000, 99_999, 1_000_000),
      maxRate: fc.constantFrom(null, null, 40, 0.7, 1000, 0.0003),
      net: fc.constantFrom(false, false, false, true),
      maxGapMs: fc.constantFrom(120, 120, 30, 61, 26 * 60).map((minutes) => minutes * MINUTE_MS),
      interval: fc.constantFrom(3_600_000, 900_000, 1_800_000, 7 * MINUTE_MS, "1d" as const),
      label: fc.constantFrom("end" as const, "start" as const),
      periods: fc.subarray(["quarter", "hour", "day"] as const, { minLength: 1 }),
    })
    .map(({ stepUnits, modulusUnits, ...given }) => {
      const scale = 10 ** given.decimals;
      const isCounter = given.kind === "counter";
      return {
        ...defaultSettings("UTC"),
        ...given,
        step: stepUnits / scale,
        modulus: isCounter && modulusUnits !== null ? modulusUnits / scale : null,
        net: given.net && (isCounter || given.kind === "interval"),
      };
    });
}
