import type { MeterEntry, MeterSettings, Rule, RuleOn, TenantPlan } from "../../engine/base/settings.js";
import type { Random } from "../support/random.js";
import { FIRST_TS, METER_KINDS, NEVER_SEEN, rule, TIMED_RULES } from "./plans.js";

const MINUTE_MS = 60_000;
/** It misses data whatever is edited. */
const STAYS = "silent";
/** There is always a rule on energy, so that a reading that is held back is held back in any case. */
const ENERGY_STAYS = "step";

/** Edits what the configuration says; remembers what then is not to be said again. */
export class PlanEdits {
  readonly #random: Random;
  #named = 0;
  /**
   * Rules that left a meter at some time: when an incident that they left ends there, a reading or the clock decides. None comes back,
   * since what it left may be over by then or not.
   */
  readonly left = new Set<string>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** One to three edits; `newestTs`: of all readings that were made. */
  edited(plans: readonly TenantPlan[], newestTs: number): TenantPlan[] {
    let edited = [...plans];
    for (let edits = 1 + this.#random.int(3); edits > 0; edits--) {
      const at = this.#random.int(edited.length);
      edited = edited.with(at, this.#edit(edited[at]!, newestTs));
    }
    return edited;
  }

  #edit(plan: TenantPlan, newestTs: number): TenantPlan {
    const random = this.#random;
    if (random.chance(0.35)) return { ...plan, meters: this.#meters(plan, newestTs) };
    // The second client has no rules to begin with, and never misses data.
    if (plan.rules.length === 0 || random.chance(0.25)) return { ...plan, rules: this.#withAnother(plan.rules) };
    const at = random.int(plan.rules.length);
    const one = plan.rules[at]!;
    if (random.chance(0.2) && one.id !== STAYS && one.id !== ENERGY_STAYS) {
      this.left.add(one.id);
      return { ...plan, rules: plan.rules.toSpliced(at, 1) };
    }
    if (random.chance(0.1)) return { ...plan, rules: [...plan.rules].reverse() };
    return { ...plan, rules: plan.rules.with(at, this.#changed(one)) };
  }

  #withAnother(rules: readonly Rule[]): Rule[] {
    const random = this.#random;
    const [on, threshold] = random.pick<[RuleOn, number]>([
      ["value", 1100 + random.int(600)],
      ["delta", 1 + random.int(3)],
      ["rate", 4 + random.int(8)],
      ["hour", 5 + random.int(6)],
    ]);
    const meters = random.pick(["*", `${random.pick(METER_KINDS)}-*`]);
    return rules.toSpliced(random.int(rules.length + 1), 0, rule(`added-${++this.#named}`, on, threshold, { meters }));
  }

  #changed(one: Rule): Rule {
    const random = this.#random;
    if (one.id === STAYS) return { ...one, forMs: 4_000 + random.int(3_000) };
    const dice = random.int(3);
    if (dice === 0 && one.meters === "*" && one.id !== ENERGY_STAYS) {
      this.left.add(one.id);
      return { ...one, meters: `${random.pick(METER_KINDS)}-*` };
    }
    if (dice === 1 && one.levels.length === 0 && !TIMED_RULES.has(one.id))
      return { ...one, severity: random.pick(["info", "warning", "critical"]) };
    if (one.threshold === null) return { ...one, flag: random.pick(["SPIKE", "RESET", "CONFLICT"]) };
    const by = 0.7 + random.unit() / 2;
    const levels = one.levels.map((level) => ({ ...level, threshold: Math.round(level.threshold * by) }));
    const clear = one.clear === null ? null : Math.round(one.clear * by);
    return { ...one, threshold: Math.round(one.threshold * by), clear, levels };
  }

  #meters({ meters }: TenantPlan, newestTs: number): readonly MeterEntry[] {
    const random = this.#random;
    const dice = random.int(10);
    if (dice === 0) return [{ ...meters[0]!, match: `${NEVER_SEEN}-${++this.#named}` }, ...meters];
    const dated = meters.findLastIndex(({ from }) => from !== undefined);
    if (dice === 1 && dated >= 0) return meters.toSpliced(dated, 1);
    const at = random.int(meters.length);
    const { match, settings } = meters[at]!;
    if (dice === 2) return meters.with(at, { ...meters[at]!, settings: { ...settings, unit: `unit ${++this.#named}` } });
    // Where there are rows already both are refused.
    if (dice <= 5) return meters.with(at, { ...meters[at]!, settings: { ...settings, ...this.#other(settings) } });
    const from = (random.chance(0.5) ? newestTs : FIRST_TS) + (random.int(600) - 50) * MINUTE_MS;
    return [...meters, { match, from, settings: { ...settings, ...this.#other(settings) } }];
  }

  #other({ kind }: MeterSettings): Partial<MeterSettings> {
    const random = this.#random;
    const any: Partial<MeterSettings>[] = [
      { multiplier: random.pick([0.5, 2, 10]) },
      { timezone: random.pick(["America/Chicago", "Asia/Kathmandu"]) },
      { periods: random.pick([["hour"], ["quarter", "hour"], ["day"]]) },
    ];
    return random.pick(kind === "counter" ? [...any, { maxRate: random.pick([20, 80]) }, { decimals: 2, step: 0.01 }] : any);
  }
}
