import type { MeterEntry, MeterSettings, Rule, TenantPlan } from "../base/settings.js";
import type { Config, MeterConfig, TenantConfig } from "./schema.js";
import type { RuleConfig } from "./schema-rules.js";

const TWO_HOURS_MS = 2 * 3_600_000;

/** What the shards need to know of each client, with every default filled in. */
export function tenantPlans(config: Pick<Config, "tenants">): TenantPlan[] {
  return config.tenants.map(tenantPlan);
}

function tenantPlan(tenant: TenantConfig): TenantPlan {
  return {
    id: tenant.id,
    timezone: tenant.timezone,
    meters: tenant.meters.map((meter): MeterEntry => {
      const entry = { match: meter.match, settings: meterSettings(meter, tenant.timezone) };
      return meter.from === null ? entry : { ...entry, from: meter.from };
    }),
    rules: tenant.rules.map(ruleOf),
    maxMeters: tenant.limits.meters,
    maxDataloggers: tenant.limits.dataloggers,
  };
}

function meterSettings(meter: MeterConfig, timezone: string): MeterSettings {
  return {
    kind: meter.kind,
    unit: meter.unit,
    decimals: meter.decimals,
    step: meter.step ?? Number(`1e-${meter.decimals}`),
    multiplier: meter.multiplier,
    timezone: meter.timezone ?? timezone,
    modulus: meter.modulus,
    maxRate: meter.maxRate,
    net: meter.net,
    expectMs: meter.expect,
    maxGapMs: meter.maxGap ?? Math.max(TWO_HOURS_MS, 2 * (meter.expect ?? 0)),
    interval: meter.interval,
    label: meter.label,
    periods: meter.periods,
  };
}

function ruleOf(rule: RuleConfig): Rule {
  return {
    id: rule.id,
    meters: rule.meters,
    on: rule.on,
    op: rule.op,
    threshold: rule.threshold,
    clear: rule.clear,
    forMs: rule.for,
    keepFiringMs: rule.keepFiring,
    schedule:
      rule.schedule === null ? null : { days: rule.schedule.days, fromMinute: rule.schedule.from, toMinute: rule.schedule.to },
    severity: rule.severity,
    levels: rule.levels.length > 1 ? rule.levels : [],
    flag: rule.flag,
  };
}
