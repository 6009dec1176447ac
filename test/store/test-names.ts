import type { Names } from "../../engine/store/interface.js";

/** Numbers for names, given as they are first asked for. */
export class TestNames implements Names {
  readonly #meters: { tenant: string; id: string }[] = [];
  readonly #dataloggers: { tenant: string; id: string }[] = [];
  readonly #rules: string[] = [];

  meterNumber(tenant: string, id: string): number {
    const found = this.#meters.findIndex((meter) => meter.tenant === tenant && meter.id === id);
    return found >= 0 ? found : this.#meters.push({ tenant, id }) - 1;
  }

  dataloggerNumber(tenant: string, id: string): number {
    return this.#dataloggers.push({ tenant, id }) - 1;
  }

  ruleNumber(id: string): number {
    return this.#rules.push(id) - 1;
  }

  tenantOfMeter(meter: number): string {
    return this.#meters[meter]?.tenant ?? "";
  }

  meter(meter: number): string {
    return this.#meters[meter]?.id ?? "";
  }

  datalogger(datalogger: number): { tenant: string; id: string } {
    return this.#dataloggers[datalogger] ?? { tenant: "", id: "" };
  }

  rule(rule: number): string {
    return this.#rules[rule] ?? "";
  }
}
