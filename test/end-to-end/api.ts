import assert from "node:assert/strict";

/** A row of `/readings` as the engine shows it. */
export interface ShownReading {
  readonly ts: string;
  readonly value: number;
  readonly delta: number | null;
  readonly flags: readonly string[];
  readonly rev: number;
}

/** A row of `/consumption` as the engine shows it. */
export interface ShownPeriod {
  readonly ts: string;
  readonly localDate: string;
  readonly value: number | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly coverage: number;
  readonly readings: number;
  readonly flags: readonly string[];
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Headers;
  /** The code of an answer that says what is wrong. */
  readonly code: string | null;
}

/** One request; a body that is no JSON comes as its text. */
export async function ask(url: string, path: string, token: string | null, init: RequestInit = {}): Promise<Answer> {
  const headers = { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...init.headers };
  const response = await fetch(url + path, { ...init, headers, signal: AbortSignal.timeout(20_000) });
  const text = await response.text();
  let body: unknown = text;
  try {
    body = JSON.parse(text);
  } catch {
    // The text it is.
  }
  const code = (body as { error?: { code?: string } } | null)?.error?.code ?? null;
  return { status: response.status, body, headers: response.headers, code };
}

/** All rows of a query, page after page. */
export async function allPages<Row>(url: string, path: string, token: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const page: Answer = await ask(url, `${path}${path.includes("?") ? "&" : "?"}cursor=${cursor}`, token);
    assert.equal(page.status, 200, `${path}: ${JSON.stringify(page.body)}`);
    rows.push(...(page.body as Row[]));
    cursor = page.headers.get("meterstorm-next-cursor");
  }
  return rows;
}

/** All readings of a meter; none of one that is not known (yet). */
export async function readingsOf(url: string, token: string, meter: string, limit = 1000): Promise<ShownReading[]> {
  const path = `/v1/meters/${encodeURIComponent(meter)}/readings?limit=${limit}`;
  const first = await ask(url, path, token);
  return first.status === 404 ? [] : await allPages<ShownReading>(url, path, token);
}
