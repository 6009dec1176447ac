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
      rules: summariesOf(report).map(({ rule: { id }, ...summary }) => ({ id, ...summary })),
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

/** What each rule came to, in the order of the rules: in one pass, however many there are of both. */
function summariesOf({ plan, incidents, to }: RulesReport): ({ rule: Rule } & Summary)[] {
  const found = plan.rules.map((rule) => ({ rule, incidents: 0, meters: new Set<string>(), firing: 0, longestMs: 0 }));
  const byRule = new Map(found.map((summary) => [summary.rule.id, summary]));
  for (const { rule, meter, ts, resolved } of incidents) {
    const summary = byRule.get(rule);
    if (summary === undefined) continue;
    summary.incidents++;
    summary.meters.add(meter);
    if (resolved === null) summary.firing++;
    summary.longestMs = Math.max(summary.longestMs, (resolved ?? to) - ts);
  }
  return found.map(({ rule, incidents, meters, firing, longestMs }) => ({
    rule,
    incidents,
    meters: meters.size,
    firing,
    longestMs,
  }));
}

/** What rows of incidents have in common; a clock is dear to make, and few zones are many incidents'. */
class Rows {
  readonly #plan: TenantPlan;
  readonly #to: number;
  readonly #rules: ReadonlyMap<string, Rule>;
  readonly #clocks = new Map<string, LocalClock>();

  constructor({ plan, to }: RulesReport) {
    this.#plan = plan;
    this.#to = to;
    this.#rules = new Map(plan.rules.map((rule) => [rule.id, rule]));
  }

  clock(timezone: string): LocalClock {
    let clock = this.#clocks.get(timezone);
    if (clock === undefined) {
      clock = new LocalClock(timezone);
      this.#clocks.set(timezone, clock);
    }
    return clock;
  }

  of(incident: TriedIncident): string[] {
    const { ts, resolved, meter, rule, before } = incident;
    const clock = this.clock(stepAt(timelineFor(this.#plan, meter), ts).settings.timezone);
    const opened = `${clock.text(iso(ts))}${before ? " or before" : ""}`;
    const ended = resolved === null ? "still open" : clock.text(iso(resolved));
    const lasted = durationText((resolved ?? this.#to) - ts);
    return [opened, ended, lasted, meter, rule, severities(incident, clock), value(this.#rules.get(rule), incident)];
  }
}

/** A report as lines for people: each incident, then what each rule came to. Times are on the meter's own clock. */
export function rulesText(report: RulesReport): string[] {
  const { plan, incidents, from, to, refused } = report;
  const shown = new Rows(report);
  const clock = shown.clock(plan.timezone);
  const range = `${clock.text(iso(from))} to ${clock.text(iso(to))} (${clock.zone})`;
  const looked = `${count(report.meters, "meter")}, ${count(report.readings, "reading")}`;
  const rows = incidents.map((incident) => shown.of(incident));
  const summary = summariesOf(report).map(summaryRow);
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

/** The severity with which it opened and each change of it. */
function severities({ transitions }: TriedIncident, clock: LocalClock): string {
  const [first, ...others] = transitions.filter(({ state }) => state === "firing");
  return [first?.severity, ...others.map(({ severity, ts }) => `${severity} from ${clock.text(iso(ts)).slice(0, 16)}`)].join(
    ", ",
  );
}

/** The value that opened it beside the threshold; the flag or the silence where there is none. */
function value(rule: Rule | undefined, { value, threshold }: TriedIncident): string {
  if (rule?.on === "nodata") return "no data";
  if (rule?.on === "flag") return String(rule.flag);
  return `${value ?? "unknown"} ${rule?.op ?? ""} ${threshold ?? ""}`;
}

function summaryRow({ rule, incidents, meters, firing, longestMs }: { rule: Rule } & Summary): string[] {
  return [rule.id, String(incidents), String(meters), String(firing), longestMs === 0 ? "" : durationText(longestMs)];
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}
