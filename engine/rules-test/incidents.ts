import { SEVERITIES, type Severity } from "../base/entries.js";
import type { TrialTransition } from "../base/rules-trial.js";

/** An incident that a rule would have raised. */
export interface TriedIncident {
  rule: string;
  meter: string;
  incident: string;
  /** Epoch milliseconds of its first transition. */
  ts: number;
  /** Of its end; null: it was firing at the end of the run. */
  resolved: number | null;
  /** The greatest that it had. */
  worst: Severity;
  /** What opened it; null where there is none. */
  value: number | null;
  threshold: number | null;
  /** It was open when the run began, and may have begun even earlier. */
  before: boolean;
  transitions: Pick<TrialTransition, "ts" | "state" | "severity" | "value" | "threshold">[];
}

/** The incidents of one meter that were open at some time within the range, in order of their opening. */
export function incidentsWithin(
  meter: string,
  transitions: readonly TrialTransition[],
  from: number,
  to: number,
): TriedIncident[] {
  const incidents = new Map<string, TriedIncident>();
  for (const { rule, incident, ...transition } of transitions) {
    const { ts, state, severity, value, threshold } = transition;
    if (ts >= to) continue;
    const known = incidents.get(incident);
    if (known === undefined) {
      const opened = { rule, meter, incident, ts, resolved: null, worst: severity, value, threshold };
      incidents.set(incident, { ...opened, before: ts < from, transitions: [transition] });
      continue;
    }
    known.transitions.push(transition);
    if (SEVERITIES.indexOf(severity) > SEVERITIES.indexOf(known.worst)) known.worst = severity;
    if (state === "resolved") known.resolved = ts;
  }
  return [...incidents.values()]
    .filter(({ resolved }) => resolved === null || resolved >= from)
    .sort((a, b) => a.ts - b.ts || (a.rule < b.rule ? -1 : 1));
}
