import { NONE, UnitType } from "../../engine/base/entries.js";
import { globMatches } from "../../engine/base/glob.js";
import { limits } from "../../engine/base/limits.js";
import type { TenantPlan } from "../../engine/base/settings.js";
import { adoptSettings, checkSettings } from "./adopt-settings.js";
import type { Applier } from "./applier.js";

export interface AdoptOptions {
  /** Of UnitType: START where the engine begins with these plans, CONTROL where it goes on with them. */
  type: number;
  /** By the engine's clock. */
  nowMs: number;
  /** Whether meters of the tenant that nobody has sent are missed here and not in another shard. */
  isHome(tenant: string): boolean;
  /** Takes whole units; they come before all others that are judged by these plans. */
  write(units: Uint8Array): void;
}

/**
 * Whether the shard could go on by what the configuration says now.
 * @throws MeterstormError `settings_changed`: rows that are written would have to be other ones
 */
export function checkPlans(applier: Applier, plans: readonly TenantPlan[]): void {
  checkSettings(applier, plans);
}

/**
 * The shard goes on by what the configuration says now: settings and rules of what is known, and meters that are to be missed though
 * nobody has sent them. Nothing is adopted where it throws.
 * @throws MeterstormError `settings_changed`
 */
export function adoptPlans(applier: Applier, plans: readonly TenantPlan[], options: AdoptOptions): void {
  const { type, nowMs, isHome, write } = options;
  adoptSettings(applier, plans, nowMs, write);
  applier.plans = plans;
  const { out } = applier;
  out.reset();
  const begin = (unitType: number) => {
    out.beginUnit(unitType, nowMs, NONE, 0, 0, 0);
    applier.datalogger = NONE;
    applier.arrivalMs = nowMs;
  };
  begin(type);
  const empty = out.length;
  if (type === UnitType.START) applier.alerts.started(nowMs);
  applier.adoptRules();
  expectNamed(applier, plans);
  for (const { tenant, meter } of missable(plans, isHome)) {
    applier.expectMeter(applier.nameTenant(tenant), meter);
    if (out.length < limits.maxUnitBytes / 2) continue;
    out.endUnit(0);
    write(out.bytes());
    out.reset();
    begin(UnitType.CONTROL);
  }
  out.endUnit(0);
  // A start counts for those who miss data; for all others it is as if it had not been.
  const counts = type === UnitType.START && plans.some(({ rules }) => rules.some(({ on }) => on === "nodata"));
  if (out.length > empty || counts) write(out.bytes());
  out.reset();
}

/** Meters that nobody has sent are missed as long as the configuration names them: a name that was wrong is not missed for ever. */
function expectNamed(applier: Applier, plans: readonly TenantPlan[]): void {
  const { directory } = applier;
  if (directory.unowned === 0) return;
  const named = new Set(plans.flatMap(({ id, meters }) => meters.map(({ match }) => `${id}\n${match}`)));
  for (let meter = 0; meter < directory.meterCount; meter++) {
    if (directory.meterOwner(meter) !== NONE) continue;
    applier.expect(meter, named.has(`${directory.tenantOfMeter(meter)}\n${directory.meter(meter)}`));
  }
}

/** Meters that the configuration names one by one and whose data some rule would miss. */
function* missable(
  plans: readonly TenantPlan[],
  isHome: (tenant: string) => boolean,
): Generator<{ tenant: string; meter: string }> {
  for (const plan of plans) {
    const rules = plan.rules.filter(({ on }) => on === "nodata");
    if (rules.length === 0 || !isHome(plan.id)) continue;
    for (const { match } of plan.meters)
      if (!/[*?]/.test(match) && rules.some(({ meters }) => globMatches(meters, match))) yield { tenant: plan.id, meter: match };
  }
}
