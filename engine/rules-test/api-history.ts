import { Agent, request } from "undici";
import { MeterstormError, messageOf } from "../base/errors.js";
import type { Explanation } from "../base/explanation.js";
import { FLAG_NAMES, Flag, type FlagName } from "../base/flags.js";
import type { Range, ReadingRow } from "../store/interface.js";
import type { DeclaredExchange, History } from "./history.js";

const METERS_A_PAGE = 1000;

interface ShownReading {
  ts: string;
  value: number;
  rev: number;
  delta: number | null;
  flags: FlagName[];
}

/** The history of one client as a running engine answers for it. */
export class ApiHistory implements History {
  readonly #base: string;
  readonly #headers: { authorization: string };
  readonly #agent = new Agent({ connections: 1 });

  /** `url` is the engine's, `http:` or `ws:`; the token's role is read or admin. */
  constructor(url: string, token: string) {
    this.#base = url.replace(/^ws/, "http").replace(/\/+$/, "");
    this.#headers = { authorization: `Bearer ${token}` };
  }

  async meters(): Promise<string[]> {
    const ids: string[] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const page: { body: unknown; next: string | null } = await this.#ask(`/v1/meters?limit=${METERS_A_PAGE}&cursor=${cursor}`);
      if (!isListOf<{ meter: string }>(page.body, ({ meter }) => typeof meter === "string")) throw this.#noEngine("/v1/meters");
      for (const { meter } of page.body) ids.push(meter);
      cursor = page.next;
    }
    return ids;
  }

  async readings(_tenant: string, meter: string, { from, to }: Range, limit: number): Promise<ReadingRow[]> {
    const query = new URLSearchParams({ from: String(from), to: String(to), limit: String(limit) });
    const { body } = await this.#ask(`/v1/meters/${encodeURIComponent(meter)}/readings?${query}`);
    const rows = body ?? [];
    if (!isListOf<ShownReading>(rows, ({ flags }) => Array.isArray(flags))) throw this.#noEngine("/v1/meters/{meter}/readings");
    return rows.map(({ ts, value, rev, delta, flags }) => ({
      ...{ ts: Date.parse(ts), value, rev, delta },
      flags: flags.reduce((bits, name) => bits | (FLAG_NAMES.includes(name) ? Flag[name] : 0), 0),
    }));
  }

  /** No query lists exchanges, but each stands in the explanation of the reading behind it, which is marked. */
  async exchanges(_tenant: string, meter: string, readings: readonly ReadingRow[]): Promise<DeclaredExchange[]> {
    const found: DeclaredExchange[] = [];
    for (const { ts, flags } of readings) {
      if ((flags & Flag.EXCHANGE) === 0) continue;
      const { body } = await this.#ask(`/v1/meters/${encodeURIComponent(meter)}/explain?period=reading&ts=${ts}`);
      const explained = body as Explanation | null;
      if (explained?.period !== "reading") continue;
      for (const { ts: at, final, start } of explained.exchanges) found.push({ ts: Date.parse(at), final, start, rev: 0 });
    }
    return found.sort((a, b) => a.ts - b.ts);
  }

  /** `body` is null where there is no such thing. */
  async #ask(path: string): Promise<{ body: unknown; next: string | null }> {
    const url = this.#base + path;
    let status: number;
    let text: string;
    let next: string | string[] | undefined;
    try {
      const answer = await request(url, { dispatcher: this.#agent, headers: this.#headers });
      status = answer.statusCode;
      next = answer.headers["meterstorm-next-cursor"];
      text = await answer.body.text();
    } catch (error) {
      throw new MeterstormError("store_unavailable", `${this.#base} did not answer: ${messageOf(error)}`, { cause: error });
    }
    if (status === 404) return { body: null, next: null };
    if (status === 200) {
      try {
        return { body: JSON.parse(text), next: typeof next === "string" ? next : null };
      } catch {
        throw this.#noEngine(path);
      }
    }
    const later = status === 429 || status >= 500;
    const hint = status === 401 || status === 403 ? "; the token must be of role read or admin" : "";
    throw new MeterstormError(
      later ? "store_unavailable" : "history_refused",
      `${url} was answered with ${status}: ${text.slice(0, 200)}${hint}`,
    );
  }

  #noEngine(path: string): MeterstormError {
    const message = `${this.#base} does not answer ${path.split("?")[0]} as an engine does; give the address that the engine says it listens at`;
    return new MeterstormError("history_refused", message);
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

/** Whether an answer is a list, and what is in it looks as it should by `looks`. */
function isListOf<T>(body: unknown, looks: (item: Partial<T>) => boolean): body is T[] {
  return Array.isArray(body) && body.every((item) => typeof item === "object" && item !== null && looks(item as Partial<T>));
}
