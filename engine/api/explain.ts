import { PERIODS } from "../base/entries.js";
import { MeterstormError } from "../base/errors.js";
import type { Explanation } from "../base/explanation.js";
import { limits } from "../base/limits.js";
import { startOfDate } from "../base/local-date.js";
import { type MeterTimeline, stepAt, type TenantPlan, timelineFor } from "../base/settings.js";
import { errorAnswer, type HttpAnswer, jsonAnswer } from "../intake/network.js";
import type { Shard } from "../shards/shard.js";
import type { Store } from "../store/interface.js";
import { explainMonth } from "./explain-month.js";
import { calendarAt, monthAt, settingsWithin } from "./month-spans.js";
import { choice, instantOrDate } from "./parameters.js";
import type { ShardQueries } from "./shard-queries.js";

/** A shard waits some seconds for the store, and then for its answer; others may ask before. */
const ANSWER_WITHIN_MS = 20_000;

const STATUSES: Readonly<Record<string, number>> = {
  parameter_invalid: 400,
  figure_unknown: 404,
  figure_too_large: 422,
  store_unavailable: 503,
  busy: 503,
};

/** What a shard tells of a meter, as far as it matters here. */
interface KnownMeter {
  last: { ts: string } | null;
  pending: number;
}

export interface ExplainOptions {
  plan(tenant: string): TenantPlan | undefined;
  shardsOf(tenant: string): readonly Shard[];
  store: Pick<Store, "consumption">;
  queries: ShardQueries;
}

/**
 * `GET /v1/meters/{meter}/explain?period=&ts=`: what lies behind a figure. Null where the meter is not known. Throws MeterstormError
 * `parameter_invalid`, `busy` and `store_unavailable`.
 */
export async function explainAnswer(
  options: ExplainOptions,
  tenant: string,
  meter: string,
  query: URLSearchParams,
): Promise<HttpAnswer | null> {
  const period = choice(query, "period", ["reading", ...PERIODS, "month"] as const, "reading") ?? "reading";
  const ts = instantOrDate(query, "ts");
  if (period === "month") return month(options, tenant, meter, ts);
  if (period === "reading" && typeof ts === "string") {
    throw new MeterstormError(
      "parameter_invalid",
      `ts is the date ${ts}; a reading is found by its own instant, to the millisecond`,
    );
  }
  const answer = await firstOf<Explanation>(options, tenant, { kind: "explain", tenant, meter, period, ts });
  return answer === null ? null : answered(answer);
}

/** What the one shard says that knows the meter; null: none does. */
async function firstOf<T>({ queries, shardsOf }: ExplainOptions, tenant: string, ask: object): Promise<Refused | T | null> {
  const answers = await Promise.all(shardsOf(tenant).map((shard) => queries.ask(shard, ask, ANSWER_WITHIN_MS)));
  return (answers.find((answer) => answer !== null) ?? null) as Refused | T | null;
}

interface Refused {
  error: { code: string; message: string };
}

function answered(answer: Refused | Explanation): HttpAnswer {
  if (!("error" in answer)) return jsonAnswer(200, answer);
  const { code, message } = answer.error;
  const status = STATUSES[code] ?? 500;
  return errorAnswer(status, code, message, status === 503 ? { "retry-after": "2" } : {});
}

/** Months are no rows of a table: their days are read here, as the query of consumption does. */
async function month(options: ExplainOptions, tenant: string, meter: string, ts: number | string): Promise<HttpAnswer | null> {
  const known = await firstOf<KnownMeter>(options, tenant, { kind: "meter", tenant, meter });
  if (known === null) return null;
  if ("error" in known) return errorAnswer(500, known.error.code, known.error.message);
  const plan = options.plan(tenant);
  if (plan === undefined) return null;
  const { last, pending } = known;
  const timeline = timelineFor(plan, meter);
  const within = typeof ts === "number" ? ts : instantInMonth(timeline, ts);
  const { settings } = stepAt(timeline, within);
  const span = monthAt(timeline, within);
  if (!settingsWithin(timeline, span).some(({ periods }) => periods.includes("day"))) {
    const kept = settings.periods.join(", ");
    throw new MeterstormError(
      "parameter_invalid",
      `meter "${meter}" keeps no days, which make a month; its "periods" are ${kept}`,
    );
  }
  const rows = await options.store.consumption(tenant, meter, "day", span, limits.maxQueryRows);
  const newestMs = last === null ? Number.NEGATIVE_INFINITY : Date.parse(last.ts);
  const explained = explainMonth(meter, timeline, settings, rows, span, newestMs, pending);
  if (explained !== null) return jsonAnswer(200, explained);
  const taken = last === null ? "nothing was taken of it yet" : `its newest reading is of ${last.ts}`;
  const name = calendarAt(timeline, within).localDate(within).slice(0, 7);
  return errorAnswer(404, "figure_unknown", `meter "${meter}" has no day with figures in ${name}; ${taken}`);
}

/**
 * An instant of the month that a date says: on that date, or amid the month where its first day stands for all of it and where the zone
 * skipped the date.
 */
function instantInMonth(timeline: MeterTimeline, date: string): number {
  const startOf = (text: string) => startOfDate(calendarAt(timeline, Date.parse(`${text}T00:00:00Z`)), text);
  const asked = date.endsWith("-01") ? Number.NaN : startOf(date);
  return Number.isNaN(asked) ? startOf(`${date.slice(0, 8)}15`) : asked;
}
