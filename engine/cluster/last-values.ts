import type { ShardQueries } from "../api/shard-queries.js";
import type { Shard } from "../shards/shard.js";
import type { RedisCache } from "./redis.js";

/** Meters in one answer of a shard, far below what a record of the ring holds. */
const METERS_PER_PULL = 2000;
const PULL_EVERY_MS = 500;

interface ChangedMeter {
  tenant: string;
  meter: string;
  json: string;
}

/**
 * Keeps the last values in Redis up to date: asks each shard in turn what changed, writes that, and only then asks
 * again. So a slow Redis slows down this loop and nothing else, and what changes meanwhile is written once. A Redis that
 * comes up may be empty, so it is given everything.
 */
export class LastValues {
  readonly #shards: readonly Shard[];
  readonly #queries: ShardQueries;
  readonly #cache: RedisCache;
  /** By shard: which coming up of the cache it was last asked for all its meters. */
  readonly #filled = new Map<Shard, number>();
  #stopped = false;

  constructor(shards: readonly Shard[], queries: ShardQueries, cache: RedisCache) {
    this.#shards = shards;
    this.#queries = queries;
    this.#cache = cache;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Runs until `stop`. Failed pulls are tried again with the next round. */
  async run(): Promise<void> {
    while (!this.#stopped) {
      let more = false;
      for (const shard of this.#shards) {
        if (this.#cache.state().up && shard.trouble === "") more = (await this.#pull(shard)) || more;
      }
      if (!more) await new Promise((resolve) => setTimeout(resolve, PULL_EVERY_MS).unref());
    }
  }

  /** Whether there may be more at once. */
  async #pull(shard: Shard): Promise<boolean> {
    const { timesUp } = this.#cache;
    const all = this.#filled.get(shard) !== timesUp;
    try {
      const changed = (await this.#queries.ask(shard, { kind: "changed", limit: METERS_PER_PULL, all })) as ChangedMeter[] | null;
      if (changed === null) return false;
      this.#filled.set(shard, timesUp);
      const byTenant = new Map<string, ChangedMeter[]>();
      for (const meter of changed) byTenant.set(meter.tenant, [...(byTenant.get(meter.tenant) ?? []), meter]);
      for (const [tenant, entries] of byTenant) {
        // What was not taken is no longer marked as changed: begin anew.
        if (!(await this.#cache.publishLast(tenant, entries))) this.#filled.delete(shard);
      }
      return changed.length === METERS_PER_PULL;
    } catch {
      // The shard is busy or restarting: it says so in readyz, and what changed stays marked there.
      return false;
    }
  }
}
