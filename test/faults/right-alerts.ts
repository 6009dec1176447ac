import { createHash } from "node:crypto";
import type { AlertRow } from "./record.js";
import { RULE, type ScriptedMeter } from "./script.js";

/** The transitions that the rule gives the readings of a gauge, whose frames 1 … `upTo` were taken: told plainly, for this one rule. */
export function rightAlerts(tenant: string, meter: ScriptedMeter, upTo: number): AlertRow[] {
  if (meter.settings.kind !== "gauge") return [];
  const [warning, critical] = RULE.levels;
  const rows: AlertRow[] = [];
  let began: number | null = null;
  let level: (typeof RULE.levels)[number] = warning;
  for (let seq = 1; seq <= upTo; seq++) {
    for (const input of meter.at(seq)) {
      if (!("value" in input)) continue;
      const { ts, value } = input;
      const tell = (state: string) => {
        const incident = incidentId(tenant, meter.id, began!);
        const { severity, threshold } = level;
        rows.push({ meter: meter.id, rule: RULE.id, incident, ts, state, severity, value, threshold });
      };
      const reached = value > critical.threshold ? critical : warning;
      if (began === null) {
        if (value <= warning.threshold) continue;
        began = ts;
        level = reached;
        tell("firing");
      } else if (value <= RULE.clear) {
        tell("resolved");
        began = null;
      } else if (reached !== level) {
        level = reached;
        tell("firing");
      }
    }
  }
  return rows;
}

function incidentId(tenant: string, meter: string, beganMs: number): string {
  const hash = createHash("sha256").update(`${tenant}\0${meter}\0${RULE.id}\0${beganMs}`).digest();
  return hash.readBigUInt64LE(0).toString(16).padStart(16, "0");
}

/** Under which a transition is told, however often. */
export function keyOf({ incident, state, severity, ts }: AlertRow): string {
  return `${incident}-${state}-${severity}-${ts}`;
}
