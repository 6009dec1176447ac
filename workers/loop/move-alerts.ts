import type { SavedHead, SavedMeter } from "../state/alerts-snapshot.js";
import { readAlerts } from "../state/alerts-snapshot.js";
import type { Applier } from "./applier.js";

/** By old numbers the new ones; −1: it does not come along. */
interface NewNumbers {
  readonly tenants: Int32Array;
  readonly meters: Int32Array;
}

/** The alerts of all meters that were moved, which are open in the target and have the rules that they had, go on there. */
export function moveAlerts(source: Applier, target: Applier, { tenants, meters }: NewNumbers): void {
  const [headBytes, ...pieces] = source.alerts.snapshot();
  const { head, meters: saved } = readAlerts(headBytes, pieces, source.directory.meterCount);
  const from: SavedHead["from"][number][] = Array.from({ length: target.directory.tenantCount }, () => []);
  for (const [tenant, number] of tenants.entries()) if (number >= 0) from[number] = head.from[tenant] ?? [];
  const unexpected = head.unexpected.flatMap((meter) => (meters[meter]! >= 0 ? [meters[meter]!] : []));
  target.alerts.take({ startedMs: head.startedMs, from, unexpected }, renumbered(saved, meters));
}

function* renumbered(saved: Iterable<SavedMeter>, meters: Int32Array): Generator<SavedMeter> {
  for (const each of saved) {
    const meter = meters[each.meter]!;
    if (meter >= 0) yield { ...each, meter };
  }
}
