import { durationText } from "./quantity.js";
import type { RuleConfig } from "./schema-rules.js";

/** A rule as it may stand in a configuration, with every default written out: what is read again is the same rule. */
export function ruleForm(rule: RuleConfig): Record<string, unknown> {
  const { id, meters, on, severity } = rule;
  const schedule =
    rule.schedule === null ? null : { ...rule.schedule, from: timeText(rule.schedule.from), to: timeText(rule.schedule.to) };
  const wait = durationText(rule.for);
  if (on === "nodata") return { id, meters, on, for: wait, schedule, severity };
  const damped = { for: wait, keepFiring: durationText(rule.keepFiring), schedule };
  if (on === "flag") return { id, meters, on, flag: rule.flag, ...damped, severity };
  const { op, threshold, clear, levels } = rule;
  if (levels.length === 0) return { id, meters, on, op, threshold, clear, ...damped, severity };
  const steps = levels.map((level) => ({ severity: level.severity, threshold: level.threshold }));
  return { id, meters, on, op, clear, ...damped, levels: steps };
}

/** "22:00" of minutes after midnight. */
function timeText(minute: number): string {
  const two = (number: number) => String(number).padStart(2, "0");
  return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
}
