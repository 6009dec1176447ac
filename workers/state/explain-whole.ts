import { decimalParts } from "../../engine/base/decimal.js";
import type { Scale, Whole } from "../../engine/base/explanation.js";
import type { MeterSettings } from "../../engine/base/settings.js";

/** A whole number that may have been too large for one double. */
export function wholeOf(high: number, low = 0): Whole {
  return whole(BigInt(high) + BigInt(low));
}

export function whole(value: bigint): Whole {
  const double = Number(value);
  return Number.isSafeInteger(double) ? double : value.toString();
}

export function scaleOf({ decimals, multiplier }: MeterSettings): Scale {
  const parts = decimalParts(multiplier);
  return { decimals, digits: parts.digits, divisor: 10 ** (decimals + parts.decimals) };
}

export function iso(ts: number): string {
  return new Date(ts).toISOString();
}

/** NaN as null. */
export function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}
