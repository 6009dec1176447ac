import type { TenantPlan } from "../../engine/base/settings.js";
import type { OpenShard } from "../../workers/loop/open-shard.js";
import { plans as firstPlans } from "./plans.js";

/** What the configuration said from some point of each datalogger's frames on. */
export interface PlanChange {
  readonly plans: readonly TenantPlan[];
  /** By the datalogger's tenant and id: the last seq that was judged by what had been said before; 0 where it is not named. */
  readonly after: ReadonlyMap<string, number>;
}

/**
 * What the configuration says, and which frames were judged by what it said before: that is what the shard had taken when it changed,
 * as far as that outlived a crash, since what is lost comes again and is judged by the new word.
 */
export class PlanChanges {
  readonly #taken: PlanChange[] = [];
  #inForce: readonly TenantPlan[] = firstPlans;
  /** A change that a crash may still take back, and up to where the journal must be safe for it not to. */
  #unsure: { plans: readonly TenantPlan[]; after: Map<string, number> | null; until: number } | null = null;
  /** Changes that a shard came to know by its start. */
  byStart = 0;

  /** What the configuration says now. */
  get plans(): readonly TenantPlan[] {
    return this.#inForce;
  }

  /** In order. */
  get taken(): readonly PlanChange[] {
    return this.#taken;
  }

  /** Whether the last change is safe once the journal is so up to `durable`; before that no other one comes. */
  isSure(durable: number): boolean {
    if (this.#unsure === null) return true;
    const { plans, after, until } = this.#unsure;
    if (after === null || until > durable) return false;
    this.#taken.push({ plans, after });
    this.#unsure = null;
    return true;
  }

  /** The file says so now; no shard knows it yet. */
  written(plans: readonly TenantPlan[]): void {
    this.#inForce = plans;
    this.#unsure = { plans, after: null, until: Number.POSITIVE_INFINITY };
  }

  /** The shard goes on by it. */
  adopted(shard: OpenShard): void {
    if (this.#unsure === null) return;
    this.#unsure.after = lastSeqs(shard);
    this.#unsure.until = shard.journal.appended;
  }

  /**
   * The shard has been opened again, and knows what the file says. Where it has lost frames that it had taken before the change, it has
   * lost the change too, and those are judged by it when they come again.
   */
  opened(shard: OpenShard): void {
    if (this.#unsure === null) return;
    if (this.#unsure.after === null) this.byStart++;
    const found = lastSeqs(shard);
    const after = this.#unsure.after ?? found;
    this.#unsure.after = new Map([...after].map(([name, seq]) => [name, Math.min(seq, found.get(name) ?? 0)]));
    this.#unsure.until = shard.journal.appended;
  }
}

function lastSeqs({ applier: { directory } }: OpenShard): Map<string, number> {
  return new Map(directory.dataloggers.map(({ tenant, id, lastSeq }) => [`${directory.tenant(tenant)}/${id}`, lastSeq]));
}
