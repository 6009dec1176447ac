import { durationText } from "../base/plain-text.js";
import { type Rule, stepAt, type TenantPlan, timelineFor } from "../base/settings.js";
import type { TriedIncident } from "../rules-test/incidents.js";
import type { RunResult } from "../rules-test/run.js";
import { LocalClock } from "./local-clock.js";
import { table } from "./text-table.js";

/** What the rules of one client did between `from` and `to`, epoch milliseconds. */
export interface RulesReport extends RunResult {
  plan: TenantPlan;
  from: number;
  to: number;
}

/** The reports as one JSON text: times in RFC 3339, durations in milliseconds. */
export function rulesJson(reports: readonly RulesReport[]): string {
  return JSON.stringify(
    reports.map((report) => ({
      ...{ tenant: report.plan.id, from: iso(report.from), to: iso(report.to), meters: report.meters },
      ...{ readings: report.readings, refused: report.refused },
      rules: report.plan.rules.map((rule) => ({ id: rule.id, ...summaryOf(report, rule) })),
      incidents: report.incidents.map((incident) => ({
        ...incident,
        ts: iso(incident.ts),
        resolved: incident.resolved === null ? null : iso(incident.resolved),
        durationMs: (incident.resolved ?? report.to) - incident.ts,
        transitions: incident.transitions.map((transition) => ({ ...transition, ts: iso(transition.ts) })),
      })),
    })),
    null,
    2,
  );
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

interface Summary {
  incidents: number;
  /** Of different meters. */
  meters: number;
  /** Open at the end of the range. */
  firing: number;
  longestMs: number;
}

function summaryOf({ incidents, to }: RulesReport, { id }: Rule): Summary {
  const own = incidents.filter(({ rule }) => rule === id);
  return {
    incidents: own.length,
    meters: new Set(own.map(({ meter }) => meter)).size,
    firing: own.filter(({ resolved }) => resolved === null).length,
    longestMs: own.reduce((longest, { ts, resolved }) => Math.max(longest, (resolved ?? to) - ts), 0),
  };
}

/** A report as lines for people: each incident, then what each rule came to. Times are on the meter's own clock. */
export function rulesText(report: RulesReport): string[] {
  const { plan, incidents, from, to, refused } = report;
  const clock = new LocalClock(plan.timezone);
  const range = `${clock.text(iso(from))} to ${clock.text(iso(to))} (${clock.zone})`;
  const looked = `${count(report.meters, "meter")}, ${count(report.readings, "reading")}`;
  const rows = incidents.map((incident) => rowOf(report, incident));
  const summary = plan.rules.map((rule) => summaryRow(rule, summaryOf(report, rule)));
  return [
    `${plan.id}, ${range}: ${looked}, ${count(incidents.length, "incident")}`,
    ...(refused === 0 ? [] : [`${count(refused, "stored record")} left out: the settings of its meter refuse it now`]),
    "",
    ...(rows.length === 0
      ? []
      : [...table([["opened", "resolved", "lasted", "meter", "rule", "severity", "value"], ...rows]), ""]),
    ...table([["rule", "incidents", "meters", "open at the end", "longest"], ...summary]),
  ];
}

function rowOf({ plan, to }: RulesReport, incident: TriedIncident): string[] {
  const { ts, resolved, meter, rule, before } = incident;
  const clock = new LocalClock(stepAt(timelineFor(plan, meter), ts).settings.timezone);
  const opened = `${clock.text(iso(ts))}${before ? " or before" : ""}`;
  const ended = resolved === null ? "still open" : clock.text(iso(resolved));
  const lasted = durationText((resolved ?? to) - ts);
  return [opened, ended, lasted, meter, rule, severities(incident, clock), value(plan, incident)];
}

/** The severity with which it opened and each change of it. */
function severities({ transitions }: TriedIncident, clock: LocalClock): string {
  const [first, ...others] = transitions.filter(({ state }) => state === "firing");
  return [first?.severity, ...others.map(({ severity, ts }) => `${severity} from ${clock.text(iso(ts)).slice(0, 16)}`)].join(
    ", ",
  );
}

/** The value that opened it beside the threshold; the flag or the silence where there is none. */
function value(plan: TenantPlan, { rule: id, value, threshold }: TriedIncident): string {
  const rule = plan.rules.find((each) => each.id === id);
  if (rule?.on === "nodata") return "no data";
  if (rule?.on === "flag") return String(rule.flag);
  return `${value ?? "unknown"} ${rule?.op ?? ""} ${threshold ?? ""}`;
}

function summaryRow(rule: Rule, { incidents, meters, firing, longestMs }: Summary): string[] {
  return [rule.id, String(incidents), String(meters), String(firing), longestMs === 0 ? "" : durationText(longestMs)];
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}
