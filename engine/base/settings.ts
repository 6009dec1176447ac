import type { PeriodName, Severity } from "./entries.js";
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

/** One entry of a tenant's `meters`: the first whose glob matches decides. */
export interface MeterEntry {
  match: string;
  settings: MeterSettings;
}

export type RuleOn = "value" | "delta" | "rate" | "quarter" | "hour" | "day";
export type RuleOp = ">" | ">=" | "<" | "<=";

export interface RuleSchedule {
  /** ISO weekdays, 1 Monday … 7 Sunday, of the day on which a stretch begins. */
  days: readonly number[];
  /** Minutes after local midnight; `from` > `to` runs over midnight; equal is the whole day. */
  fromMinute: number;
  toMinute: number;
}

export interface Rule {
  id: string;
  /** Glob on the meter's id. */
  meters: string;
  on: RuleOn;
  op: RuleOp;
  threshold: number;
  /** Second threshold of the hysteresis; null: cleared as soon as the condition is not true. */
  clear: number | null;
  forMs: number;
  keepFiringMs: number;
  schedule: RuleSchedule | null;
  severity: Severity;
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

/** The settings of a meter whose entry is the first that matches, or the tenant's defaults where none does. */
export function settingsFor(plan: TenantPlan, meter: string): MeterSettings {
  for (const entry of plan.meters) if (globMatches(entry.match, meter)) return entry.settings;
  return defaultSettings(plan.timezone);
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
