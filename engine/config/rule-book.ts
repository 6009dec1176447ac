import { MeterstormError, messageOf } from "../base/errors.js";
import { faultLine } from "./fault.js";
import { parseRule } from "./load.js";
import { ruleForm } from "./rule-form.js";
import type { TenantConfig } from "./schema.js";
import type { RuleConfig } from "./schema-rules.js";

/** What was last said of a rule while the engine ran. */
interface Said {
  /** Null: it was deleted. */
  rule: RuleConfig | null;
  /** What the configuration said of it then; null: nothing. */
  over: RuleConfig | null;
}

export interface ListedRule {
  /** `deleted`: the configuration has it, and it is not in force. */
  source: "configuration" | "api" | "deleted";
  rule: RuleConfig;
}

type Told = Pick<TenantConfig, "id" | "rules">;

/**
 * Rules that were put and deleted while the engine runs, laid over those of the configuration. Of a rule, by its id, the last
 * word counts: what was put or deleted stands until the configuration says something else of that rule than it did then. Never changes itself.
 */
export class RuleBook {
  readonly #said: ReadonlyMap<string, ReadonlyMap<string, Said>>;

  /** Nothing was said, unless it is given. */
  constructor(said: ReadonlyMap<string, ReadonlyMap<string, Said>> = new Map()) {
    this.#said = said;
  }

  /** Rules of which something was said. */
  get size(): number {
    return [...this.#said.values()].reduce((sum, rules) => sum + rules.size, 0);
  }

  text(): string {
    const form = (rule: RuleConfig | null) => (rule === null ? null : ruleForm(rule));
    const tenants = [...this.#said].map(([tenant, rules]) => [
      tenant,
      [...rules.values()].map(({ rule, over }) => ({ rule: form(rule), over: form(over) })),
    ]);
    return JSON.stringify({ format: 1, tenants: Object.fromEntries(tenants) as unknown }, null, 1);
  }

  /** Without what the configuration has said something else of since, and the ids of the rules that this was. */
  overruledBy(tenants: readonly Told[]): { book: RuleBook; dropped: { tenant: string; rule: string }[] } {
    const dropped: { tenant: string; rule: string }[] = [];
    let book = new RuleBook(this.#said);
    for (const tenant of tenants) {
      for (const [id, { over }] of this.#said.get(tenant.id) ?? []) {
        if (isSame(over, configured(tenant, id))) continue;
        dropped.push({ tenant: tenant.id, rule: id });
        book = book.#with(tenant.id, id, null);
      }
    }
    return { book, dropped };
  }

  /** As the configuration says, but that this rule is in force; `rule` null: that none of the id is. */
  say(tenant: Told, id: string, rule: RuleConfig | null): RuleBook {
    const over = configured(tenant, id);
    return this.#with(tenant.id, id, rule === null && over === null ? null : { rule, over });
  }

  #with(tenant: string, id: string, said: Said | null): RuleBook {
    const rules = new Map(this.#said.get(tenant));
    if (said === null) rules.delete(id);
    else rules.set(id, said);
    const all = new Map(this.#said);
    if (rules.size === 0) all.delete(tenant);
    else all.set(tenant, rules);
    return new RuleBook(all);
  }

  /** The tenant's rules, those of the configuration in its order first, and where each comes from. */
  list(tenant: Told): ListedRule[] {
    const said = this.#said.get(tenant.id) ?? new Map<string, Said>();
    const listed = tenant.rules.map((rule): ListedRule => {
      const entry = said.get(rule.id);
      if (entry === undefined) return { source: "configuration", rule };
      return entry.rule === null ? { source: "deleted", rule } : { source: "api", rule: entry.rule };
    });
    const ids = new Set(tenant.rules.map(({ id }) => id));
    for (const [id, { rule }] of said) if (!ids.has(id) && rule !== null) listed.push({ source: "api", rule });
    return listed;
  }

  /** Tenants with the rules that are in force. */
  laidOver<T extends Told>(tenants: readonly T[]): T[] {
    return tenants.map((tenant) => ({
      ...tenant,
      rules: this.list(tenant).flatMap(({ source, rule }) => (source === "deleted" ? [] : [rule])),
    }));
  }
}

/**
 * What `RuleBook.text` gave.
 * @throws MeterstormError `rules_unreadable`; `source` names the file
 */
export function parseRuleBook(text: string, source: string): RuleBook {
  try {
    const { format, tenants } = JSON.parse(text) as {
      format: number;
      tenants: Record<string, { rule: unknown; over: unknown }[]>;
    };
    if (format !== 1) throw new Error(`it has format ${format}, this version knows format 1`);
    const said = Object.entries(tenants).map(([tenant, rules]): [string, Map<string, Said>] => {
      const entries = rules.map(({ rule, over }): Said => ({ rule: readRule(rule), over: readRule(over) }));
      return [tenant, new Map(entries.map((entry) => [(entry.rule ?? entry.over)?.id ?? "", entry]))];
    });
    return new RuleBook(new Map(said));
  } catch (error) {
    const message = `${source}, the rules that were set while the engine ran, cannot be read: ${messageOf(error)}. Put it back from a copy, or remove it to go on with the configuration's rules alone`;
    throw new MeterstormError("rules_unreadable", message);
  }
}

function configured(tenant: Told, id: string): RuleConfig | null {
  return tenant.rules.find((rule) => rule.id === id) ?? null;
}

function isSame(a: RuleConfig | null, b: RuleConfig | null): boolean {
  return a === b || (a !== null && b !== null && JSON.stringify(ruleForm(a)) === JSON.stringify(ruleForm(b)));
}

function readRule(json: unknown): RuleConfig | null {
  if (json === null) return null;
  const result = parseRule(json);
  if ("rule" in result) return result.rule;
  throw new Error(result.faults.map(faultLine).join("; "));
}
