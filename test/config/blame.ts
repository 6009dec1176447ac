import { faultLine } from "../../engine/config/fault.js";
import { parseConfig } from "../../engine/config/load.js";

export type Json = Record<string, unknown>;

/** What a file with these settings beside a valid tenant is blamed for, one line a fault. */
export function blame(settings: Json): string[] {
  const result = parseConfig({ tenants: [{ id: "acme" }], ...settings }, "test.json");
  return "faults" in result ? result.faults.map(faultLine) : [];
}

export const DURATION = 'whole numbers with units, the largest first, such as "15m", "1h30m", "1d" (w d h m s ms)';
export const LATER = "not available in this version. Remove it, or wait for a later version.";
