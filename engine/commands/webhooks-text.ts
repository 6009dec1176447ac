import { table } from "./text-table.js";

interface Named {
  webhook: string;
  url: string;
  position: number | null;
}

/** A webhook as `GET /v1/webhooks` shows it. */
export interface ShownWebhook extends Named {
  waiting: number;
  oldest: string | null;
  failure: string | null;
  attempts: number;
  nextAttempt: string | null;
  deadLetters: number;
  heldBack: number;
}

export interface RedeliveryAnswer {
  redelivered: number;
  left: number;
  webhooks: (Named & { redelivered: number; left: number })[];
}

const HEADS = ["webhook", "place", "address", "waiting", "since (UTC)", "dead letters", "held back", "last failure"];

export function listText(tenant: string, webhooks: readonly ShownWebhook[]): string[] {
  if (webhooks.length === 0) return [`${tenant} has no webhooks and no dead letters`];
  const rows = webhooks.map((webhook) => [
    ...[webhook.webhook, placeOf(webhook), webhook.url, String(webhook.waiting), time(webhook.oldest)],
    ...[String(webhook.deadLetters), String(webhook.heldBack), failureOf(webhook)],
  ]);
  return [`${tenant}: ${count(webhooks.length, "webhook")}`, "", ...table([HEADS, ...rows])];
}

export function resendText(tenant: string, { redelivered, left, webhooks }: RedeliveryAnswer): string[] {
  if (redelivered + left === 0) return [`${tenant} has no dead letters`];
  const lines = webhooks.flatMap((webhook) => {
    const name = `${webhook.webhook}, ${[placeOf(webhook), webhook.url].filter((part) => part !== "").join(" ")}`;
    const why = webhook.position === null ? "configure it again first" : "too many wait already, give this command again later";
    return [
      ...(webhook.redelivered > 0 ? [`${name}: ${count(webhook.redelivered, "dead letter")} to be sent again`] : []),
      ...(webhook.left > 0 ? [`${name}: ${count(webhook.left, "dead letter")} left; ${why}`] : []),
    ];
  });
  return [`${tenant}: ${count(redelivered, "dead letter")} to be sent again, ${left} left`, ...lines];
}

function placeOf({ position }: Named): string {
  return position === null ? "not configured" : `webhooks[${position}]`;
}

function failureOf({ failure, attempts, nextAttempt }: ShownWebhook): string {
  if (failure === null) return "";
  const next = nextAttempt === null ? "" : `, the next not before ${time(nextAttempt)}`;
  return `${failure} (${count(attempts, "attempt")} in a row${next})`;
}

function time(iso: string | null): string {
  return iso === null ? "" : iso.slice(0, 19).replace("T", " ");
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}
