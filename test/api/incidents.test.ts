import assert from "node:assert/strict";
import { test } from "node:test";
import { incidentsOf } from "../../engine/api/incidents.js";
import type { AlertRow } from "../../engine/store/interface.js";

function row(ts: number, incident: string, state: AlertRow["state"], severity: AlertRow["severity"], value: number): AlertRow {
  return { ts, meter: "m", rule: "r", incident, state, severity, value, threshold: 10 };
}

test("an incident that climbs and falls is one, with what it has now and the gravest that it had", () => {
  const climbing = [
    row(1, "a", "firing", "info", 11),
    row(2, "a", "firing", "critical", 99),
    row(3, "b", "firing", "warning", 50),
    row(4, "a", "firing", "warning", 60),
  ];
  const a = { incident: "a", meter: "m", rule: "r", ts: 1, value: 11, threshold: 10 };
  const b = { ...a, incident: "b", state: "firing", severity: "warning", worst: "warning", ts: 3, value: 50, resolved: null };
  assert.deepEqual(incidentsOf(climbing), [{ ...a, state: "firing", severity: "warning", worst: "critical", resolved: null }, b]);
  assert.deepEqual(incidentsOf([...climbing, row(5, "a", "resolved", "warning", 2)]), [
    { ...a, state: "resolved", severity: "warning", worst: "critical", resolved: 5 },
    b,
  ]);
});

test("an incident on missing data has neither value nor threshold, and one that opened before is none of the range", () => {
  const silent: AlertRow = { ...row(1, "c", "firing", "warning", 0), value: null, threshold: null };
  assert.deepEqual(incidentsOf([row(0, "before", "resolved", "info", 0), silent]), [
    { ...silent, worst: "warning", resolved: null },
  ]);
});
