import assert from "node:assert/strict";
import { test } from "node:test";
import { type RulesReport, rulesText } from "../../engine/commands/rules-text.js";
import { parseConfig } from "../../engine/config/load.js";
import { tenantPlans } from "../../engine/config/tenants.js";
import type { TriedIncident } from "../../engine/rules-test/incidents.js";

const T0 = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;

function report(count: number): RulesReport {
  const rules = ["hot", "cold"].map((id) => ({ id, meters: "*", on: "value", op: ">", threshold: 30 }));
  const meters = [{ match: "abroad-*", timezone: "Asia/Tokyo" }];
  const parsed = parseConfig({ tenants: [{ id: "acme", timezone: "Europe/Madrid", rules, meters }] }, "a test");
  assert.ok("config" in parsed);
  const incidents = Array.from({ length: count }, (_, i): TriedIncident => {
    const meter = i % 2 === 0 ? "home-1" : "abroad-1";
    const opened = { ts: T0 + i * HOUR_MS, severity: "warning", value: 31, threshold: 30 } as const;
    const { severity: worst, ...known } = opened;
    const transitions = [{ ...opened, state: "firing" as const }];
    return { ...known, worst, rule: "hot", meter, incident: String(i), resolved: null, before: false, transitions };
  });
  const to = T0 + count * HOUR_MS;
  return { plan: tenantPlans(parsed.config)[0]!, from: T0, to, meters: 2, readings: count, refused: 0, incidents };
}

test("a report makes one clock for each zone, however many incidents it has: clocks take longer than all else", (t) => {
  const clocks = t.mock.method(Intl, "DateTimeFormat");
  const few = rulesText(report(2));
  assert.deepEqual(few.slice(2, 5), [
    "opened                   resolved    lasted  meter     rule  severity  value",
    "2026-01-01 01:00 +01:00  still open  2 h     home-1    hot   warning   31 > 30",
    "2026-01-01 10:00 +09:00  still open  1 h     abroad-1  hot   warning   31 > 30",
  ]);
  assert.deepEqual(few.slice(-3), [
    "rule  incidents  meters  open at the end  longest",
    "hot           2       2                2  2 h",
    "cold          0       0                0",
  ]);
  const made = clocks.mock.callCount();
  assert.equal(rulesText(report(500)).length, few.length + 498);
  assert.equal(clocks.mock.callCount(), made * 2);
});
