import type { z } from "zod";
import { decimalParts } from "../base/decimal.js";
import { SEVERITIES, type Severity } from "../base/entries.js";
import { globsMeet } from "../base/glob.js";
import type { RuleLevel } from "../base/settings.js";
import type { FieldIssue } from "./fields.js";

interface MeterFields {
  decimals: number;
  step: number | null;
  multiplier: number;
  modulus: number | null;
}

interface RuleFields {
  op: string;
  threshold: number;
  clear: number | null;
  levels: readonly RuleLevel[];
}

interface NoDataFields {
  rules: readonly { on: string; for: number; meters: string }[];
  meters: readonly { match: string; expect: number | null }[];
}

/** Largest power of ten by which a row is divided: beyond it a double no longer holds the power exactly. */
const MAX_SCALE = 18;

/** What the fields of one entry of `meters` owe to each other. */
export function checkMeter(meter: MeterFields, context: z.RefinementCtx): void {
  const resolution = `a whole multiple of the resolution, ${10 ** -meter.decimals} at ${meter.decimals} decimals`;
  if (meter.step !== null && !isMultiple(meter.step, meter.decimals))
    add(context, "step", meter.step, { allowed: resolution, remedy: "Raise `decimals`, or round `step`." });
  if (meter.modulus !== null && !isMultiple(meter.modulus, meter.decimals))
    add(context, "modulus", meter.modulus, { allowed: resolution, remedy: "Raise `decimals`, or round `modulus`." });
  else if (meter.modulus !== null && meter.modulus <= (meter.step ?? 10 ** -meter.decimals))
    add(context, "modulus", meter.modulus, {
      allowed: "more than one step",
      remedy: "Give the value at which the register shows 0.",
    });
  const { digits, decimals } = decimalParts(meter.multiplier);
  if (decimals > MAX_SCALE - 9 || !Number.isSafeInteger(digits))
    add(context, "multiplier", meter.multiplier, { allowed: "at most 9 decimals", remedy: "Round it." });
}

/** The second threshold lies on the side where the condition is not true; levels climb. */
export function checkRule(rule: RuleFields, context: z.RefinementCtx): void {
  const above = rule.op.startsWith(">");
  checkLevels(rule, above, context);
  if (rule.clear === null) return;
  if (above ? rule.clear <= rule.threshold : rule.clear >= rule.threshold) return;
  add(context, "clear", rule.clear, {
    allowed: `at ${above ? "most" : "least"} the threshold ${rule.threshold} for op "${rule.op}"`,
    remedy: "Between threshold and clear nothing changes; leave `clear` out for none.",
  });
}

/** Each level lies beyond the one before and is graver, so that at any amount it is plain which one holds. */
function checkLevels({ levels, op }: RuleFields, above: boolean, context: z.RefinementCtx): void {
  const rank = (severity: Severity) => SEVERITIES.indexOf(severity);
  for (const [index, { severity, threshold }] of levels.entries()) {
    const before = levels[index - 1];
    if (before === undefined) continue;
    if (above ? threshold <= before.threshold : threshold >= before.threshold)
      add(context, ["levels", index, "threshold"], threshold, {
        allowed: `${above ? "above" : "below"} the level before, ${before.threshold}, for op "${op}"`,
        remedy: "List the levels in the order in which an incident climbs.",
      });
    if (rank(severity) <= rank(before.severity))
      add(context, ["levels", index, "severity"], severity, {
        allowed: `graver than the level before, "${before.severity}" (${SEVERITIES.join(", ")})`,
        remedy: "List the levels in the order in which an incident climbs.",
      });
  }
}

/** A rule on missing data has to know when a reading is due, from itself or from the meters. */
export function checkNoData({ rules, meters }: NoDataFields, context: z.RefinementCtx): void {
  for (const [index, rule] of rules.entries()) {
    if (!isNeverDue(rule, meters)) continue;
    add(context, ["rules", index, "for"], undefined, NEVER_DUE);
  }
}

export const NEVER_DUE: FieldIssue = {
  allowed: "how long no reading may come, since no entry of meters that the rule matches says so by `expect`",
  remedy: 'Add "for", or "expect" to the meters.',
};

/** Whether a rule waits for readings of which nothing says when they are due. */
export function isNeverDue(rule: NoDataFields["rules"][0], meters: NoDataFields["meters"]): boolean {
  if (rule.on !== "nodata" || rule.for > 0) return false;
  return !meters.some(({ match, expect }) => expect !== null && globsMeet(match, rule.meters));
}

function isMultiple(value: number, decimals: number): boolean {
  return decimalParts(value).decimals <= decimals && Number.isSafeInteger(Math.round(value * 10 ** decimals));
}

function add(context: z.RefinementCtx, path: string | (string | number)[], input: unknown, params: FieldIssue): void {
  context.addIssue({ code: "custom", path: typeof path === "string" ? [path] : path, params: { ...params }, input });
}
