import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { MeterstormError, messageOf } from "./base/errors.js";
import { InTurn } from "./base/in-turn.js";
import type { TenantPlan } from "./base/settings.js";
import { writeDurably } from "./base/write-durably.js";
import type { InForce } from "./config/in-force.js";
import { restartNeeded } from "./config/restart-needed.js";
import { type ListedRule, parseRuleBook, RuleBook } from "./config/rule-book.js";
import type { Config, TenantConfig } from "./config/schema.js";
import type { RuleConfig } from "./config/schema-rules.js";
import { tenantPlans } from "./config/tenants.js";
import type { PlanChange } from "./shards/plan-change.js";

/** Of one client, set while the engine runs. */
const MOST_RULES = 1000;

export interface LiveChangesPorts {
  /** As it was started with. */
  config: Config;
  directory: string;
  /** Over how many shards each client that the data directory has ever known is spread, and how it remembers new ones. */
  claim(): { readonly spread: Readonly<Record<string, number>>; addClients(spread: Record<string, number>): void };
  shards: number;
  inForce: InForce;
  /** Resolves once the shards are open, so that they can be asked. */
  opened: Promise<void>;
  change(change: PlanChange): Promise<void>;
  /** The tenants in force are others now; no frame has moved since. */
  changed(): void;
  log: { info(details: object, message: string): void; warn(details: object, message: string): void };
}

/** What is still as the file said last, and what of the file waits for a start. */
interface Fitting {
  tenants: TenantConfig[];
  waiting: string[];
}

/**
 * What changes while the engine runs: the tenants of the configuration, and the rules that are put and deleted. One change
 * at a time, and each as a whole.
 */
export class LiveChanges {
  readonly #ports: LiveChangesPorts;
  readonly #turn = new InTurn();
  readonly #path: string;
  /** As the configuration says, without what was said of rules since. */
  #tenants: readonly TenantConfig[];
  #book = new RuleBook();
  /** Changes that were taken, and files that were not. */
  readonly counts = { applied: 0, refused: 0 };

  constructor(ports: LiveChangesPorts) {
    this.#ports = ports;
    this.#path = join(ports.directory, "rules.json");
    this.#tenants = ports.config.tenants;
  }

  /**
   * Lays what was said of rules before this start over the configuration.
   * @throws MeterstormError `rules_unreadable`, `data_dir_unwritable`
   */
  begin(): void {
    if (!existsSync(this.#path)) return;
    const { book, dropped } = parseRuleBook(readFileSync(this.#path, "utf8"), this.#path).overruledBy(this.#tenants);
    if (dropped.length > 0) this.#write(book);
    this.#book = book;
    this.#tell(dropped);
    const tenants = book.laidOver(this.#tenants);
    this.#ports.inForce.replace(tenants, tenantPlans({ tenants }));
  }

  /**
   * Goes on by the tenants of another configuration.
   * @throws MeterstormError where it cannot; nothing is changed then
   */
  async reload(config: Config): Promise<void> {
    // Not in its turn: who puts a rule meanwhile is told that the engine is starting, and does not hang behind this one.
    await this.#ports.opened;
    await this.#turn.take(async () => {
      try {
        await this.#reload(config);
        this.counts.applied++;
      } catch (error) {
        this.counts.refused++;
        throw error;
      }
    });
  }

  async #reload(config: Config): Promise<void> {
    const { log, inForce } = this.#ports;
    const { tenants, waiting } = this.#fitting(config.tenants);
    const { book, dropped } = this.#book.overruledBy(tenants);
    const before = new Set(inForce.tenants.map(({ id }) => id));
    await this.#take(tenants, book, dropped.length > 0);
    this.#tell(dropped);
    const now = new Set(tenants.map(({ id }) => id));
    const added = [...now].filter((id) => !before.has(id));
    const removed = [...before].filter((id) => !now.has(id));
    log.info({ tenants: now.size, added, removed }, "the configuration was read again and is in force");
    const restart = [...restartNeeded(this.#ports.config, config), ...waiting];
    if (restart.length > 0) log.warn({ restart }, `only a restart changes ${restart.join(", ")}: the rest is in force`);
  }

  /** A client stays spread over as many shards as it was: its meters' states lie where its frames went. */
  #fitting(wanted: readonly TenantConfig[]): Fitting {
    const { inForce, shards, claim } = this.#ports;
    const { spread } = claim();
    const fitting: Fitting = { tenants: [], waiting: [] };
    for (const [index, tenant] of wanted.entries()) {
      const known = inForce.tenant(tenant.id);
      const asked = Math.min(tenant.shards, shards);
      const is = known === undefined ? spreadBefore(spread, tenant.id, asked) : Math.min(known.shards, shards);
      // What spreads a client is laid out at the start.
      const isNewAndSpread = known === undefined && (asked > 1 || is > 1);
      if (asked !== is || isNewAndSpread) fitting.waiting.push(`tenants[${index}].shards (${tenant.id})`);
      if (isNewAndSpread) continue;
      fitting.tenants.push(known === undefined ? tenant : { ...tenant, shards: known.shards });
    }
    return fitting;
  }

  #tell(dropped: readonly { tenant: string; rule: string }[]): void {
    for (const { tenant, rule } of dropped) {
      const message = `the configuration says something else of the rule "${rule}" of ${tenant} than when it was set while the engine ran: the configuration counts`;
      this.#ports.log.warn({ tenant, rule }, message);
    }
  }

  async #take(tenants: readonly TenantConfig[], book: RuleBook, isBookNew: boolean): Promise<void> {
    const { change, inForce, claim, shards, changed } = this.#ports;
    const laid = book.laidOver(tenants);
    const plans: TenantPlan[] = tenantPlans({ tenants: laid });
    await change({
      plans,
      commit: () => {
        claim().addClients(Object.fromEntries(tenants.map((tenant) => [tenant.id, Math.min(tenant.shards, shards)])));
        if (isBookNew) this.#write(book);
      },
      adopted: () => {
        this.#tenants = tenants;
        this.#book = book;
        inForce.replace(laid, plans);
        changed();
      },
    });
  }

  #write(book: RuleBook): void {
    try {
      writeDurably(this.#path, book.text());
    } catch (error) {
      throw new MeterstormError("data_dir_unwritable", `${this.#path} cannot be written: ${messageOf(error)}`, { cause: error });
    }
  }

  /** The tenant's rules and where each comes from. */
  rules(tenant: string): ListedRule[] {
    const told = this.#tenants.find(({ id }) => id === tenant);
    return told === undefined ? [] : this.#book.list(told);
  }

  /**
   * Puts a rule in force, or `null` the one with this id out of force, and keeps that over restarts. False when there was none to take away.
   * @throws MeterstormError `rule_limit`, `busy`, `data_dir_unwritable`; nothing is changed then
   */
  say(tenant: string, id: string, rule: RuleConfig | null): Promise<boolean> {
    return this.#turn.take(async () => {
      const told = this.#tenants.find((candidate) => candidate.id === tenant);
      if (told === undefined) throw new MeterstormError("busy", `the client ${tenant} was taken out of the configuration`);
      const inForce = this.#book.list(told).filter(({ source }) => source !== "deleted");
      const isKnown = inForce.some((listed) => listed.rule.id === id);
      if (rule === null && !isKnown) return false;
      if (rule !== null && !isKnown && inForce.length >= MOST_RULES)
        throw new MeterstormError(
          "rule_limit",
          `the client has ${inForce.length} rules, and ${MOST_RULES} are the most; delete one`,
        );
      await this.#take(this.#tenants, this.#book.say(told, id, rule), true);
      return true;
    });
  }
}

/** A client may be called as what every object has. */
function spreadBefore(spread: Readonly<Record<string, number>>, tenant: string, otherwise: number): number {
  return Object.hasOwn(spread, tenant) ? spread[tenant]! : otherwise;
}
