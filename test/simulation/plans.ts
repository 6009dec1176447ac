import { defaultSettings, type MeterEntry, type Rule, type TenantPlan } from "../../engine/base/settings.js";

/** Where the readings begin: well before any arrival, so that no arrival decides whether one is taken. */
export const FIRST_TS = Date.UTC(2025, 9, 20);

const defaults = defaultSettings("Europe/Madrid");
const meters: MeterEntry[] = [
  { match: "bounded-*", settings: { ...defaults, maxRate: 40, periods: ["quarter", "hour", "day"] } },
  { match: "rolling-*", settings: { ...defaults, modulus: 10_000, maxRate: 100 } },
  { match: "net-*", settings: { ...defaults, net: true } },
  { match: "power-*", settings: { ...defaults, kind: "power" } },
  { match: "gauge-*", settings: { ...defaults, kind: "gauge" } },
  { match: "interval-*", settings: { ...defaults, kind: "interval", interval: 900_000 } },
  { match: "never-seen", settings: defaults },
  { match: "*", settings: defaults },
];
export const METER_KINDS = ["plain", "bounded", "rolling", "net", "power", "gauge", "interval"];

export function rule(id: string, on: Rule["on"], threshold: number, more: Partial<Rule> = {}): Rule {
  const plain = {
    meters: "*",
    op: ">" as const,
    clear: null,
    forMs: 0,
    keepFiringMs: 0,
    schedule: null,
    severity: "warning" as const,
    levels: [],
    flag: null,
  };
  return { ...plain, id, on, threshold, ...more };
}

const rules: Rule[] = [
  rule("high", "value", 1500, { clear: 1400 }),
  rule("step", "delta", 3, { severity: "critical" }),
  rule("lasting", "rate", 6, { forMs: 1_800_000, keepFiringMs: 1_800_000 }),
  rule("hourly", "hour", 9),
  rule("climbing", "value", 1200, {
    levels: [
      { severity: "info", threshold: 1200 },
      { severity: "warning", threshold: 1600 },
      { severity: "critical", threshold: 1700 },
    ],
    severity: "info",
  }),
  rule("odd", "flag", 0, { threshold: null, flag: "SPIKE" }),
  rule("silent", "nodata", 0, { threshold: null, forMs: 5_000 }),
];

/** Rules that time alone moves too: when that is depends on when a reading came. */
export const TIMED_RULES: ReadonlySet<string> = new Set(["lasting", "silent"]);
/** How the names of meters begin that are configured, and that nobody ever sends. */
export const NEVER_SEEN = "never-seen";

/** One client with rules and one without, as the engine starts with them. */
export const plans: TenantPlan[] = ["acme", "zeta"].map((id, i) => ({
  id,
  timezone: "Europe/Madrid",
  meters,
  rules: i === 0 ? rules : [],
  maxMeters: 100,
  maxDataloggers: 100,
}));
