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
  { match: "*", settings: defaults },
];
export const METER_KINDS = ["plain", "bounded", "rolling", "net", "power", "gauge", "interval"];

function rule(id: string, on: Rule["on"], threshold: number, more: Partial<Rule> = {}): Rule {
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
];

/** One client with rules and one without. */
export const plans: TenantPlan[] = ["acme", "zeta"].map((id, i) => ({
  id,
  timezone: "Europe/Madrid",
  meters,
  rules: i === 0 ? rules : [],
  maxMeters: 100,
  maxDataloggers: 100,
}));
