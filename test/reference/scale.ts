import type { MeterSettings } from "../../engine/base/settings.js";

export const HOUR_MS = 3_600_000n;

/** A number as it is written: digits × 10^-k, both whole. */
function written(value: number): { digits: bigint; k: number } {
  const [mantissa = "", exponent = "0"] = value.toString().split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const k = fraction.length - Number(exponent);
  const digits = BigInt(whole + fraction);
  return k >= 0 ? { digits, k } : { digits: digits * 10n ** BigInt(-k), k: 0 };
}

/** Whole units of the meter's resolution. */
export function unitsOf(settings: MeterSettings, value: number): bigint {
  return BigInt(Math.round(value * 10 ** settings.decimals));
}

/** What a row shows of an amount of units (÷ `divisor`): one division, with the multiplier in it. */
export function shown(settings: MeterSettings, amount: bigint, divisor = 1): number {
  const { digits, k } = written(settings.multiplier);
  return Number(amount * digits) / (divisor * 10 ** (settings.decimals + k));
}

/** maxRate × time + step in whole units (a fraction of one makes no difference to whole amounts); null: no bound. */
export function mostIn(settings: MeterSettings, ms: number): bigint | null {
  if (settings.maxRate === null) return null;
  const { digits, k } = written(settings.maxRate);
  const rate = digits * 10n ** BigInt(settings.decimals);
  return (rate * BigInt(ms)) / (HOUR_MS * 10n ** BigInt(k)) + unitsOf(settings, settings.step);
}

/** n ÷ d rounded to whole, halves up; d > 0. */
export function rounded(n: bigint, d: bigint): bigint {
  return floored(2n * n + d, 2n * d);
}

export function floored(n: bigint, d: bigint): bigint {
  const quotient = n / d;
  return quotient * d > n ? quotient - 1n : quotient;
}

export function least(values: bigint[]): bigint {
  return values.toSorted((a, b) => (a < b ? -1 : 1))[0] ?? 0n;
}

export function greatest(values: bigint[]): bigint {
  return values.toSorted((a, b) => (a < b ? 1 : -1))[0] ?? 0n;
}
