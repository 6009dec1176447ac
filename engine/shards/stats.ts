import type { ShardStats } from "../memory/protocol.js";

/** What two threads of a shard have counted, one after the other; what is a state and no count is the later one's. */
export function sumOfStats(before: ShardStats | null, now: ShardStats | null): ShardStats | null {
  if (before === null || now === null) return now ?? before;
  return {
    ...now,
    received: sumOf(before.received, now.received),
    rejected: sumOfEach(before.rejected, now.rejected),
    transitions: sumOfEach(before.transitions, now.transitions),
    late: sumOf(before.late, now.late),
    storeErrors: sumOf(before.storeErrors, now.storeErrors),
    storedReadings: before.storedReadings + now.storedReadings,
    repairs: before.repairs + now.repairs,
    repairedRows: before.repairedRows + now.repairedRows,
    auditRows: before.auditRows + now.auditRows,
    auditDays: before.auditDays + now.auditDays,
  };
}

type Counts = Readonly<Record<string, number>>;

function sumOf(a: Counts, b: Counts): Record<string, number> {
  const sum = { ...a };
  for (const [name, count] of Object.entries(b)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}

function sumOfEach(
  a: Readonly<Record<string, Counts>>,
  b: Readonly<Record<string, Counts>>,
): Record<string, Record<string, number>> {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return Object.fromEntries([...names].map((name) => [name, sumOf(a[name] ?? {}, b[name] ?? {})]));
}
