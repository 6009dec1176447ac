import { Agent, request } from "undici";
import { MeterstormError, messageOf } from "../base/errors.js";
import type { StoredRow } from "./verify.js";

/** Rows asked for at a time: what the engine allows. */
const PAGE_ROWS = 10_000;

/** Reads meters' readings back over the engine's own query interface. */
export class ReadingsApi {
  readonly #base: string;
  readonly #agent: Agent;
  readonly #pageRows: number;

  /** `url` is the engine's, `ws:` or `http:`. */
  constructor(url: string, connections: number, pageRows = PAGE_ROWS) {
    this.#base = new URL(url.replace(/^ws/, "http")).origin;
    this.#agent = new Agent({ connections });
    this.#pageRows = pageRows;
  }

  /**
   * Hands over the rows of `meter` with from ≤ ts < to, in order, page by page. An unknown meter has
   * none. Throws MeterstormError `load_read` with the engine's words, `unavailable` where asking again may help.
   */
  async rows(token: string, meter: string, fromMs: number, toMs: number, take: (rows: StoredRow[]) => void): Promise<void> {
    for (let from = fromMs; from < toMs; ) {
      const page = await this.#page(token, meter, from, toMs);
      take(page);
      if (page.length < this.#pageRows) return;
      from = page.at(-1)!.ts + 1;
    }
  }

  async #page(token: string, meter: string, fromMs: number, toMs: number): Promise<StoredRow[]> {
    const url = `${this.#base}/v1/meters/${encodeURIComponent(meter)}/readings?from=${fromMs}&to=${toMs}&limit=${this.#pageRows}`;
    let status: number;
    let text: string;
    try {
      const response = await request(url, { dispatcher: this.#agent, headers: { authorization: `Bearer ${token}` } });
      status = response.statusCode;
      text = await response.body.text();
    } catch (error) {
      throw new MeterstormError("unavailable", `${url} was not reached: ${messageOf(error)}`, { cause: error });
    }
    if (status === 404) return [];
    if (status === 200) return rowsOf(url, text);
    const hint =
      status === 401 || status === 403 ? "; verifying needs a key of role read or admin (--read-token), or --verify none" : "";
    throw new MeterstormError(
      status === 429 || status >= 500 ? "unavailable" : "load_read",
      `${url} was answered with HTTP ${status}: ${text.slice(0, 200)}${hint}`,
    );
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

/** The answer is the rows, or an object that holds them beside a cursor; ts as epoch ms or RFC 3339. */
function rowsOf(url: string, text: string): StoredRow[] {
  const body = JSON.parse(text) as unknown;
  const list = Array.isArray(body) ? body : Object.values((body ?? {}) as object).find((value) => Array.isArray(value));
  if (list === undefined)
    throw new MeterstormError("load_read", `${url} was answered without a list of readings: ${text.slice(0, 200)}`);
  return (list as { ts: number | string; value: number; delta?: number | null }[]).map(({ ts, value, delta }) => ({
    ts: typeof ts === "number" ? ts : Date.parse(ts),
    value,
    delta: delta ?? null,
  }));
}
