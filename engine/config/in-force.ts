import type { TenantPlan } from "../base/settings.js";
import { type Identity, KeyRing } from "./keys.js";
import type { TenantConfig } from "./schema.js";
import { tenantPlans } from "./tenants.js";

/** The clients, their keys and settings that count now. Replaced as a whole: whoever asks twice in one turn gets the same answer. */
export class InForce {
  #tenants: ReadonlyMap<string, TenantConfig> = new Map();
  #plans: ReadonlyMap<string, TenantPlan> = new Map();
  #keys = new KeyRing({ tenants: [] });

  constructor(tenants: readonly TenantConfig[]) {
    this.replace(tenants, tenantPlans({ tenants: [...tenants] }));
  }

  /** `plans`: those that `tenantPlans` makes of the tenants. */
  replace(tenants: readonly TenantConfig[], plans: readonly TenantPlan[]): void {
    this.#tenants = new Map(tenants.map((tenant) => [tenant.id, tenant]));
    this.#plans = new Map(plans.map((plan) => [plan.id, plan]));
    this.#keys = new KeyRing({ tenants: [...tenants] });
  }

  get tenants(): TenantConfig[] {
    return [...this.#tenants.values()];
  }

  get plans(): TenantPlan[] {
    return [...this.#plans.values()];
  }

  tenant(id: string): TenantConfig | undefined {
    return this.#tenants.get(id);
  }

  plan(id: string): TenantPlan | undefined {
    return this.#plans.get(id);
  }

  /** Whose token an `Authorization` header carries, `null` for none that is known. */
  authenticate(header: string | undefined): Identity | null {
    return this.#keys.authenticate(header);
  }

  /** Whether the key by which somebody was known is still there, the same secret with the same role. */
  knows(identity: Identity): boolean {
    return this.#keys.knows(identity);
  }
}
