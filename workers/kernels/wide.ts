/** Whole numbers up to this are exact in a double. */
export const EXACT = 2 ** 53;
/** Splits a double's 53 bits in two halves (Veltkamp). */
const SPLITTER = 2 ** 27 + 1;

/**
 * What a × b has beyond the double `product` = a × b, exactly, for whole numbers (Dekker). A sum of areas, units ×
 * milliseconds, soon passes 2^53; with this second double nothing of it is lost.
 */
export function productLow(a: number, b: number, product: number): number {
  if (product < EXACT && product > -EXACT) return 0;
  const aSplit = SPLITTER * a;
  const aHigh = aSplit - (aSplit - a);
  const aLow = a - aHigh;
  const bSplit = SPLITTER * b;
  const bHigh = bSplit - (bSplit - b);
  const bLow = b - bHigh;
  return aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow);
}

/** What a + b has beyond the double `sum` = a + b, exactly (Knuth). */
export function sumLow(a: number, b: number, sum: number): number {
  const added = sum - a;
  return a - (sum - added) + (b - added);
}

/** (high + low) × factor as the nearest double; all three whole. */
export function wideTimes(high: number, low: number, factor: number): number {
  return low === 0 ? high * factor : Number((BigInt(high) + BigInt(low)) * BigInt(factor));
}
