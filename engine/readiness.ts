import type { Readiness } from "./api/api.js";
import type { Clock } from "./base/clock.js";
import type { NotifierStats } from "./notify/notifier.js";
import type { Shard } from "./shards/shard.js";

/** So long a transition that no webhook took is worth a look. */
const DEAD_LETTER_MS = 3_600_000;

export interface ReadinessSources {
  clock: Clock;
  shards: readonly Shard[];
  /** Why the store is not there yet; empty when it is. */
  storeTrouble(): string;
  /** What is done before the shards are opened; empty: nothing. */
  moving(): string;
  isDraining(): boolean;
  /** Why Redis is away; empty when it is not, or is not wanted. */
  redisTrouble(): string;
  webhooks(): NotifierStats;
}

/** Whether the engine takes readings, and what does not work as configured. */
export class ReadinessReport {
  readonly #sources: ReadinessSources;
  #deadLetters = 0;
  #deadLettersMs = Number.NEGATIVE_INFINITY;

  constructor(sources: ReadinessSources) {
    this.#sources = sources;
  }

  now(): Readiness {
    const { shards, storeTrouble, moving, isDraining, redisTrouble } = this.#sources;
    const reasons: string[] = [];
    if (storeTrouble() !== "") reasons.push(`store: ${storeTrouble()}`);
    if (moving() !== "") reasons.push(moving());
    for (const { index, trouble } of shards) if (trouble !== "") reasons.push(`shard ${index}: ${trouble}`);
    if (isDraining()) reasons.push("draining");
    const degraded: string[] = [];
    for (const { index, stats } of shards) {
      if (stats === null) continue;
      if (stats.storeTrouble !== "") degraded.push(`shard ${index}: store: ${stats.storeTrouble}`);
      if (stats.snapshotTrouble !== "") degraded.push(`shard ${index}: snapshot: ${stats.snapshotTrouble}`);
    }
    if (redisTrouble() !== "") degraded.push(`redis: ${redisTrouble()}`);
    degraded.push(...this.#webhooks());
    return { ready: reasons.length === 0, reasons, degraded };
  }

  #webhooks(): string[] {
    const { tenants, trouble } = this.#sources.webhooks();
    const found = trouble === "" ? [] : [`webhooks: ${trouble}`];
    const count = Object.values(tenants).reduce((sum, { deadLetters }) => sum + deadLetters, 0);
    const nowMs = this.#sources.clock.monotonicMs();
    if (count > this.#deadLetters) this.#deadLettersMs = nowMs;
    this.#deadLetters = count;
    if (nowMs - this.#deadLettersMs > DEAD_LETTER_MS) return found;
    const whose = Object.entries(tenants).flatMap(([tenant, stats]) => (stats.deadLetters > 0 ? [tenant] : []));
    return [
      ...found,
      `webhooks: ${count} transitions of ${whose.join(", ")} were not taken by their webhooks and are dead letters`,
    ];
  }
}
