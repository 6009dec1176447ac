import type { IncomingMessage } from "node:http";
import { MeterstormError } from "../base/errors.js";

export const SUBPROTOCOL = "meterstorm.v1";

/**
 * The address of the stream: `base` may be an engine's `ws:`, `wss:`, `http:` or `https:` address,
 * with or without `/v1/stream`. Throws MeterstormError `url_invalid`.
 */
export function streamUrl(base: string, datalogger: string): string {
  const url = URL.canParse(base) ? new URL(base) : null;
  const protocol = url === null ? undefined : { "http:": "ws:", "https:": "wss:", "ws:": "ws:", "wss:": "wss:" }[url.protocol];
  if (url === null || protocol === undefined) {
    throw new MeterstormError(
      "url_invalid",
      `${JSON.stringify(base)} is no address of an engine; give one such as ws://127.0.0.1:8080`,
    );
  }
  const stream = new URL(url.pathname === "/" ? "/v1/stream" : url.pathname, url);
  stream.protocol = protocol;
  stream.searchParams.set("datalogger", datalogger);
  return stream.href;
}

const CODES: Record<number, string> = { 400: "bad_request", 401: "unauthorized", 403: "forbidden" };

/** Why an upgrade was refused; `retryAfterMs` is null where asking again would be answered the same. */
export interface UpgradeRefusal {
  readonly error: MeterstormError;
  readonly retryAfterMs: number | null;
}

/** Reads the answer to a refused upgrade. Never rejects: a body that does not arrive is left out of the message. */
export async function readRefusal(response: IncomingMessage): Promise<UpgradeRefusal> {
  const status = response.statusCode ?? 0;
  let body = "";
  try {
    for await (const chunk of response) {
      body += String(chunk);
      if (body.length > 4096) break;
    }
  } catch {
    // The status alone says enough.
  }
  let code = CODES[status] ?? `http_${status}`;
  let message = `the server refused the connection with HTTP ${status}`;
  try {
    const parsed = JSON.parse(body) as { error?: { code?: string; message?: string } };
    if (parsed.error?.code !== undefined) code = parsed.error.code;
    if (parsed.error?.message !== undefined) message += `: ${parsed.error.message}`;
  } catch {
    if (body !== "") message += `: ${body.slice(0, 200)}`;
  }
  // Requests that are wrong in themselves stay wrong; limits, draining and faults pass.
  const final = status >= 300 && status < 500 && status !== 429 && status !== 408;
  const seconds = Number(response.headers["retry-after"] ?? 0);
  return {
    error: new MeterstormError(code, message),
    retryAfterMs: final ? null : Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0,
  };
}
