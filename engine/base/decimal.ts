/**
 * A finite number as it is written: `digits` × 10^-`decimals`, both whole and `decimals` least, so
 * that amounts can be scaled with whole numbers and one division.
 */
export function decimalParts(value: number): { digits: number; decimals: number } {
  const [mantissa = "", exponent = "0"] = value.toString().split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const decimals = fraction.length - Number(exponent);
  const digits = Number(whole + fraction);
  return decimals >= 0 ? { digits, decimals } : { digits: digits * 10 ** -decimals, decimals: 0 };
}
