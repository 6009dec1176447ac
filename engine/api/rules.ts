import { type Fault, faultLine } from "../config/fault.js";
import { parseJson } from "../config/json.js";
import type { Identity } from "../config/keys.js";
import { parseRule } from "../config/load.js";
import type { ListedRule } from "../config/rule-book.js";
import { ruleForm } from "../config/rule-form.js";
import type { TenantConfig } from "../config/schema.js";
import { isNeverDue, NEVER_DUE } from "../config/schema-between.js";
import type { RuleConfig } from "../config/schema-rules.js";
import { errorAnswer, type HttpAnswer, type HttpRequest, jsonAnswer } from "../intake/network.js";

/** Longest rule in JSON. */
export const MAX_RULE_BYTES = 64 * 1024;

export interface RulesOptions {
  tenant(id: string): TenantConfig | undefined;
  rules(tenant: string): ListedRule[];
  /** See LiveChanges. */
  say(tenant: string, id: string, rule: RuleConfig | null): Promise<boolean>;
}

/** `/v1/rules` and `/v1/rules/{id}`, for somebody who is known. `id`: null for the list. */
export async function rulesAnswer(
  options: RulesOptions,
  { tenant, role }: Identity,
  id: string | null,
  request: HttpRequest,
): Promise<HttpAnswer> {
  const { method } = request;
  if (method === "GET" || method === "HEAD") {
    if (role === "ingest") return forbidden(role, "reading rules", `"read" or "admin"`);
    const listed = options.rules(tenant).map(({ source, rule }) => ({ source, rule: ruleForm(rule) }));
    if (id === null) return jsonAnswer(200, listed);
    const found = listed.find(({ rule }) => rule["id"] === id);
    return found === undefined ? unknownRule(id) : jsonAnswer(200, found);
  }
  if (id === null) return errorAnswer(405, "method", "use GET here, or PUT /v1/rules/{id}", { allow: "GET" });
  if (method !== "PUT" && method !== "DELETE")
    return errorAnswer(405, "method", "use GET, PUT or DELETE here", { allow: "GET, PUT, DELETE" });
  if (role !== "admin") return forbidden(role, "changing rules", `"admin"`);
  if (method === "DELETE")
    return (await options.say(tenant, id, null)) ? { status: 204, type: "application/json", body: "" } : unknownRule(id);
  const read = readRule(options.tenant(tenant), id, request.body);
  if ("faults" in read) return faulty(read.faults);
  await options.say(tenant, id, read.rule);
  return jsonAnswer(200, ruleForm(read.rule));
}

function readRule(tenant: TenantConfig | undefined, id: string, body: Uint8Array): { rule: RuleConfig } | { faults: Fault[] } {
  const json = parseJson(Buffer.from(body).toString("utf8"));
  if (!("value" in json)) return json;
  const read = parseRule(json.value);
  if (json.faults.length > 0) return { faults: [...json.faults, ...("faults" in read ? read.faults : [])] };
  if ("faults" in read) return read;
  const { rule } = read;
  if (rule.id !== id) {
    const found = JSON.stringify(rule.id);
    return {
      faults: [{ path: "id", found, allowed: `${JSON.stringify(id)}, as in the address`, remedy: "Put the same id in both." }],
    };
  }
  if (tenant !== undefined && isNeverDue(rule, tenant.meters)) {
    return { faults: [{ path: "for", found: "nothing", allowed: NEVER_DUE.allowed, remedy: NEVER_DUE.remedy }] };
  }
  return read;
}

function faulty(faults: readonly Fault[]): HttpAnswer {
  const message = faults.map(faultLine).join("\n").replaceAll("the file", "the rule");
  return jsonAnswer(400, { error: { code: "rule_invalid", message, faults } });
}

function forbidden(role: string, what: string, needed: string): HttpAnswer {
  return errorAnswer(403, "forbidden", `this key's role is "${role}"; ${what} takes ${needed}`);
}

function unknownRule(id: string): HttpAnswer {
  return errorAnswer(404, "rule_unknown", `this client has no rule "${id.slice(0, 200)}"`);
}
