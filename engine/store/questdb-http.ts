import { Client, errors } from "undici";
import { MeterstormError, messageOf } from "../base/errors.js";
import type { StoreOutcome } from "./interface.js";

/** Where a QuestDB listens and who asks. */
export interface QuestDbAddress {
  /** `http://host:port` or `https://host:port`. */
  readonly http: string;
  readonly username: string | null;
  readonly password: string | null;
}

export interface QuestDbTimeouts {
  readonly connectMs: number;
  /** From the request's last byte to the answer's headers, and between two pieces of its body. */
  readonly answerMs: number;
}

export const defaultTimeouts: QuestDbTimeouts = { connectMs: 5_000, answerMs: 30_000 };

export type SqlValue = string | number | boolean | null;

/** The longest request line that every QuestDB takes with its default buffers, in bytes. */
export const maxSqlBytes = 12 * 1024;

/**
 * One kept-alive connection to QuestDB's HTTP port. Nothing is retried in here: who asks knows
 * whether asking again is harmless. Requests on one connection are answered in order.
 */
export class QuestDbConnection {
  readonly #address: QuestDbAddress;
  readonly #timeouts: QuestDbTimeouts;
  readonly #headers: Record<string, string>;
  #client: Client | null = null;

  constructor(address: QuestDbAddress, timeouts: QuestDbTimeouts = defaultTimeouts) {
    this.#address = address;
    this.#timeouts = timeouts;
    const { username, password } = address;
    const basic = Buffer.from(`${username}:${password ?? ""}`).toString("base64");
    this.#headers = username === null ? {} : { authorization: `Basic ${basic}` };
  }

  #open(): Client {
    this.#client ??= new Client(this.#address.http, {
      pipelining: 1,
      connect: { timeout: this.#timeouts.connectMs },
      headersTimeout: this.#timeouts.answerMs,
      bodyTimeout: this.#timeouts.answerMs,
    });
    return this.#client;
  }

  /**
   * Posts line protocol. What is `ok` was committed as one transaction if it held rows of one table.
   * After a doubtful outcome the socket is gone, so that no half-sent copy can be finished later from this side.
   */
  async write(body: Uint8Array, precision: "ms" | "us" | "ns"): Promise<StoreOutcome> {
    try {
      const answer = await this.#open().request({
        ...{ method: "POST", path: `/write?precision=${precision}`, headers: this.#headers },
        ...{ body, idempotent: false },
      });
      const text = await answer.body.text();
      const outcome = outcomeOf(answer.statusCode, text);
      if (!outcome.ok && outcome.kind === "doubtful") this.#drop();
      return outcome;
    } catch (error) {
      this.#drop();
      if (neverSent(error)) return { ok: false, kind: "unavailable", message: this.#unreached(error) };
      return { ok: false, kind: "doubtful", message: `no answer to a write: ${describe(error)}` };
    }
  }

  /**
   * Runs one statement; `answerMs` is how long this one may take to answer. Throws MeterstormError `store_unavailable` when QuestDB cannot be reached or
   * does not answer, `store_query` when it refuses the statement.
   */
  async query(sql: string, answerMs = this.#timeouts.answerMs): Promise<SqlValue[][]> {
    let status: number;
    let text: string;
    try {
      const answer = await this.#open().request({
        ...{ method: "GET", path: `/exec?nm=true&query=${encodeURIComponent(sql)}`, headers: this.#headers },
        ...{ headersTimeout: answerMs, bodyTimeout: answerMs },
      });
      status = answer.statusCode;
      text = await answer.body.text();
    } catch (error) {
      this.#drop();
      throw new MeterstormError("store_unavailable", this.#unreached(error), { cause: error });
    }
    if (status === 401 || status === 403) throw new MeterstormError("store_unavailable", credentials(status));
    const answer = parseAnswer(status, text);
    if (status !== 200) {
      throw new MeterstormError(
        "store_query",
        `QuestDB refused a statement: ${answer.error ?? text.slice(0, 500)} (${sql.slice(0, 500)})`,
      );
    }
    return answer.dataset ?? [];
  }

  /** What `GET /settings` says of the server. */
  async lineProtocolVersions(): Promise<number[]> {
    try {
      const answer = await this.#open().request({ method: "GET", path: "/settings", headers: this.#headers });
      const settings = JSON.parse(await answer.body.text()) as { config?: Record<string, unknown> };
      const versions = settings.config?.["line.proto.support.versions"];
      return Array.isArray(versions) ? versions.map(Number) : [];
    } catch (error) {
      this.#drop();
      throw new MeterstormError("store_unavailable", this.#unreached(error), { cause: error });
    }
  }

  /** The next request goes over a new socket: the server may have bound this one to tables that are gone. */
  renew(): void {
    this.#drop();
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    await client?.destroy();
  }

  #drop(): void {
    const client = this.#client;
    this.#client = null;
    void client?.destroy().catch(() => undefined);
  }

  #unreached(error: unknown): string {
    return `QuestDB at ${this.#address.http} did not answer: ${describe(error)}. Is it running, and is store.http its HTTP address?`;
  }
}

interface Answer {
  error?: string;
  dataset?: SqlValue[][];
}

/** QuestDB writes control characters other than the usual ones as they are, which JSON does not allow. */
function parseAnswer(status: number, text: string): Answer {
  if (text === "") return {};
  try {
    return JSON.parse(text) as Answer;
  } catch {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    const escaped = text.replace(/[\u0000-\u001f]/g, (c) => (/\s/.test(c) && c !== "\v" && c !== "\f" ? " " : `\\u${hex4(c)}`));
    try {
      return JSON.parse(escaped) as Answer;
    } catch (error) {
      const start = text.slice(0, 200);
      throw new MeterstormError("store_unavailable", `QuestDB's answer (${status}) is not JSON: ${start}`, { cause: error });
    }
  }
}

function hex4(character: string): string {
  return character.charCodeAt(0).toString(16).padStart(4, "0");
}

function outcomeOf(status: number, body: string): StoreOutcome {
  if (status === 204 || status === 200) return { ok: true };
  const text = body.slice(0, 1000).trim();
  if (status === 400 || status === 404 || status === 413) return { ok: false, kind: "refused", ...refusal(body, status) };
  if (status === 401 || status === 403) return { ok: false, kind: "unavailable", message: credentials(status) };
  // A write error without an error number of the system is about the row that is named; with one (28: no space left) about the server.
  if (status === 500 && /errno: -1\b/.test(text) && refusal(body, status).line !== undefined)
    return { ok: false, kind: "refused", ...refusal(body, status) };
  if (status === 429 || status === 503) return { ok: false, kind: "unavailable", message: `QuestDB answered ${status}: ${text}` };
  return { ok: false, kind: "doubtful", message: `QuestDB answered a write with ${status}: ${text}` };
}

function credentials(status: number): string {
  return `QuestDB refused the credentials (${status}): check store.username and store.password`;
}

function refusal(body: string, status: number): { message: string; line?: number } {
  try {
    const fault = JSON.parse(body) as { message?: string; line?: number };
    const message = `QuestDB refused a write (${status}): ${(fault.message ?? body.slice(0, 1000)).replace(/\s+/g, " ")}`;
    return typeof fault.line === "number" ? { message, line: fault.line } : { message };
  } catch {
    return { message: `QuestDB refused a write (${status}): ${body.slice(0, 1000)}` };
  }
}

/** Failures before the first byte of a request left: nothing can have been taken. */
const beforeSending = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL"]);

function neverSent(error: unknown): boolean {
  if (error instanceof errors.ConnectTimeoutError) return true;
  const causes = error instanceof AggregateError ? error.errors : [error];
  return causes.every((cause) => beforeSending.has((cause as NodeJS.ErrnoException | undefined)?.code ?? ""));
}

function describe(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  const message = messageOf(error);
  return code === undefined || message.includes(code) ? message : `${message} (${code})`;
}
