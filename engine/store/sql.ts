const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * A text as an SQL literal. Only the single quote is special between single quotes: a
 * backslash, a semicolon or a comment is data. Halves of surrogate pairs, which no store can hold,
 * become U+FFFD as they did when the text was stored.
 */
export function sqlText(text: string): string {
  return `'${decoder.decode(encoder.encode(text)).replaceAll("'", "''")}'`;
}

/** Epoch milliseconds as whole microseconds, which both stores count in. Beyond what fits 64 bits it is the nearest that does. */
export function sqlTime(ms: number): string {
  if (Number.isNaN(ms)) return "null";
  const bounded = Math.min(Math.max(Math.ceil(ms), -8_640_000_000_000_000), 8_640_000_000_000_000);
  return (BigInt(bounded) * 1000n).toString();
}

/** A row count as SQL; nothing but a whole number gets through. */
export function sqlCount(count: number): string {
  return String(Math.max(0, Math.floor(Number.isFinite(count) ? count : 0)));
}

export function sqlName(name: string): string {
  return `"${name}"`;
}
