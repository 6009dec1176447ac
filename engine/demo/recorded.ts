import { readFileSync } from "node:fs";
import { join } from "node:path";
import { invariant, MeterstormError } from "../base/errors.js";
import { packageRoot } from "../base/package-root.js";

export const HOUR_MS = 3_600_000;
/** Decimals in which every recorded value is a whole number. */
export const RECORDED_DECIMALS = 3;
const UNITS = 10 ** RECORDED_DECIMALS;

export const RECORDED_NAMES = ["uk-electricity", "uk-temperature", "chicago-electricity", "chicago-gas"] as const;
export type RecordedName = (typeof RECORDED_NAMES)[number];

/** A recorded series without gaps: one whole number of thousandths for each hour. */
export interface Recorded {
  /** Epoch ms to which the first value belongs: the begin of its hour, or its instant for a temperature. */
  readonly startMs: number;
  readonly thousandths: Int32Array;
}

/** Reads `demo/data/<name>-hourly.csv`. Throws MeterstormError `demo_data` where a row is not what the series promise. */
export function readRecorded(name: RecordedName): Recorded {
  const path = join(packageRoot, "demo", "data", `${name}-hourly.csv`);
  const rows = readFileSync(path, "utf8").trimEnd().split("\n").slice(1);
  const thousandths = new Int32Array(rows.length);
  let startMs = 0;
  for (const [i, row] of rows.entries()) {
    const comma = row.indexOf(",");
    const ts = Date.parse(row.slice(0, comma));
    const value = Math.round(Number(row.slice(comma + 1)) * UNITS);
    if (i === 0) startMs = ts;
    if (ts !== startMs + i * HOUR_MS || !Number.isSafeInteger(value)) {
      throw new MeterstormError("demo_data", `${path}, row ${i + 2}: ${row} does not follow the row before it by an hour`);
    }
    thousandths[i] = value;
  }
  invariant(thousandths.length > 0, `${path} holds no rows`);
  return { startMs, thousandths };
}
