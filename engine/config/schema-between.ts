import type { z } from "zod";
import { decimalParts } from "../base/decimal.js";
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

/** The second threshold lies on the side where the condition is not true. */
export function checkRule(rule: RuleFields, context: z.RefinementCtx): void {
  if (rule.clear === null) return;
  const above = rule.op.startsWith(">");
  if (above ? rule.clear <= rule.threshold : rule.clear >= rule.threshold) return;
  add(context, "clear", rule.clear, {
    allowed: `at ${above ? "most" : "least"} the threshold ${rule.threshold} for op "${rule.op}"`,
    remedy: "Between threshold and clear nothing changes; leave `clear` out for none.",
  });
}

function isMultiple(value: number, decimals: number): boolean {
  return decimalParts(value).decimals <= decimals && Number.isSafeInteger(Math.round(value * 10 ** decimals));
}

function add(context: z.RefinementCtx, name: string, input: unknown, params: FieldIssue): void {
  context.addIssue({ code: "custom", path: [name], params: { ...params }, input });
}
