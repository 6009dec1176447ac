import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../engine/base/package-root.js";
import type { ShownPeriod } from "./api.js";

export const HOUR_MS = 3_600_000;

/**
 * What a recorded series must end in, worked out from the file alone: whole numbers throughout, one division per figure,
 * and local dates from Intl. It knows nothing of the engine.
 */
export interface Recorded {
  readonly meter: string;
  /** As the configuration has it. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly readings: readonly { meter: string; ts: number; value: number }[];
  readonly hours: readonly ShownPeriod[];
  readonly days: readonly ShownPeriod[];
  /** Hours of each local day that is closed and whole. */
  readonly hoursOfDay: ReadonlyMap<string, number>;
}

/** Amounts within hours, as a register that starts at 0 would show them. */
export function recordedEnergy(file: string, timezone: string, decimals: number): Recorded {
  const rows = readCsv(file, decimals);
  const scale = 10 ** decimals;
  const meter = file.replace("-hourly.csv", "");
  const readings = [{ meter, ts: rows[0]!.ts, value: 0 }];
  let register = 0;
  for (const { ts, units } of rows) {
    register += units;
    readings.push({ meter, ts: ts + HOUR_MS, value: register / scale });
  }
  const localDate = dateIn(timezone);
  const hours = rows.map(({ ts, units }) => ({
    ...{ ts: iso(ts), localDate: localDate(ts), value: units / scale, min: null, max: null },
    ...{ coverage: 1, readings: 1, flags: [] },
  }));
  const days = closedDays(rows, localDate).map((day) => {
    const value = day.rows.reduce((sum, { units }) => sum + units, 0) / scale;
    // The first reading of all lies within the first day, unless it stands at its beginning.
    return periodOf(day, value, null, null, day.missingHours > 0 ? ["FIRST", "PARTIAL"] : []);
  });
  const settings = { match: meter, kind: "counter", decimals, timezone };
  return { meter, settings, readings, hours, days, hoursOfDay: hoursOfDay(rows, localDate) };
}

/** A level that was read every hour: straight lines between the readings. */
export function recordedLevel(file: string, timezone: string, decimals: number): Recorded {
  const rows = readCsv(file, decimals);
  const scale = 10 ** decimals;
  const meter = file.replace("-hourly.csv", "");
  const localDate = dateIn(timezone);
  // The line of an hour runs from its reading to the next one.
  const lines = rows.slice(0, -1).map(({ ts, units }, i) => ({ ts, units, next: rows[i + 1]!.units }));
  const figures = (some: readonly { units: number; next: number }[]) => {
    const doubled = some.reduce((sum, { units, next }) => sum + units + next, 0);
    const levels = some.flatMap(({ units, next }) => [units, next]);
    return {
      value: (doubled * HOUR_MS) / (2 * some.length * HOUR_MS * scale),
      min: Math.min(...levels) / scale,
      max: Math.max(...levels) / scale,
    };
  };
  const hours = lines.map((line) => {
    const { value, min, max } = figures([line]);
    return { ts: iso(line.ts), localDate: localDate(line.ts), value, min, max, coverage: 1, readings: 1, flags: [] };
  });
  const days = closedDays(lines, localDate).map((day) => {
    const { value, min, max } = figures(day.rows);
    return periodOf(day, value, min, max, day.missingHours > 0 ? ["PARTIAL"] : []);
  });
  const settings = { match: meter, kind: "gauge", decimals, timezone };
  const readings = rows.map(({ ts, units }) => ({ meter, ts, value: units / scale }));
  return { meter, settings, readings, hours, days, hoursOfDay: hoursOfDay(lines, localDate) };
}

interface Day<Row> {
  date: string;
  start: number;
  rows: Row[];
  /** Hours of the first day before the series begins. */
  missingHours: number;
}

function periodOf(
  { date, start, rows, missingHours }: Day<unknown>,
  value: number,
  min: number | null,
  max: number | null,
  flags: string[],
): ShownPeriod {
  return {
    ...{ ts: iso(start), localDate: date, value, min, max },
    coverage: rows.length / (rows.length + missingHours),
    readings: rows.length + (missingHours > 0 ? 1 : 0),
    flags,
  };
}

/** The rows of each local day that has ended when the last row has. */
function closedDays<Row extends { ts: number }>(rows: readonly Row[], localDate: (ts: number) => string): Day<Row>[] {
  const days: Day<Row>[] = [];
  for (const row of rows) {
    const date = localDate(row.ts);
    if (days.at(-1)?.date !== date) days.push({ date, start: row.ts, rows: [], missingHours: 0 });
    days.at(-1)!.rows.push(row);
  }
  const first = days[0]!;
  while (localDate(first.start - HOUR_MS) === first.date) {
    first.start -= HOUR_MS;
    first.missingHours++;
  }
  const ended = localDate(rows.at(-1)!.ts + HOUR_MS) !== days.at(-1)!.date;
  return ended ? days : days.slice(0, -1);
}

function hoursOfDay(rows: readonly { ts: number }[], localDate: (ts: number) => string): Map<string, number> {
  const whole = closedDays(rows, localDate).filter(({ missingHours }) => missingHours === 0);
  return new Map(whole.map(({ date, rows: { length } }) => [date, length]));
}

function dateIn(timeZone: string): (ts: number) => string {
  const format = new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" });
  return (ts) => format.format(ts);
}

function readCsv(file: string, decimals: number): { ts: number; units: number }[] {
  const [, ...lines] = readFileSync(join(packageRoot, "demo", "data", file), "utf8")
    .trimEnd()
    .split("\n");
  assert.ok(lines.length > 10_000, `${file} has only ${lines.length} rows`);
  return lines.map((line) => {
    const [time = "", number = ""] = line.split(",");
    const [, sign = "", whole = "", fraction = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(number) ?? assert.fail(`${file}: ${line}`);
    assert.ok(fraction.length <= decimals, `${file}: ${line} has more than ${decimals} decimals`);
    // The file has a "-0", which is 0 in whole units.
    return { ts: Date.parse(time), units: Number(sign + whole + fraction.padEnd(decimals, "0")) + 0 };
  });
}

function iso(ts: number): string {
  return new Date(ts).toISOString();
}
