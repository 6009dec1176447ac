import { globsMeet } from "../base/glob.js";
import { describe, type Fault, pathText, type Warning } from "./fault.js";
import { meterWarnings, reachWarnings } from "./meter-warnings.js";
import type { Config, TenantConfig } from "./schema.js";
import type { RuleConfig } from "./schema-rules.js";

/**
 * Faults between neighbours: ids that come twice. Looks at the file as it was written, so that they
 * are reported along with all others and not only once those are put right.
 */
export function crossFaults(raw: unknown): Fault[] {
  const faults: Fault[] = [];
  const tenants = listOf(raw, "tenants");
  if (tenants !== null && tenants.length === 0)
    faults.push({
      path: "tenants",
      found: describe(tenants),
      allowed: "at least one tenant",
      remedy: "Add one: without it nobody may send.",
    });
  unique(tenants, ["tenants"], "tenant", faults);
  tenants?.forEach((tenant, index) => {
    unique(listOf(tenant, "keys"), ["tenants", index, "keys"], "key of a tenant", faults);
    unique(listOf(tenant, "rules"), ["tenants", index, "rules"], "rule of a tenant", faults);
  });
  return faults;
}

function listOf(owner: unknown, name: string): unknown[] | null {
  const value = typeof owner === "object" && owner !== null ? (owner as Record<string, unknown>)[name] : undefined;
  return Array.isArray(value) ? value : null;
}

function unique(list: unknown[] | null, path: (string | number)[], what: string, faults: Fault[]): void {
  const seen = new Map<string, number>();
  list?.forEach((item, index) => {
    const id = typeof item === "object" && item !== null ? (item as { id?: unknown }).id : undefined;
    if (typeof id !== "string") return;
    const first = seen.get(id);
    if (first === undefined) seen.set(id, index);
    else
      faults.push({
        path: pathText([...path, index, "id"]),
        found: `${describe(id)}, the id of ${pathText([...path, first])} too`,
        allowed: `an id that no other ${what} has`,
        remedy: "Rename or remove one of the two.",
      });
  });
}

/** Meters of a rule on missing data of which neither it nor their entry says when a reading is due. */
function neverDueWarning({ meters }: TenantConfig, rule: RuleConfig, hasCatchAll: boolean): string | null {
  if (rule.on !== "nodata" || rule.for > 0) return null;
  const without = meters.flatMap(({ match, expect }, index) =>
    expect === null && globsMeet(match, rule.meters) ? [`meters[${index}] (${JSON.stringify(match)})`] : [],
  );
  if (!hasCatchAll) without.push("meters that match no entry");
  if (without.length === 0) return null;
  return `neither the rule says \`for\` nor ${without.join(" nor ")} \`expect\`: for those it never fires`;
}

/** What works as it stands and is probably not meant. */
export function warningsOf(config: Config): Warning[] {
  return config.tenants.flatMap((tenant, index) => tenantWarnings(config, tenant, `tenants[${index}]`));
}

function tenantWarnings(config: Config, tenant: TenantConfig, path: string): Warning[] {
  const warnings: Warning[] = [];
  const warn = (where: string, message: string) => warnings.push({ path: `${path}.${where}`, message });
  if (tenant.keys.length === 0) warn("keys", "no key: nobody can send or read; make one with `meterstorm key create`");
  if (typeof config.shards === "number" && tenant.shards > config.shards)
    warn("shards", `${tenant.shards} shards asked for, the node has ${config.shards}`);
  tenant.meters.forEach((meter, index) => {
    for (const message of [...reachWarnings(tenant.meters, index), ...meterWarnings(meter)]) warn(`meters[${index}]`, message);
  });
  const hasCatchAll = tenant.meters.some(({ match, from }) => match === "*" && from === null);
  if (!hasCatchAll)
    warn(
      "meters",
      'no entry "*": meters that match none are counters without maxRate, which billing needs, in the tenant\'s time zone',
    );
  tenant.rules.forEach((rule, index) => {
    const period = (["quarter", "hour", "day"] as const).find((name) => name === rule.on);
    const kept =
      period === undefined ||
      (!hasCatchAll && period !== "quarter") ||
      tenant.meters.some((meter) => meter.periods.includes(period));
    if (!kept) warn(`rules[${index}].on`, `no entry of meters has the period ${rule.on}: the rule will never fire`);
    const silent = neverDueWarning(tenant, rule, hasCatchAll);
    if (silent !== null) warn(`rules[${index}].for`, silent);
  });
  return warnings;
}
