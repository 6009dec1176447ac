import type { PeriodName, Severity } from "./entries.js";
import type { FlagName } from "./flags.js";
import { globMatches } from "./glob.js";

export type MeterKind = "counter" | "interval" | "power" | "gauge";

/** A meter's settings with every default filled in. Rates, steps and moduli are in register units, before the multiplier. */
export interface MeterSettings {
  kind: MeterKind;
  unit: string;
  /** Resolution r = 10^-decimals of the number that arrives; 0–9. */
  decimals: number;
  /** Smallest amount by which the register moves. */
  step: number;
  multiplier: number;
  /** IANA name. */
  timezone: string;
  modulus: number | null;
  /** Units per hour. */
  maxRate: number | null;
  net: boolean;
  expectMs: number | null;
  maxGapMs: number;
  /** Length of one interval; `"1d"`: to the same wall-clock time a day before or after. */
  interval: number | "1d";
  label: "start" | "end";
  periods: readonly PeriodName[];
}

/** What decides a meter's rows from an instant on. */
export interface SettingsStep {
  /** Epoch milliseconds; the first step is in force since ever, from −Infinity on. */
  from: number;
  settings: MeterSettings;
}

/** A meter's settings over time: at least one step, in order; each differs from the one before in what decides rows. */
export type MeterTimeline = readonly SettingsStep[];

/** One entry of a tenant's `meters`: of those whose glob matches, the one with the latest `from` is in force, of equal ones the first. */
export interface MeterEntry {
  match: string;
  /** Epoch milliseconds from which on it counts; left out: since ever. */
  from?: number;
  settings: MeterSettings;
}

export type RuleOn = "value" | "delta" | "rate" | "quarter" | "hour" | "day" | "flag" | "nodata";
export type RuleOp = ">" | ">=" | "<" | "<=";

export interface RuleSchedule {
  /** ISO weekdays, 1 Monday … 7 Sunday, of the day on which a stretch begins. */
  days: readonly number[];
  /** Minutes after local midnight; `from` > `to` runs over midnight; equal is the whole day. */
  fromMinute: number;
  toMinute: number;
}

/** From this threshold on an incident has this severity. */
export interface RuleLevel {
  severity: Severity;
  threshold: number;
}

export interface Rule {
  id: string;
  /** Glob on the meter's id. */
  meters: string;
  on: RuleOn;
  /** Of `flag` and `nodata` without meaning. */
  op: RuleOp;
  /** Of the first level; null: `flag` and `nodata` have none. */
  threshold: number | null;
  /** Second threshold of the hysteresis; null: cleared as soon as the condition is not true. */
  clear: number | null;
  /** How long the condition holds before it fires; of `nodata` how long no reading may come, 0: twice what the meter's `expect` says. */
  forMs: number;
  keepFiringMs: number;
  schedule: RuleSchedule | null;
  /** Of the first level. */
  severity: Severity;
  /** In the order in which an incident climbs, the first one included; empty: one level only. */
  levels: readonly RuleLevel[];
  /** Which flag `flag` looks for. */
  flag: FlagName | null;
}

/** What a shard needs to know of a client: plain data, handed over at start and in SETTINGS records. */
export interface TenantPlan {
  id: string;
  timezone: string;
  meters: readonly MeterEntry[];
  rules: readonly Rule[];
  maxMeters: number;
  maxDataloggers: number;
}

/** Timelines by the entries that match, one object each, so that meters with the same are known by it. */
const timelines = new WeakMap<TenantPlan, Map<string, MeterTimeline>>();

/** The settings of a meter over time; where no entry is in force, the tenant's defaults. The same object for all meters of the same entries. */
export function timelineFor(plan: TenantPlan, meter: string): MeterTimeline {
  let known = timelines.get(plan);
  if (known === undefined) {
    known = new Map();
    timelines.set(plan, known);
  }
  const matching: MeterEntry[] = [];
  let key = "";
  for (const [i, entry] of plan.meters.entries()) {
    if (matching.some(({ from }) => from === entry.from) || !globMatches(entry.match, meter)) continue;
    matching.push(entry);
    key += `${i} `;
  }
  let timeline = known.get(key);
  if (timeline === undefined) {
    timeline = timelineOf(plan, matching);
    known.set(key, timeline);
  }
  return timeline;
}

function timelineOf(plan: TenantPlan, matching: readonly MeterEntry[]): MeterTimeline {
  const undated = matching.find(({ from }) => from === undefined)?.settings ?? defaultSettings(plan.timezone);
  const steps = [...always(undated)];
  const dated = matching.flatMap(({ from, settings }) => (from === undefined ? [] : [{ from, settings }]));
  for (const step of dated.sort((a, b) => a.from - b.from)) {
    const last = steps[steps.length - 1]!;
    if (decidesAlike(last.settings, step.settings)) steps[steps.length - 1] = { from: last.from, settings: step.settings };
    else steps.push(step);
  }
  return steps;
}

/** The step in force at an instant. */
export function stepAt(timeline: MeterTimeline, ts: number): SettingsStep {
  let index = timeline.length - 1;
  while (index > 0 && ts < timeline[index]!.from) index--;
  return timeline[index]!;
}

/** Whether two settings make the same rows of whatever comes. */
export function decidesAlike(a: MeterSettings, b: MeterSettings): boolean {
  return a === b || decidingText(a) === decidingText(b);
}

/** All but what decides no row and may change at any time. */
function decidingText(settings: MeterSettings): string {
  return JSON.stringify({ ...settings, unit: "", expectMs: null });
}

/** A timeline as JSON: for one step just its settings. */
export function timelineText(timeline: MeterTimeline): string {
  return JSON.stringify(timeline.length === 1 ? timeline[0]!.settings : timeline);
}

/** The timeline that `timelineText` wrote; JSON has no −Infinity, so the first step's `from` is null there. */
export function parseTimeline(text: string): MeterTimeline {
  const parsed = JSON.parse(text) as MeterSettings | { from: number | null; settings: MeterSettings }[];
  if (!Array.isArray(parsed)) return always(parsed);
  return parsed.map(({ from, settings }) => ({ from: from ?? Number.NEGATIVE_INFINITY, settings }));
}

/** Settings that never change. */
export function always(settings: MeterSettings): MeterTimeline {
  return [{ from: Number.NEGATIVE_INFINITY, settings }];
}

export function defaultSettings(timezone: string): MeterSettings {
  return {
    kind: "counter",
    unit: "",
    decimals: 3,
    step: 0.001,
    multiplier: 1,
    timezone,
    modulus: null,
    maxRate: null,
    net: false,
    expectMs: null,
    maxGapMs: 2 * 3_600_000,
    interval: 3_600_000,
    label: "end",
    periods: ["hour", "day"],
  };
}
