import { readFileSync } from "node:fs";
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { isIP, isIPv6, type LookupFunction, type Socket } from "node:net";
import { join } from "node:path";
import { MeterstormError, messageOf } from "../base/errors.js";
import { limits } from "../base/limits.js";
import { packageRoot } from "../base/package-root.js";
import { refusedAddress } from "./addresses.js";
import { hostResolver, type Resolve } from "./resolve.js";
import { signature } from "./signature.js";
import type { Webhook } from "./transition.js";

export interface Message {
  readonly key: string;
  /** JSON. */
  readonly body: string;
  /** When it is sent, unix seconds: part of what is signed. */
  readonly seconds: number;
}

export type Answer =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly reason: string;
      /** The endpoint understood and does not want it: most likely somebody has to put something right. */
      readonly refused: boolean;
      /** How long it asks to be left alone. */
      readonly retryAfterMs: number | null;
    };

/** Where messages are posted, one at a time. */
export interface Endpoint {
  /** Never rejects. */
  send(message: Message): Promise<Answer>;
  /** Gives up what is under way, which then is a failure, and lets go of the connection. */
  close(): void;
}

export interface EndpointOptions {
  readonly resolve?: Resolve;
  /** Until a connection stands, its name and its TLS included. */
  readonly connectMs?: number;
  /** From the beginning of an attempt to the answer's headers. */
  readonly wholeMs?: number;
  /** What is left for an answer's body, which says nothing that is needed. */
  readonly bodyMs?: number;
  /** Of an answer's body; beyond it the connection is closed. */
  readonly bodyBytes?: number;
}

const CONNECT_MS = 5_000;
const WHOLE_MS = 10_000;
const BODY_MS = 1_000;
/** A connection that nothing was sent over for so long is closed. */
const IDLE_MS = 5_000;
/** For one of several addresses of a name. */
const ADDRESS_MS = 2_000;

const resolveHost = hostResolver();

const { version } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { version: string };

/** A webhook over HTTP or HTTPS, on one connection that is kept for a while. Redirects are not followed, bodies are read and dropped. */
export class HttpEndpoint implements Endpoint {
  readonly #webhook: Webhook;
  readonly #url: URL;
  readonly #options: EndpointOptions;
  readonly #agent: HttpAgent;
  readonly #closed = new AbortController();

  constructor(webhook: Webhook, options: EndpointOptions = {}) {
    this.#webhook = webhook;
    this.#url = new URL(webhook.url);
    this.#options = options;
    const keeping = { keepAlive: true, maxSockets: 1, maxFreeSockets: 1, timeout: IDLE_MS };
    this.#agent = this.#url.protocol === "https:" ? new HttpsAgent(keeping) : new HttpAgent(keeping);
  }

  async send(message: Message): Promise<Answer> {
    const begun = performance.now();
    try {
      this.#assertTarget();
      const first = await this.#attempt(message, begun);
      // The other side may close a kept connection just when it is used again: that says nothing of the endpoint.
      return first === "stale" ? asAnswer(await this.#attempt(message, begun)) : first;
    } catch (error) {
      return failed(messageOf(error));
    }
  }

  close(): void {
    this.#closed.abort();
    this.#agent.destroy();
  }

  #assertTarget(): void {
    if (this.#closed.signal.aborted) throw new Error("given up");
    if (!["http:", "https:"].includes(this.#url.protocol)) throw new Error(`${this.#url.protocol} is not http: or https:`);
    const host = plainHost(this.#url);
    // No name is looked up for an address that stands in the URL itself.
    if (isIP(host) !== 0) this.#assertAllowed(host, [host]);
  }

  #attempt(message: Message, begun: number): Promise<Answer | "stale"> {
    const { wholeMs = WHOLE_MS, connectMs = CONNECT_MS } = this.#options;
    return new Promise((resolve) => {
      const secure = this.#url.protocol === "https:";
      const request = (secure ? httpsRequest : httpRequest)(this.#requestOptions(message));
      const timers: NodeJS.Timeout[] = [];
      const finish = (answer: Answer | "stale"): void => {
        for (const timer of timers) clearTimeout(timer);
        resolve(answer);
      };
      // An answer that switches protocols, for example, ends in nothing else.
      const unanswered = (): void => finish(failed("the connection was closed without an answer"));
      const giveUp = (reason: string): void => {
        finish(failed(reason));
        request.destroy();
      };
      const connecting = setTimeout(() => giveUp(`no connection within ${connectMs} ms`), connectMs);
      const leftMs = Math.max(0, wholeMs - (performance.now() - begun));
      timers.push(
        connecting,
        setTimeout(() => giveUp(`no answer within ${wholeMs} ms`), leftMs),
      );
      request.on("socket", (socket: Socket) => {
        if (request.reusedSocket) clearTimeout(connecting);
        else socket.once(secure ? "secureConnect" : "connect", () => clearTimeout(connecting));
      });
      request.once("response", (response) => {
        request.off("close", unanswered);
        for (const timer of timers) clearTimeout(timer);
        const answer = answerOf(response);
        void this.#drop(response).then(() => finish(answer));
      });
      request.on("error", (error: NodeJS.ErrnoException) => {
        const stale = request.reusedSocket && (error.code === "ECONNRESET" || error.code === "EPIPE");
        finish(stale ? "stale" : failed(describe(error)));
      });
      request.once("close", unanswered);
      request.on("upgrade", (_, socket) => socket.destroy());
      request.end(message.body);
    });
  }

  /** Reads what comes of a body for a moment, so that the connection can be used again; closes it where more comes. */
  #drop(response: IncomingMessage): Promise<void> {
    const { bodyMs = BODY_MS, bodyBytes = limits.webhookAnswerBytes } = this.#options;
    return new Promise((resolve) => {
      let bytes = 0;
      const timer = setTimeout(() => response.destroy(), bodyMs);
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > bodyBytes) response.destroy();
      });
      response.on("error", () => undefined);
      response.on("close", () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #requestOptions({ key, body, seconds }: Message): RequestOptions {
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      "user-agent": `meterstorm/${version}`,
      "idempotency-key": key,
      "meterstorm-signature": signature(this.#webhook.secret, seconds, body),
    };
    const url = this.#url;
    const several = { autoSelectFamily: true, autoSelectFamilyAttemptTimeout: ADDRESS_MS };
    return {
      ...{ method: "POST", protocol: url.protocol, hostname: plainHost(url), port: url.port, path: url.pathname + url.search },
      ...{ headers, agent: this.#agent, signal: this.#closed.signal, lookup: this.#lookup, ...several },
    };
  }

  /** The addresses that are checked are the ones that are connected to: nobody asks for the name a second time. */
  readonly #lookup: LookupFunction = (host, options, done) => {
    const found = (this.#options.resolve ?? resolveHost)(host, this.#closed.signal);
    found
      .then((addresses) => this.#assertAllowed(host, addresses))
      .then(
        (allowed) => {
          if (options.all) done(null, allowed);
          else done(null, allowed[0]!.address, allowed[0]!.family);
        },
        (error: unknown) => done(error instanceof Error ? error : new Error(messageOf(error)), "", 0),
      );
  };

  /** Those of the addresses that may be connected to. Throws MeterstormError `webhook_address` when there is none. */
  #assertAllowed(host: string, addresses: readonly string[]): { address: string; family: number }[] {
    const allowed = addresses.filter((address) => this.#webhook.allowPrivate || refusedAddress(address) === null);
    if (allowed.length > 0) return allowed.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
    const [first] = addresses;
    const where = first === undefined ? "no address" : `${first}, which is ${refusedAddress(first)}`;
    throw new MeterstormError(
      "webhook_address",
      `${host} leads to ${where}. Webhooks go to public hosts; set "allowPrivate": true if this one is meant`,
    );
  }
}

/** Without the brackets around an IPv6 address. */
function plainHost(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, "$1");
}

function asAnswer(answer: Answer | "stale"): Answer {
  return answer === "stale" ? failed("the connection was closed without an answer") : answer;
}

function failed(reason: string, refused = false, retryAfterMs: number | null = null): Answer {
  return { ok: false, reason, refused, retryAfterMs };
}

function answerOf(response: IncomingMessage): Answer {
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return { ok: true };
  const retryAfterMs = retryAfter(response.headers["retry-after"]);
  if (status >= 300 && status < 400) {
    return failed(
      `it answered ${status}: redirects are not followed; configure the address that it leads to`,
      true,
      retryAfterMs,
    );
  }
  const refused = status >= 400 && status < 500 && ![408, 425, 429].includes(status);
  return failed(`it answered ${status}`, refused, retryAfterMs);
}

/** Seconds or an HTTP date. */
function retryAfter(header: string | undefined): number | null {
  if (header === undefined) return null;
  if (/^\d+$/.test(header.trim())) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now());
}

function describe(error: NodeJS.ErrnoException): string {
  if (error instanceof AggregateError) return error.errors.map((each: unknown) => messageOf(each)).join("; ");
  const message = messageOf(error);
  return error.code === undefined || error instanceof MeterstormError || message.includes(error.code)
    ? message
    : `${message} (${error.code})`;
}
