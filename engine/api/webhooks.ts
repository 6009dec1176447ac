import type { Identity } from "../config/keys.js";
import { errorAnswer, type HttpAnswer, type HttpRequest, jsonAnswer } from "../intake/network.js";
import type { Redelivered, WebhookState } from "../notify/redelivery.js";

export interface WebhooksOptions {
  /** See Notifier. */
  webhooks: {
    list(tenant: string): Promise<WebhookState[]>;
    redeliver(tenant: string, webhook: string | null): Promise<Redelivered[] | null>;
  };
}

/** `/v1/webhooks` and `/v1/webhooks/redeliver`, for somebody who is known; null: there is nothing at that path. */
export async function webhooksAnswer(
  { webhooks }: WebhooksOptions,
  { tenant, role }: Identity,
  { method, path, query }: HttpRequest,
): Promise<HttpAnswer | null> {
  const isList = path === "/v1/webhooks";
  if (!isList && path !== "/v1/webhooks/redeliver") return null;
  const isRead = method === "GET" || method === "HEAD";
  if (isList !== isRead || (!isList && method !== "POST")) {
    const allow = isList ? "GET" : "POST";
    return errorAnswer(405, "method", `use ${allow} here`, { allow });
  }
  if (role !== "admin") return errorAnswer(403, "forbidden", `this key's role is "${role}"; webhooks take "admin"`);
  if (isList) return jsonAnswer(200, (await webhooks.list(tenant)).map(shown));
  const only = query.get("webhook");
  const results = await webhooks.redeliver(tenant, only);
  if (results === null)
    return errorAnswer(
      404,
      "webhook_unknown",
      `this client has no webhook "${only?.slice(0, 100)}"; GET /v1/webhooks lists them`,
    );
  const sum = (pick: (result: Redelivered) => number): number => results.reduce((total, result) => total + pick(result), 0);
  const [redelivered, left] = [sum((result) => result.redelivered), sum((result) => result.left)];
  return jsonAnswer(200, { redelivered, left, webhooks: results });
}

function shown({
  webhook,
  url,
  position,
  waiting,
  oldestMs,
  attempts,
  failure,
  nextMs,
  heldBack,
  deadLetters,
}: WebhookState): object {
  const said = failure === "" ? "it failed before the engine was started" : failure;
  return {
    ...{ webhook, url, position, waiting, oldest: time(oldestMs) },
    ...{ failure: attempts === 0 ? null : said, attempts, nextAttempt: time(nextMs), deadLetters, heldBack },
  };
}

function time(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
