import { EXACT } from "./wide.js";

/**
 * amount × part ÷ whole, rounded to the nearest whole number, halves up. Exact for whole numbers of any size:
 * `amount` within ±2^53, 0 ≤ `part` ≤ `whole`, `whole` > 0.
 */
export function share(amount: number, part: number, whole: number): number {
  return divided(amount, part, whole, 1);
}

/** As `share`, rounded down. */
export function shareDown(amount: number, part: number, whole: number): number {
  return divided(amount, part, whole, 0);
}

/** As `share`, rounded up. */
export function shareUp(amount: number, part: number, whole: number): number {
  return -divided(-amount, part, whole, 0);
}

/** `nearest` 1: to the nearest, halves up; 0: down. */
function divided(amount: number, part: number, whole: number, nearest: 0 | 1): number {
  if (part === whole) return amount;
  if (part === 0 || amount === 0) return 0;
  const product = amount * part;
  if (product < EXACT && product > -EXACT) return quotient(product, whole, nearest);
  // What divides evenly is set aside, so that for stretches up to about a day the rest fits again. Remainders are exact.
  const rest = amount % whole;
  const evenly = ((amount - rest) / whole) * part;
  const smaller = rest * part;
  if (smaller < EXACT && smaller > -EXACT) return evenly + quotient(smaller, whole, nearest);
  const exact = BigInt(rest) * BigInt(part);
  const divisor = BigInt(whole);
  let down = exact / divisor;
  if (down * divisor > exact) down--;
  const up = nearest === 1 && 2n * (exact - down * divisor) >= divisor ? 1n : 0n;
  return evenly + Number(down + up);
}

function quotient(product: number, whole: number, nearest: 0 | 1): number {
  let down = Math.floor(product / whole);
  let rest = product - down * whole;
  // The division of doubles may have been rounded up to the next whole number.
  if (rest < 0) {
    down--;
    rest += whole;
  }
  return nearest === 1 && 2 * rest >= whole ? down + 1 : down;
}
