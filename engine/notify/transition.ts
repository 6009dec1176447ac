import { createHash } from "node:crypto";

/** Where a client wants its transitions to be posted. */
export interface Webhook {
  /** `http:` or `https:`. */
  readonly url: string;
  /** What the signature is made with. */
  readonly secret: string;
  /** Whether it may lie in a private network or on this machine. */
  readonly allowPrivate: boolean;
  /** Transitions of one rule that are sent within a minute; at least 1. */
  readonly perMinute: number;
}

/** By what files know a webhook: its address may hold a password, and stands in no file but the configuration. */
export function webhookId(tenant: string, url: string): string {
  return createHash("sha256").update(`${tenant}\n${url}`).digest("hex").slice(0, 16);
}

/** What may be said of a webhook's address in a log: its path and query may hold a token. */
export function originOf(url: string): string {
  try {
    return new URL(url).origin;
  } catch {
    return "an address that is none";
  }
}

/** A webhook's address as it may be shown: its scheme, host and port, and that there is more. */
export function shownAddress(url: string): string {
  const origin = originOf(url);
  return [origin, `${origin}/`].includes(url) ? origin : `${origin}/…`;
}

/** Lines for the operator's log. */
export interface NotifyLog {
  info(message: string): void;
  warn(message: string): void;
}
