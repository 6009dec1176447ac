import fastJson from "fast-json-stringify";
import { flagNames } from "../base/flags.js";
import type { MeterTimeline } from "../base/settings.js";
import type { ConsumptionRow, IncidentRow, ReadingRow } from "../store/interface.js";
import { calendarAt } from "./month-spans.js";

const number = { type: "number" } as const;
const nullableNumber = { type: "number", nullable: true } as const;
const text = { type: "string" } as const;
const flags = { type: "array", items: text } as const;

function rows(properties: Record<string, object>): (value: object[]) => string {
  return fastJson({ type: "array", items: { type: "object", properties } } as never) as (value: object[]) => string;
}

const readingsText = rows({ ts: text, value: number, delta: nullableNumber, flags, rev: number });
const consumptionText = rows({
  ts: text,
  localDate: text,
  value: nullableNumber,
  min: nullableNumber,
  max: nullableNumber,
  coverage: number,
  readings: number,
  flags,
});
const incidentsText = rows({
  incident: text,
  meter: text,
  rule: text,
  state: text,
  severity: text,
  worst: text,
  ts: text,
  resolved: { type: "string", nullable: true },
  value: nullableNumber,
  threshold: nullableNumber,
});

function time(ms: number): string {
  return new Date(ms).toISOString();
}

/** JSON of readings as the contract shows them. */
export function readingsJson(found: readonly ReadingRow[]): string {
  return readingsText(found.map((row) => ({ ...row, ts: time(row.ts), flags: flagNames(row.flags) })));
}

/** JSON of periods; `localDate` is that of the period's first instant in the zone in force then. */
export function consumptionJson(found: readonly Omit<ConsumptionRow, "period">[], timeline: MeterTimeline): string {
  return consumptionText(
    found.map((row) => {
      const localDate = calendarAt(timeline, row.ts).localDate(row.ts);
      return { ...row, ts: time(row.ts), localDate, flags: flagNames(row.flags) };
    }),
  );
}

/** JSON of incidents: `ts` is when one opened, `resolved` when it ended, null while it lasts. */
export function incidentsJson(found: readonly IncidentRow[]): string {
  return incidentsText(
    found.map((row) => ({ ...row, ts: time(row.ts), resolved: row.resolved === null ? null : time(row.resolved) })),
  );
}
