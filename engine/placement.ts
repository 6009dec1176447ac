import { homeOf, homesOf } from "./base/home.js";
import type { Config } from "./config/schema.js";
import type { Shard } from "./shards/shard.js";

/** In which shards clients live: always the same ones, by their names alone. */
export class Placement {
  readonly #shards: readonly Shard[];
  readonly #spreadOf: (tenant: string) => number;

  /** `spreadOf`: over how many shards the configuration wants a client to be spread. */
  constructor(shards: readonly Shard[], spreadOf: (tenant: string) => number) {
    this.#shards = shards;
    this.#spreadOf = spreadOf;
  }

  /** In which shard a client's datalogger is. */
  shardOf(tenant: string, datalogger: string): Shard {
    return this.#shards[homeOf(tenant, datalogger, this.#spread(tenant), this.#shards.length)]!;
  }

  /** The shards in which the tenant's meters may be. */
  shardsOf(tenant: string): Shard[] {
    return homesOf(tenant, this.#spread(tenant), this.#shards.length).map((index) => this.#shards[index]!);
  }

  #spread(tenant: string): number {
    return Math.min(this.#spreadOf(tenant), this.#shards.length);
  }
}

/** Over how many shards each client of a configuration is spread. */
export function spreadOf({ tenants }: Pick<Config, "tenants">, shards: number): Record<string, number> {
  return Object.fromEntries(tenants.map((tenant) => [tenant.id, Math.min(tenant.shards, shards)]));
}
