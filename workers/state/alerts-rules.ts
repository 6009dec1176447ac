import { globMatches } from "../../engine/base/glob.js";
import type { Rule } from "../../engine/base/settings.js";
import { type CompiledRule, compileRule, type LocalTime, On, ruleKey } from "../kernels/alert-rule.js";
import type { SavedHead } from "./alerts-snapshot.js";

interface TenantRules {
  name: string;
  rules: readonly Rule[];
  /** Of rules for missing data: since when the tenant has it, in epoch milliseconds. */
  from: Map<string, number>;
  byZone: Map<string, CompiledRule[]>;
}

/** A rule for missing data counts from when it was set, for these meters: others were not missed before. */
function missingKey(rule: Rule): string {
  return `${ruleKey(rule)} ${rule.meters}`;
}

/** The rules of each tenant, made ready once for each time zone. */
export class AlertRules {
  readonly #calendar: (zone: string) => LocalTime;
  readonly #tenants: TenantRules[] = [];
  /** Meters that nobody has sent and that the configuration names no more: their data cannot be missing. */
  readonly #unexpected = new Set<number>();

  constructor(calendar: (zone: string) => LocalTime) {
    this.#calendar = calendar;
  }

  /** They are set at `nowMs` by the engine's clock. */
  set(tenant: number, name: string, rules: readonly Rule[], nowMs: number): void {
    const before = this.#tenants[tenant]?.from;
    const missing = rules.filter(({ on }) => on === "nodata").map(missingKey);
    const from = new Map(missing.map((key) => [key, before?.get(key) ?? nowMs]));
    this.#tenants[tenant] = { name, rules, from, byZone: new Map() };
  }

  of(tenant: number): readonly Rule[] {
    return this.#tenants[tenant]?.rules ?? [];
  }

  name(tenant: number): string {
    return this.#tenants[tenant]?.name ?? "";
  }

  /** Whether data of the meter can be missing, from here on. Returns whether that is something else than before. */
  expect(meter: number, on: boolean): boolean {
    if (this.#unexpected.has(meter) !== on) return false;
    if (on) this.#unexpected.delete(meter);
    else this.#unexpected.add(meter);
    return true;
  }

  /** Meters whose data cannot be missing. */
  get unexpected(): number[] {
    return [...this.#unexpected];
  }

  /** The rules of the meter of this number and id, in the tenant's order. */
  matching(number: number, meter: number, id: string, zone: string): CompiledRule[] {
    const tenant = this.#tenants[number];
    if (tenant === undefined || tenant.rules.length === 0) return [];
    let compiled = tenant.byZone.get(zone);
    if (compiled === undefined) {
      const local = this.#calendar(zone);
      compiled = tenant.rules.map((rule) => compileRule(rule, tenant.name, local, tenant.from.get(missingKey(rule))));
      tenant.byZone.set(zone, compiled);
    }
    const isExpected = !this.#unexpected.has(meter);
    return compiled.filter(({ rule, on }) => (isExpected || on !== On.NODATA) && globMatches(rule.meters, id));
  }

  /** Since when each tenant has its rules for missing data. */
  get from(): SavedHead["from"] {
    return this.#tenants.map((tenant) => [...tenant.from].filter(([, ms]) => Number.isFinite(ms)));
  }

  /** Takes over what `from` gave. Returns the tenants whose rules are to be given to their meters anew. */
  restore(saved: SavedHead["from"]): number[] {
    return [...this.#tenants.entries()].flatMap(([number, tenant]) => {
      for (const [key, ms] of saved[number] ?? []) if (tenant.from.has(key)) tenant.from.set(key, ms);
      tenant.byZone.clear();
      return tenant.from.size > 0 ? [number] : [];
    });
  }
}
