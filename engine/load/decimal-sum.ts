import { MeterstormError } from "../base/errors.js";

/**
 * A running sum of decimal numbers as they are written, without any rounding: 0.1 ten times is 1.
 * Kept as a whole number of 10^-scale, the scale growing with the finest number that was added.
 */
export class DecimalSum {
  #units = 0n;
  #scale = 0;

  /** Adds a number such as `-0.25`, `17` or `1.5e-3`. Throws MeterstormError `number_invalid`. */
  add(text: string): void {
    const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/.exec(text.trim());
    const whole = match?.[2] ?? "";
    const fraction = match?.[3] ?? "";
    if (match === null || whole + fraction === "") {
      throw new MeterstormError("number_invalid", `${JSON.stringify(text)} is not a number such as 12.345`);
    }
    const scale = fraction.length - Number(match[4] ?? 0);
    let units = BigInt(whole + fraction);
    if (match[1] === "-") units = -units;
    if (scale > this.#scale) {
      this.#units *= 10n ** BigInt(scale - this.#scale);
      this.#scale = scale;
    }
    this.#units += units * 10n ** BigInt(this.#scale - scale);
  }

  /** The sum as a decimal, every digit of it. */
  toString(): string {
    const negative = this.#units < 0n;
    const digits = String(negative ? -this.#units : this.#units).padStart(this.#scale + 1, "0");
    const at = digits.length - this.#scale;
    const text = this.#scale === 0 ? digits : `${digits.slice(0, at)}.${digits.slice(at)}`;
    return negative ? `-${text}` : text;
  }

  /** The number nearest to the sum. */
  toNumber(): number {
    return Number(this.toString());
  }
}
