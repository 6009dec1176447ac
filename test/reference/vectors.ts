import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { PeriodName } from "../../engine/base/entries.js";
import type { FlagName } from "../../engine/base/flags.js";
import { packageRoot } from "../../engine/base/package-root.js";
import { defaultSettings, type MeterSettings } from "../../engine/base/settings.js";
import type { Input } from "./history.js";

/** A case that was worked out independently: settings, readings in order of arrival, and the rows of both tables. */
export interface Vector {
  name: string;
  settings: Partial<Omit<MeterSettings, "interval"> & { interval: "30m" | "1h" }>;
  arrivals: { ts: string; value: number; rev?: number; exchange?: { final: number; start: number } | null }[];
  readings: { ts: string; value: number; delta: number | null; flags: FlagName[] }[];
  consumption: {
    ts: string;
    period: PeriodName;
    localDate: string;
    value: number | null;
    min: number | null;
    max: number | null;
    coverage: number;
    readings: number;
    flags: FlagName[];
  }[];
}

export const vectors: readonly Vector[] = JSON.parse(readFileSync(join(packageRoot, "test", "vectors.json"), "utf8"));
const LENGTHS_MS = { "30m": 1_800_000, "1h": 3_600_000 };

/** A case's settings with every default filled in. */
export function settingsOf({ interval = "1h", ...given }: Vector["settings"]): MeterSettings {
  const defaults = defaultSettings("UTC");
  const step = Number(`1e-${given.decimals ?? defaults.decimals}`);
  return { ...defaults, step, ...given, interval: LENGTHS_MS[interval] };
}

export function inputsOf({ arrivals }: Vector): Input[] {
  return arrivals.map((arrival): Input => ({ ...arrival, ts: Date.parse(arrival.ts) }));
}
