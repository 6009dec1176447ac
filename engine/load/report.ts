import type { LoadOptions } from "./options.js";
import type { LoadRun } from "./run.js";
import type { Verification } from "./verification.js";

/** The result of a load test; printed, and written as JSON. */
export interface LoadReport {
  readonly name: string;
  readonly seed: number;
  readonly format: string;
  /** How safe an ack was. */
  readonly ack: string;
  readonly dataloggers: number;
  readonly meters: number;
  readonly sent: number;
  /** Acked and taken. */
  readonly acked: number;
  /** Refused, by code. */
  readonly rejected: Record<string, number>;
  /** Sent, but not acked in the end. */
  readonly unacked: number;
  /** Acked and taken, but not in the store: among the meters that were read back. Null when none was. */
  readonly lost: number | null;
  readonly resent: number;
  readonly reconnects: number;
  /** Welcomes that named a lower seq than one acked before: the engine had forgotten what it called safe. */
  readonly ackedThenForgotten: number;
  /** When the first frame was sent, epoch ms. */
  readonly startedAtMs: number;
  /** From then until the last ack. */
  readonly elapsedMs: number;
  readonly readingsPerSecond: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly p999: number; readonly max: number };
  /** CPU that the load test itself took. */
  readonly cpuMicrosPerReading: number;
  readonly verification: Verification | null;
  /** Everything that was promised holds. */
  readonly ok: boolean;
}

export function reportOf(options: LoadOptions, run: LoadRun, verification: Verification | null): LoadReport {
  const rejected: Record<string, number> = {};
  const sum = { sent: 0, acked: 0, rejected: 0, resent: 0, reconnects: 0, regressions: 0 };
  for (const sender of run.senders) {
    sum.sent += sender.sent;
    sum.acked += sender.acked;
    sum.rejected += sender.rejected.length;
    sum.resent += sender.resent;
    sum.reconnects += sender.reconnects;
    sum.regressions += sender.regressions;
    for (const { code } of sender.rejected) rejected[code] = (rejected[code] ?? 0) + 1;
  }
  const v = verification;
  const wrong = v === null ? 0 : v.missing + v.doubled + v.changed + v.foreign;
  return {
    name: run.series.options.name,
    seed: options.seed,
    format: options.format,
    ack: run.ackTier,
    dataloggers: options.dataloggers,
    meters: options.dataloggers * options.metersPerDatalogger,
    sent: sum.sent,
    acked: sum.acked - sum.rejected,
    rejected,
    unacked: sum.sent - sum.acked,
    lost: v === null ? null : v.missing,
    resent: sum.resent,
    reconnects: sum.reconnects,
    ackedThenForgotten: sum.regressions,
    startedAtMs: run.startedAtMs,
    elapsedMs: run.elapsedMs,
    readingsPerSecond: run.elapsedMs > 0 ? (sum.acked / run.elapsedMs) * 1000 : 0,
    latencyMs: {
      p50: run.latencies.quantileMs(0.5),
      p99: run.latencies.quantileMs(0.99),
      p999: run.latencies.quantileMs(0.999),
      max: run.latencies.maxMs,
    },
    cpuMicrosPerReading: sum.acked > 0 ? (run.cpuMs * 1000) / sum.acked : 0,
    verification,
    ok: wrong === 0 && sum.sent === sum.acked && sum.regressions === 0,
  };
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

function duration(ms: number): string {
  if (Number.isNaN(ms)) return "–";
  return ms < 10 ? `${ms.toFixed(2)} ms` : ms < 10_000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** The report as a person reads it. */
export function formatReport(report: LoadReport): string {
  const { latencyMs: latency, verification: v } = report;
  const refused = Object.entries(report.rejected).map(([code, count]) => `${code} ${whole.format(count)}`);
  const rows: [string, string][] = [
    ["readings sent", whole.format(report.sent)],
    ["acked", `${whole.format(report.acked)} (${report.ack})`],
    ["rejected", refused.length > 0 ? refused.join(", ") : "0"],
    ["not acked", whole.format(report.unacked)],
    ["lost", report.lost === null ? "not checked" : whole.format(report.lost)],
    ["sent again", `${whole.format(report.resent)} over ${report.reconnects} reconnects`],
    ["rate", `${whole.format(report.readingsPerSecond)} readings/s for ${duration(report.elapsedMs)}`],
    [
      "ack latency",
      `p50 ${duration(latency.p50)}, p99 ${duration(latency.p99)}, p99.9 ${duration(latency.p999)}, max ${duration(latency.max)}`,
    ],
    ["own CPU", `${report.cpuMicrosPerReading.toFixed(3)} µs a reading`],
  ];
  if (v !== null) {
    rows.push(
      ["read back", `${whole.format(v.meters)} of ${whole.format(v.ofMeters)} meters in ${duration(v.elapsedMs)}`],
      [
        "found",
        `${whole.format(v.found)}, ${v.missing} missing, ${v.doubled} doubled, ${v.changed} changed, ${v.foreign} foreign`,
      ],
    );
  }
  const width = Math.max(...rows.map(([label]) => label.length));
  const lines = rows.map(([label, text]) => `${label.padEnd(width)}  ${text}`);
  if (report.ackedThenForgotten > 0)
    lines.push(`FAULT  ${report.ackedThenForgotten} times the engine came back without frames it had acked`);
  for (const fault of v?.faults ?? []) lines.push(`FAULT  ${fault}`);
  return lines.join("\n");
}
