import { type HttpAnswer, textAnswer } from "../intake/network.js";
import type { Store } from "../store/interface.js";
import { choice, count, foreignCursor, range } from "./parameters.js";
import { incidentsJson } from "./rows.js";

const MOST_INCIDENTS = 1000;
const CURSOR = /^(\d{1,15})\.([0-9a-f]{16})$/;

/**
 * `GET /v1/alerts`: the incidents that were open at any instant of the range, in order of their opening. Of more than `limit` those that
 * opened last; the next page's are older.
 */
export async function incidentsAnswer(store: Store, tenant: string, query: URLSearchParams): Promise<HttpAnswer> {
  const { from, to } = range(query);
  const state = choice(query, "state", ["firing", "resolved"] as const, null);
  const meter = query.get("meter");
  const rule = query.get("rule");
  const limit = count(query, "limit", 100, MOST_INCIDENTS);
  const before = olderThan(query);
  const found = await store.incidents(tenant, {
    ...{ from, to, limit: limit + 1 },
    ...(state === null ? {} : { state }),
    ...(meter === null ? {} : { meter }),
    ...(rule === null ? {} : { rule }),
    ...(before === null ? {} : { before }),
  });
  const page = found.slice(-limit);
  const oldest = page[0];
  const isWhole = oldest === undefined || found.length <= limit;
  return textAnswer(200, incidentsJson(page), isWhole ? {} : { "meterstorm-next-cursor": `${oldest.ts}.${oldest.incident}` });
}

/** `cursor` is the oldest incident of the page before: when it opened, and its id. */
function olderThan(query: URLSearchParams): { ts: number; incident: string } | null {
  const cursor = query.get("cursor") ?? "";
  if (cursor === "") return null;
  const match = CURSOR.exec(cursor);
  if (match === null) throw foreignCursor();
  return { ts: Number(match[1]), incident: match[2]! };
}
