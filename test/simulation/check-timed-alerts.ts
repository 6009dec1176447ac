import assert from "node:assert/strict";
import { NEVER_SEEN, TIMED_RULES } from "./plans.js";
import type { SimStore } from "./sim-store.js";

interface Row {
  ts: number;
  state: string;
}

/**
 * What must hold of incidents that time alone begins or ends, whenever that was: each begins once, ends at most once and later, and one
 * begins only after the one before has ended. Returns how many rows there are.
 */
export function checkTimedAlerts(store: SimStore): number {
  const incidents = new Map<string, Map<string, Row[]>>();
  let rows = 0;
  for (const key of (store.tables.get("alerts") ?? new Map<string, string>()).keys()) {
    const [tenant, meter, ts, rule = "", incident = "", state = ""] = key.split("/");
    if (!TIMED_RULES.has(rule)) continue;
    const series = `${tenant}/${meter}/${rule}`;
    const ofSeries = incidents.get(series) ?? new Map<string, Row[]>();
    incidents.set(series, ofSeries);
    ofSeries.set(incident, [...(ofSeries.get(incident) ?? []), { ts: Number(ts), state }]);
    rows++;
  }
  for (const [series, ofSeries] of incidents) {
    let endedAt = Number.NEGATIVE_INFINITY;
    const inOrder = [...ofSeries].sort(([, [a]], [, [b]]) => (a?.ts ?? 0) - (b?.ts ?? 0));
    for (const [incident, found] of inOrder) {
      const firing = found.filter(({ state }) => state === "firing");
      const resolved = found.filter(({ state }) => state === "resolved");
      assert.equal(firing.length, 1, `incident ${incident} of ${series} began ${firing.length} times`);
      assert.ok(resolved.length <= 1, `incident ${incident} of ${series} ended ${resolved.length} times`);
      const [beganAt, overAt] = [firing[0]!.ts, resolved[0]?.ts ?? Number.POSITIVE_INFINITY];
      assert.ok(overAt >= beganAt, `incident ${incident} of ${series} ended at ${overAt}, before it began at ${beganAt}`);
      assert.ok(
        beganAt >= endedAt,
        `incident ${incident} of ${series} began at ${beganAt}, before another one had ended at ${endedAt}`,
      );
      endedAt = overAt;
    }
    if (series.includes(`/${NEVER_SEEN}`)) assert.equal(ofSeries.size, 1, `${series} was missed ${ofSeries.size} times`);
  }
  return rows;
}
