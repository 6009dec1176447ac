import { Counter, Gauge, type Registry } from "prom-client";
import type { NotifierStats } from "../notify/notifier.js";

export interface AlertMetricSources {
  webhooks(): NotifierStats;
  streams(): { counts: readonly [tenant: string, count: number][]; tooSlow: number };
  /** Transitions of each shard, in their order, that nobody who delivers them has safe yet. */
  untold(): readonly number[];
  changes(): { applied: number; refused: number };
}

/** Figures of what becomes of alerts behind the shards, and of settings that changed while the engine runs. */
export class AlertMetrics {
  readonly #sources: AlertMetricSources;
  readonly #deliveries: Counter;
  readonly #heldBack: Counter;
  readonly #deadLetters: Counter;
  readonly #tooSlow: Counter;
  readonly #changes: Counter;
  readonly #waiting: Gauge;
  readonly #failing: Gauge;
  readonly #streams: Gauge;
  readonly #untold: Gauge;

  constructor(registry: Registry, sources: AlertMetricSources) {
    this.#sources = sources;
    const registers = [registry];
    const counter = (name: string, help: string, labelNames: string[]) => new Counter({ name, help, labelNames, registers });
    const gauge = (name: string, help: string, labelNames: string[]) => new Gauge({ name, help, labelNames, registers });
    this.#deliveries = counter("meterstorm_webhook_deliveries_total", "Attempts to deliver to webhooks", ["tenant", "result"]);
    this.#heldBack = counter("meterstorm_webhook_held_back_total", "Transitions left out by the rate limit of webhooks", [
      "tenant",
    ]);
    this.#deadLetters = counter("meterstorm_webhook_dead_letters_total", "Transitions that a webhook never took", ["tenant"]);
    this.#tooSlow = counter("meterstorm_alert_streams_too_slow_total", "Readers of alert streams closed for not keeping up", []);
    this.#changes = counter("meterstorm_configuration_reloads_total", "Configurations read again while the engine runs", [
      "result",
    ]);
    this.#waiting = gauge("meterstorm_webhook_waiting", "Transitions that webhooks have not taken yet", ["tenant"]);
    this.#failing = gauge("meterstorm_webhook_failing", "Webhooks whose last attempt failed", ["tenant"]);
    this.#streams = gauge("meterstorm_alert_streams", "Open alert streams", ["tenant"]);
    this.#untold = gauge("meterstorm_alerts_untold", "Transitions told by a shard that are not kept for delivery yet", ["shard"]);
  }

  refresh(): void {
    const { webhooks, streams, untold, changes } = this.#sources;
    for (const metric of [this.#deliveries, this.#heldBack, this.#deadLetters, this.#tooSlow, this.#changes]) metric.reset();
    for (const gauge of [this.#waiting, this.#failing, this.#streams]) gauge.reset();
    for (const [tenant, stats] of Object.entries(webhooks().tenants)) {
      this.#deliveries.inc({ tenant, result: "delivered" }, stats.delivered);
      this.#deliveries.inc({ tenant, result: "failed" }, stats.failed);
      this.#heldBack.inc({ tenant }, stats.heldBack);
      this.#deadLetters.inc({ tenant }, stats.deadLetters);
      this.#waiting.set({ tenant }, stats.waiting);
      this.#failing.set({ tenant }, stats.failing);
    }
    for (const [tenant, count] of streams().counts) this.#streams.set({ tenant }, count);
    this.#tooSlow.inc(streams().tooSlow);
    for (const [shard, count] of untold().entries()) this.#untold.set({ shard: String(shard) }, count);
    this.#changes.inc({ result: "applied" }, changes().applied);
    this.#changes.inc({ result: "refused" }, changes().refused);
  }
}
