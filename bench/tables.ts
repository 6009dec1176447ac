import type { BackfillResult, BackfillSize } from "./backfill.js";
import type { MicroResult } from "./micro/harness.js";
import type { RecoveryResult, RecoverySize } from "./recovery.js";
import type { Summary } from "./result.js";

/** Text in columns, numbers to the right. */
function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join("  ");
  return [line(header), ...rows.map(line)].join("\n");
}

function fixed(value: number | null, digits: number): string {
  return value === null || Number.isNaN(value)
    ? "–"
    : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function summaryTable(summaries: readonly Summary[]): string {
  const header = ["", "readings/s", "of the limit", "acked/s", "CPU µs", "load µs", "store µs", "ack p50 ms", "p99 ms"];
  const rows = summaries.map((summary) => [
    summary.name,
    fixed(summary.readingsPerSecond, 0),
    fixed(summary.ratio, 2),
    fixed(summary.ackedReadingsPerSecond, 0),
    fixed(summary.cpuMicros, 2),
    fixed(summary.loadCpuMicros, 2),
    fixed(summary.storeCpuMicros, 2),
    fixed(summary.p50AckMs, 1),
    fixed(summary.p99AckMs, 1),
  ]);
  return table(header, rows);
}

/** What a history newest first took, and what live acks were alone and beside it. */
export function backfillText(result: BackfillSize & BackfillResult): string {
  const { meters, days, liveMeters, liveRate, late, seconds, alone, beside } = result;
  const what = `${meters} meters × ${days} days of hours newest first, beside ${liveMeters} live meters (${liveRate} readings/s)`;
  const pace = `${late.toLocaleString("en")} late readings worked in and stored in ${fixed(seconds, 1)} s, ${fixed(result.latePerSecond, 0)} a second`;
  const cost = `${fixed(result.cpuMicros, 2)} µs of the engine's CPU each, in ${result.repairs} repairs that wrote ${result.rowsWritten} rows`;
  const acks = `live acks p50/p99 ${fixed(alone.p50, 1)}/${fixed(alone.p99, 1)} ms alone, ${fixed(beside.p50, 1)}/${fixed(beside.p99, 1)} beside it (worst p99 ${fixed(beside.worstP99, 1)})`;
  return `${what}:\n  ${pace}; ${cost}\n  ${acks}: p99 ${fixed(beside.p99 / alone.p99, 2)} ×`;
}

/** How long a shard needs after a crash until it takes frames. */
export function recoveryText(result: RecoverySize & RecoveryResult): string {
  const { meters, snapshotBytes, journalBytes, replayedBytes, replayedReadings, seconds, readingsPerSecond } = result;
  const mega = (bytes: number) => `${fixed(bytes / 1e6, 0)} MB`;
  const what = `recovery of ${meters.toLocaleString("en")} meters: a snapshot of ${mega(snapshotBytes)}, ${mega(replayedBytes)} of ${mega(journalBytes)} of journal behind it`;
  const pace = `ready after ${fixed(seconds, 1)} s, ${replayedReadings.toLocaleString("en")} readings replayed and compared, ${fixed(readingsPerSecond, 0)} a second in all`;
  return `${what}:\n  ${pace}; ${mega(result.rssBytes)} resident; a slice of the snapshot copied ${fixed(result.mostCopiedBytes / 1024, 0)} KiB at most`;
}

export function microTable(results: readonly MicroResult[]): string {
  const rows = results.map((result) => [
    `${result.bench}: ${result.name}`,
    fixed(result.nanosPerUnit, 1),
    result.unit,
    `± ${fixed(result.marginPercent, 1)} %`,
    `${fixed(result.ratio, 2)} ×`,
  ]);
  return table(["", "ns per", "", "", "ours"], rows);
}
