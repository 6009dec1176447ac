import { SEVERITIES, type Severity } from "../base/entries.js";
import type { AlertRow } from "../store/interface.js";

/** An alert from its opening to its end. */
export interface Incident {
  incident: string;
  meter: string;
  rule: string;
  state: "firing" | "resolved";
  /** The severity it has now, or had last. */
  severity: Severity;
  /** The gravest that it had. */
  worst: Severity;
  /** When it opened, the value that opened it and the threshold that this was beyond; null for rules that have none. */
  ts: number;
  value: number | null;
  threshold: number | null;
  resolved: number | null;
}

/** Incidents from their transitions (ordered by ts), in order of their opening. */
export function incidentsOf(transitions: readonly AlertRow[]): Incident[] {
  const incidents = new Map<string, Incident>();
  for (const { incident, meter, rule, state, severity, ts, value, threshold } of transitions) {
    const known = incidents.get(incident);
    if (known === undefined) {
      // It opened before the rows that were asked for, and belongs there.
      if (state === "resolved") continue;
      incidents.set(incident, {
        incident,
        meter,
        rule,
        state,
        severity,
        worst: severity,
        ts,
        value,
        threshold,
        resolved: null,
      });
    } else {
      known.state = state;
      known.severity = severity;
      if (SEVERITIES.indexOf(severity) > SEVERITIES.indexOf(known.worst)) known.worst = severity;
      known.resolved = state === "resolved" ? ts : null;
    }
  }
  return [...incidents.values()];
}
