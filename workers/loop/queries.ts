import { PERIODS } from "../../engine/base/entries.js";
import { MeterstormError, messageOf } from "../../engine/base/errors.js";
import { flagNames } from "../../engine/base/flags.js";
import type { MeterSettings } from "../../engine/base/settings.js";
import { createRunning } from "../state/book.js";
import { ChangedSet } from "../state/changed.js";
import type { Applier } from "./applier.js";
import type { ExplainQuery } from "./explain.js";

/** What only the shard knows: its meters and what runs in them. */
export type ShardQuery =
  | { kind: "meters"; tenant: string; contains: string; after: string; limit: number }
  | { kind: "meter"; tenant: string; meter: string }
  /** Meters that changed since this was last asked, for a cache outside; `all`: every meter, since the cache may hold none. */
  | { kind: "changed"; limit: number; all: boolean }
  | ExplainQuery;

/** What a cache keeps of a meter: the contract's fields of `meterstorm:{tenant}:last`. */
export interface ChangedMeter {
  tenant: string;
  meter: string;
  json: string;
}

export interface MeterSummary {
  meter: string;
  kind: string;
  unit: string;
  last: { ts: string; value: number; delta: number | null; flags: string[] } | null;
  running: Record<string, { start: string; value: number | null }>;
}

const running = createRunning();

function errorJson(error: unknown): string {
  const code = error instanceof MeterstormError ? error.code : "internal";
  return JSON.stringify({ error: { code, message: messageOf(error) } });
}

/**
 * Answers a query (JSON in, JSON out): summaries ordered by id, one summary or null, changed meters, or what `explain` makes of its own,
 * later, or its error.
 */
export function answerQuery(
  applier: Applier,
  text: string,
  explain: (query: ExplainQuery) => Promise<string>,
): string | Promise<string> {
  const query = JSON.parse(text) as ShardQuery;
  if (query.kind === "explain") return explain(query).catch(errorJson);
  if (query.kind === "changed") return JSON.stringify(changedMeters(applier, query.limit, query.all));
  const tenant = applier.directory.tenantNumber(query.tenant);
  if (query.kind === "meters") {
    if (tenant < 0) return "[]";
    const ids = [...applier.directory.metersOf(tenant).keys()]
      .filter((id) => id > query.after && id.includes(query.contains))
      .sort();
    return JSON.stringify(ids.slice(0, query.limit).map((id) => summaryOf(applier, tenant, id)));
  }
  if (tenant < 0 || applier.directory.meterNumber(tenant, query.meter) < 0) return "null";
  const number = applier.directory.meterNumber(tenant, query.meter);
  const pending = applier.late.count(number);
  const settings = applier.book.settings(number);
  return JSON.stringify({ ...summaryOf(applier, tenant, query.meter), pending, settings, ...changesOf(applier, number) });
}

/** Where a meter's settings change at some time: what has been and will be in force, from when on. */
function changesOf(applier: Applier, meter: number): { changes?: { from: string; settings: MeterSettings }[] } {
  const [, ...dated] = applier.book.timeline(meter).timeline;
  if (dated.length === 0) return {};
  return { changes: dated.map(({ from, settings }) => ({ from: new Date(from).toISOString(), settings })) };
}

function changedMeters(applier: Applier, limit: number, all: boolean): ChangedMeter[] {
  applier.changed ??= new ChangedSet();
  if (all) for (let number = 0; number < applier.directory.meterCount; number++) applier.changed.mark(number);
  return applier.changed.take(limit).flatMap((number) => {
    applier.book.running(number, running);
    const { ts, value, delta, flags, hour, day } = running;
    // Known by name, but nothing was ever taken of it.
    if (Number.isNaN(ts)) return [];
    const json = JSON.stringify({
      ts,
      value,
      delta: nullable(delta),
      flags,
      hour: nullable(hour.value),
      day: nullable(day.value),
    });
    return { tenant: applier.directory.tenantOfMeter(number), meter: applier.directory.meter(number), json };
  });
}

export function summaryOf(applier: Applier, tenant: number, id: string): MeterSummary {
  const number = applier.directory.meterNumber(tenant, id);
  const settings = applier.book.settings(number);
  applier.book.running(number, running);
  const last = Number.isNaN(running.ts)
    ? null
    : {
        ts: new Date(running.ts).toISOString(),
        value: running.value,
        delta: nullable(running.delta),
        flags: flagNames(running.flags),
      };
  const open: MeterSummary["running"] = {};
  for (const period of PERIODS) {
    const { start, value } = running[period];
    if (!Number.isNaN(start)) open[period] = { start: new Date(start).toISOString(), value: nullable(value) };
  }
  return { meter: id, kind: settings.kind, unit: settings.unit, last, running: open };
}

function nullable(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}
