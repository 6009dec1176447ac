import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Gateway } from "../intake/gateway.js";
import type { Shard } from "../shards/shard.js";
import { type AlertMetricSources, AlertMetrics } from "./alert-metrics.js";

/** Seconds; acks take a millisecond on an idle disk and some hundred beside a busy store. */
const ACK_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface MetricSources {
  shards: readonly Shard[];
  gateway(): Gateway;
  redisErrors(): number;
  alerts: AlertMetricSources;
}

/** The engine's figures for Prometheus. What shards count is read from their last report when somebody asks. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #sources: MetricSources;
  readonly #alerts: AlertMetrics;
  readonly #ackSeconds: Histogram;
  readonly #gauges: Record<string, Gauge>;
  readonly #counters: Record<string, Counter>;

  constructor(sources: MetricSources) {
    this.#sources = sources;
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#ackSeconds = new Histogram({
      name: "meterstorm_ack_seconds",
      help: "From a frame's arrival to its ack, the oldest frame of each ack",
      buckets: ACK_BUCKETS,
      registers,
    });
    const counter = (name: string, help: string, labelNames: string[] = []) => new Counter({ name, help, labelNames, registers });
    const gauge = (name: string, help: string, labelNames: string[] = []) => new Gauge({ name, help, labelNames, registers });
    this.#alerts = new AlertMetrics(this.#registry, sources.alerts);
    this.#counters = {
      received: counter("meterstorm_readings_received_total", "Readings in frames and posts, taken or not", ["tenant"]),
      rejected: counter("meterstorm_readings_rejected_total", "Readings and frames that were not taken", ["tenant", "code"]),
      late: counter("meterstorm_readings_late_total", "Readings behind their meter's newest", ["tenant"]),
      stored: counter("meterstorm_readings_stored_total", "Readings whose rows the store has"),
      storeErrors: counter("meterstorm_store_errors_total", "Writes that the store did not take", ["kind"]),
      transitions: counter("meterstorm_alert_transitions_total", "Alert transitions", ["tenant", "state"]),
      repairs: counter("meterstorm_repairs_total", "Repairs of meters by late inputs", ["shard"]),
      repairedRows: counter("meterstorm_repaired_rows_total", "Rows that repairs wrote", ["shard"]),
      auditRows: counter("meterstorm_audit_rows_total", "Stored rows that the audit compared with what they should be", [
        "shard",
      ]),
      auditDays: counter("meterstorm_audit_days_total", "Days of meters that the audit looked at", ["shard"]),
      redisErrors: counter("meterstorm_redis_errors_total", "Failed attempts to reach Redis, and failed commands"),
    };
    this.#gauges = {
      lanes: gauge("meterstorm_lane_depth_readings", "Frames that wait in a client's lanes", ["tenant"]),
      ring: gauge("meterstorm_ring_fill_ratio", "Share of a shard's ring that is not free", ["shard"]),
      journal: gauge("meterstorm_journal_bytes", "Bytes of journal on disk", ["shard"]),
      lag: gauge("meterstorm_store_lag_readings", "Rows of readings, new and repaired, that the store does not have", ["shard"]),
      meters: gauge("meterstorm_meters", "Meters known to a shard", ["shard"]),
      auditMismatches: gauge("meterstorm_audit_mismatches", "Days of meters whose stored rows are not what they should be", [
        "shard",
      ]),
      lateWaiting: gauge("meterstorm_late_inputs_waiting", "Late inputs that are not yet worked in", ["shard"]),
      connections: gauge("meterstorm_connections", "Open connections of dataloggers", ["tenant"]),
    };
  }

  observeAck(seconds: number): void {
    this.#ackSeconds.observe(seconds);
  }

  async text(): Promise<string> {
    this.#refresh();
    return await this.#registry.metrics();
  }

  #refresh(): void {
    const { shards } = this.#sources;
    const { received, rejected, late, stored, storeErrors, transitions, repairs, repairedRows, redisErrors } = this.#counters;
    const { auditRows, auditDays } = this.#counters;
    for (const counter of Object.values(this.#counters)) counter.reset();
    for (const { stats, index } of shards) {
      if (stats === null) continue;
      repairs!.inc({ shard: String(index) }, stats.repairs);
      repairedRows!.inc({ shard: String(index) }, stats.repairedRows);
      auditRows!.inc({ shard: String(index) }, stats.auditRows);
      auditDays!.inc({ shard: String(index) }, stats.auditDays);
      for (const [tenant, count] of Object.entries(stats.received)) received!.inc({ tenant }, count);
      for (const [tenant, count] of Object.entries(stats.late)) late!.inc({ tenant }, count);
      for (const [tenant, codes] of Object.entries(stats.rejected))
        for (const [code, count] of Object.entries(codes)) rejected!.inc({ tenant, code }, count);
      for (const [tenant, states] of Object.entries(stats.transitions))
        for (const [state, count] of Object.entries(states)) transitions!.inc({ tenant, state }, count);
      for (const [kind, count] of Object.entries(stats.storeErrors)) storeErrors!.inc({ kind }, count);
      stored!.inc(stats.storedReadings);
    }
    redisErrors!.inc(this.#sources.redisErrors());
    this.#alerts.refresh();
    this.#refreshGauges();
  }

  #refreshGauges(): void {
    const { lanes, ring, journal, lag, meters, lateWaiting, auditMismatches, connections } = this.#gauges;
    for (const gauge of [lanes, connections]) gauge!.reset();
    for (const shard of this.#sources.shards) {
      const label = { shard: String(shard.index) };
      ring!.set(label, shard.ringFill);
      journal!.set(label, shard.stats?.journalBytes ?? 0);
      lag!.set(label, shard.stats?.lagReadings ?? 0);
      meters!.set(label, shard.stats?.meters ?? 0);
      lateWaiting!.set(label, shard.stats?.lateWaiting ?? 0);
      auditMismatches!.set(label, shard.stats?.auditMismatches ?? 0);
      for (const lane of shard.lanes) {
        lanes!.inc({ tenant: lane.tenant }, lane.depth);
        connections!.set({ tenant: lane.tenant }, this.#sources.gateway().connectionsOf(lane.tenant));
      }
    }
  }
}
