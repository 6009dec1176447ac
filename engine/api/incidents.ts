import type { AlertRow } from "../store/interface.js";

/** An alert from its opening to its end. */
export interface Incident {
  incident: string;
  meter: string;
  rule: string;
  state: "firing" | "resolved";
  /** The severity it has now, or had last. */
  severity: string;
  /** When it opened, and the value that opened it. */
  ts: number;
  value: number | null;
  threshold: number;
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
        ts,
        value,
        threshold,
        resolved: null,
      });
    } else {
      known.state = state;
      known.severity = severity;
      known.resolved = state === "resolved" ? ts : null;
    }
  }
  return [...incidents.values()];
}
