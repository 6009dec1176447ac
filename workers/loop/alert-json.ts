import type { AlertTransition } from "../../engine/base/alert-transition.js";
import { SEVERITIES } from "../../engine/base/entries.js";
import type { EntryViews } from "../../engine/base/entry-views.js";
import type { Directory } from "../state/directory.js";

/** The transition that an ALERT entry at byte `at` holds. */
export function alertTransition({ u32, f64 }: EntryViews, at: number, directory: Directory): AlertTransition {
  const word = at >> 2;
  const double = at >> 3;
  const meter = u32[word + 1]!;
  const ts = f64[double + 1]!;
  const incident = hex(u32[word + 11]!) + hex(u32[word + 10]!);
  const state = (u32[word]! >>> 8) & 1 ? "firing" : "resolved";
  const severity = SEVERITIES[(u32[word]! >>> 16) & 0xff] ?? "critical";
  return {
    key: `${incident}-${state}-${severity}-${ts}`,
    ts: new Date(ts).toISOString(),
    tenant: directory.tenantOfMeter(meter),
    meter: directory.meter(meter),
    rule: directory.rule(u32[word + 8]!),
    incident,
    state,
    severity,
    value: nullable(f64[double + 2]!),
    threshold: nullable(f64[double + 3]!),
  };
}

function hex(half: number): string {
  return half.toString(16).padStart(8, "0");
}

function nullable(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}
