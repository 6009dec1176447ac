import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PERIODS } from "../base/entries.js";
import { MeterstormError, messageOf } from "../base/errors.js";
import { limits } from "../base/limits.js";
import { packageRoot } from "../base/package-root.js";
import { type MeterSettings, type MeterTimeline, type TenantPlan, timelineFor } from "../base/settings.js";
import type { Identity } from "../config/keys.js";
import { errorAnswer, type HttpAnswer, type HttpRequest, jsonAnswer, textAnswer, unauthorizedAnswer } from "../intake/network.js";
import type { Tickets } from "../intake/tickets.js";
import type { Shard } from "../shards/shard.js";
import type { Store } from "../store/interface.js";
import { explainAnswer } from "./explain.js";
import { incidentsAnswer } from "./incidents.js";
import { monthAt, type Span } from "./month-spans.js";
import { monthsOf } from "./months.js";
import { choice, count, foreignCursor, range } from "./parameters.js";
import { consumptionJson, readingsJson } from "./rows.js";
import { MAX_RULE_BYTES, type RulesOptions, rulesAnswer } from "./rules.js";
import type { ShardQueries } from "./shard-queries.js";
import { type WebhooksOptions, webhooksAnswer } from "./webhooks.js";

const CONSOLE = "default-src 'self'; base-uri 'none'; frame-ancestors 'none'";
const PAGES: Record<string, { file: string; type: string }> = {
  "/": { file: "console.html", type: "text/html; charset=utf-8" },
  "/console.js": { file: "console.js", type: "text/javascript; charset=utf-8" },
  "/console-alerts.js": { file: "console-alerts.js", type: "text/javascript; charset=utf-8" },
  "/console-parts.js": { file: "console-parts.js", type: "text/javascript; charset=utf-8" },
  "/console.css": { file: "console.css", type: "text/css; charset=utf-8" },
};
const MOST_METERS = 1000;

export interface Readiness {
  ready: boolean;
  reasons: string[];
  /** Works, but not as configured. */
  degraded: string[];
}

export interface ApiOptions extends RulesOptions, WebhooksOptions {
  authenticate(authorization: string | undefined): Identity | null;
  plan(tenant: string): TenantPlan | undefined;
  /** The shards in which the tenant's meters may be. */
  shardsOf(tenant: string): readonly Shard[];
  store: Store;
  queries: ShardQueries;
  readiness(): Promise<Readiness>;
  metrics(): Promise<string>;
  post(request: HttpRequest): Promise<HttpAnswer>;
  tickets: Tickets;
}

/** Everything over HTTP but the WebSocket upgrade. */
export class Api {
  readonly #options: ApiOptions;

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  maxBodyBytes(method: string, path: string): number {
    if (method === "POST" && path === "/v1/readings") return limits.maxPostBytes;
    return method === "PUT" && path.startsWith("/v1/rules/") ? MAX_RULE_BYTES : 0;
  }

  async request(request: HttpRequest): Promise<HttpAnswer> {
    try {
      return await this.#route(request);
    } catch (error) {
      if (!(error instanceof MeterstormError)) throw error;
      if (error.code === "parameter_invalid") return errorAnswer(400, error.code, error.message);
      if (error.code === "rule_limit") return errorAnswer(409, error.code, error.message);
      if (error.code === "ticket_limit") return errorAnswer(429, error.code, error.message, { "retry-after": "30" });
      if (error.code === "busy") return errorAnswer(503, error.code, error.message, { "retry-after": "1" });
      return errorAnswer(503, error.code, error.message, { "retry-after": "2" });
    }
  }

  #route(request: HttpRequest): Promise<HttpAnswer> | HttpAnswer {
    const { method, path } = request;
    if (path === "/v1/readings") {
      if (method !== "POST") return wrongMethod("POST");
      return this.#options.post(request);
    }
    if (path === "/v1/tickets") return method === "POST" ? this.#ticket(request) : wrongMethod("POST");
    if (path === "/v1/rules" || path.startsWith("/v1/rules/")) return this.#rules(request);
    if (path === "/v1/webhooks" || path.startsWith("/v1/webhooks/")) return this.#webhooks(request);
    if (method !== "GET" && method !== "HEAD") return wrongMethod("GET");
    const page = PAGES[path];
    if (page !== undefined) return pageAnswer(page);
    // Browsers ask for it unbidden, and complain where nothing answers.
    if (path === "/favicon.ico") return { status: 204, type: "image/x-icon", body: "" };
    if (path === "/healthz") return jsonAnswer(200, { status: "ok" });
    if (path === "/readyz") return this.#ready();
    if (path === "/metrics") return this.#metrics();
    if (path.startsWith("/v1/")) return this.#query(request);
    return notFound(path);
  }

  async #ready(): Promise<HttpAnswer> {
    const { ready, reasons, degraded } = await this.#options.readiness();
    return jsonAnswer(ready ? 200 : 503, { ready, reasons, degraded });
  }

  async #metrics(): Promise<HttpAnswer> {
    return { status: 200, type: "text/plain; version=0.0.4; charset=utf-8", body: await this.#options.metrics() };
  }

  #ticket(request: HttpRequest): HttpAnswer {
    const identity = this.#options.authenticate(request.authorization);
    if (identity === null) return unauthorizedAnswer();
    const { ticket, expiresMs } = this.#options.tickets.issue(identity);
    const expires = new Date(expiresMs).toISOString();
    return jsonAnswer(200, { ticket, protocol: `ticket.${ticket}`, expires }, { "cache-control": "no-store" });
  }

  #rules(request: HttpRequest): Promise<HttpAnswer> | HttpAnswer {
    const identity = this.#options.authenticate(request.authorization);
    if (identity === null) return unauthorizedAnswer();
    const [, , , part, ...rest] = request.path.split("/");
    const id = part === undefined ? null : decodePart(part);
    if (rest.length > 0 || (part !== undefined && (id === null || id === ""))) return notFound(request.path);
    return rulesAnswer(this.#options, identity, id, request);
  }

  async #webhooks(request: HttpRequest): Promise<HttpAnswer> {
    const identity = this.#options.authenticate(request.authorization);
    if (identity === null) return unauthorizedAnswer();
    return (await webhooksAnswer(this.#options, identity, request)) ?? notFound(request.path);
  }

  async #query(request: HttpRequest): Promise<HttpAnswer> {
    const identity = this.#options.authenticate(request.authorization);
    if (identity === null) {
      return unauthorizedAnswer();
    }
    if (identity.role === "ingest")
      return errorAnswer(403, "forbidden", `this key's role is "ingest"; queries take "read" or "admin"`);
    const parts = request.path.split("/").slice(2).map(decodePart);
    assertNoZeros([...parts, ...request.query.values()]);
    const [first, meter, table, ...rest] = parts;
    if (first === "alerts" && meter === undefined) return incidentsAnswer(this.#options.store, identity.tenant, request.query);
    if (first !== "meters" || rest.length > 0 || parts.includes(null)) return notFound(request.path);
    if (meter === undefined || meter === null) return this.#meters(identity.tenant, request.query);
    if (table === undefined) return this.#meter(identity.tenant, meter);
    if (table === "readings") return this.#readings(identity.tenant, meter, request.query);
    if (table === "consumption") return this.#consumption(identity.tenant, meter, request.query);
    if (table === "explain")
      return (await explainAnswer(this.#options, identity.tenant, meter, request.query)) ?? unknownMeter(meter);
    return notFound(request.path);
  }

  async #meters(tenant: string, query: URLSearchParams): Promise<HttpAnswer> {
    const limit = count(query, "limit", 100, MOST_METERS);
    const ask = { kind: "meters", tenant, contains: query.get("q") ?? "", after: meterCursor(query), limit: limit + 1 };
    const found = await Promise.all(this.#options.shardsOf(tenant).map((shard) => this.#options.queries.ask(shard, ask)));
    const meters = (found as { meter: string }[][]).flat().sort((a, b) => (a.meter < b.meter ? -1 : 1));
    const next = meters.length > limit ? meters[limit - 1]!.meter : null;
    return jsonAnswer(200, meters.slice(0, limit), nextCursor(next === null ? null : Buffer.from(next).toString("base64url")));
  }

  async #meter(tenant: string, meter: string): Promise<HttpAnswer> {
    const found = await this.#ask(tenant, meter);
    return found === null ? unknownMeter(meter) : jsonAnswer(200, found);
  }

  async #ask(tenant: string, meter: string): Promise<{ settings: MeterSettings } | null> {
    const ask = { kind: "meter", tenant, meter };
    const found = await Promise.all(this.#options.shardsOf(tenant).map((shard) => this.#options.queries.ask(shard, ask)));
    return (found.find((answer) => answer !== null) ?? null) as { settings: MeterSettings } | null;
  }

  async #readings(tenant: string, meter: string, query: URLSearchParams): Promise<HttpAnswer> {
    const limit = count(query, "limit", 1000, limits.maxQueryRows);
    const { from, to } = afterCursor(query);
    const rows = await this.#options.store.readings(tenant, meter, { from, to }, limit + 1);
    if (rows.length === 0 && (await this.#ask(tenant, meter)) === null) return unknownMeter(meter);
    const next = rows.length > limit ? String(rows[limit]!.ts) : null;
    return textAnswer(200, readingsJson(rows.slice(0, limit)), nextCursor(next));
  }

  async #consumption(tenant: string, meter: string, query: URLSearchParams): Promise<HttpAnswer> {
    const period = choice(query, "period", [...PERIODS, "month"] as const, "hour") ?? "hour";
    const limit = count(query, "limit", limits.maxQueryRows, limits.maxQueryRows);
    const plan = this.#options.plan(tenant);
    if (plan === undefined) return unknownMeter(meter);
    const timeline = timelineFor(plan, meter);
    const asked = afterCursor(query);
    const month = period === "month";
    const span = month ? wholeMonths(timeline, asked) : asked;
    const most = month ? limits.maxQueryRows : limit + 1;
    const rows = await this.#options.store.consumption(tenant, meter, month ? "day" : period, span, most);
    if (rows.length === 0 && (await this.#ask(tenant, meter)) === null) return unknownMeter(meter);
    if (month) return textAnswer(200, consumptionJson(monthsOf(rows, timeline), timeline));
    const next = rows.length > limit ? String(rows[limit]!.ts) : null;
    return textAnswer(200, consumptionJson(rows.slice(0, limit), timeline), nextCursor(next));
  }
}

/** No id has one, and a statement of SQL ends at it for some stores. */
function assertNoZeros(texts: readonly (string | null)[]): void {
  if (texts.some((text) => text?.includes("\0")))
    throw new MeterstormError(
      "parameter_invalid",
      "the address holds a zero byte (%00), which no id and no parameter may; leave it out",
    );
}

function decodePart(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

/** `cursor` is the last id of the page before, in letters that stay the same whether a client encodes them for an address or not. */
function meterCursor(query: URLSearchParams): string {
  const cursor = query.get("cursor") ?? "";
  const bytes = Buffer.from(cursor, "base64url");
  if (bytes.toString("base64url") !== cursor || !isUtf8(bytes)) throw foreignCursor();
  return bytes.toString("utf8");
}

/** `cursor` is the ts at which the next page begins. */
function afterCursor(query: URLSearchParams): { from: number; to: number } {
  const asked = range(query);
  const cursor = query.get("cursor");
  if (cursor === null || cursor === "") return asked;
  if (!/^\d{1,15}$/.test(cursor)) throw foreignCursor();
  return { from: Math.max(asked.from, Number(cursor)), to: asked.to };
}

/** A range made longer, so that it cuts no month. */
function wholeMonths(timeline: MeterTimeline, { from, to }: Span): Span {
  return { from: monthAt(timeline, from).from, to: to > from ? Math.max(to, monthAt(timeline, to - 1).to) : to };
}

function nextCursor(cursor: string | null): Record<string, string> {
  return cursor === null ? {} : { "meterstorm-next-cursor": cursor };
}

function pageAnswer(page: { file: string; type: string }): HttpAnswer {
  try {
    const body = readFileSync(join(packageRoot, "engine", "api", page.file));
    return {
      status: 200,
      type: page.type,
      body,
      headers: { "content-security-policy": CONSOLE, "x-content-type-options": "nosniff" },
    };
  } catch (error) {
    return errorAnswer(
      404,
      "not_found",
      `the console's file ${page.file} is missing from this installation: ${messageOf(error)}`,
    );
  }
}

function unknownMeter(meter: string): HttpAnswer {
  return errorAnswer(404, "meter_unknown", `no reading of a meter "${meter}" was ever taken for this client`);
}

function notFound(path: string): HttpAnswer {
  return errorAnswer(404, "not_found", `there is nothing at ${path.slice(0, 200)}`);
}

function wrongMethod(allowed: string): HttpAnswer {
  return errorAnswer(405, "method", `use ${allowed} here`, { allow: allowed });
}
