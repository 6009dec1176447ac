import type { SavedHead, SavedMeter } from "../state/alerts-snapshot.js";
import { readAlerts, writeAlerts } from "../state/alerts-snapshot.js";
import type { Applier } from "./applier.js";

/** By old numbers the new ones; −1: it does not come along. */
interface NewNumbers {
  readonly tenants: Int32Array;
  readonly meters: Int32Array;
}

/** The alerts of all meters that were moved, which are open in the target and have the rules that they had, go on there. */
export function moveAlerts(source: Applier, target: Applier, { tenants, meters }: NewNumbers): void {
  const { head, newest, meters: saved } = readAlerts(source.alerts.snapshot(), source.directory.meterCount);
  const from: SavedHead["from"][number][] = Array.from({ length: target.directory.tenantCount }, () => []);
  for (const [tenant, number] of tenants.entries()) if (number >= 0) from[number] = head.from[tenant] ?? [];
  const numbers = newest[0] ?? new Float64Array();
  const kept = [...numbers.keys()].filter((i) => meters[numbers[i]!]! >= 0);
  const columns = newest.map((column, c) => Float64Array.from(kept, (i) => (c === 0 ? meters[column[i]!]! : column[i]!)));
  target.alerts.restore(writeAlerts({ startedMs: head.startedMs, from }, columns, renumbered(saved, meters)));
}

function* renumbered(saved: Iterable<SavedMeter>, meters: Int32Array): Generator<SavedMeter> {
  for (const each of saved) {
    const meter = meters[each.meter]!;
    if (meter >= 0) yield { ...each, meter };
  }
}
