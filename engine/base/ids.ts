import { limits } from "./limits.js";

/** Control characters, and halves of a surrogate pair standing alone, which no UTF-8 can carry. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f]|\p{Cs}/u;

/** Whether a meter's or a datalogger's id is one: 1–128 characters (code points), no control characters. */
export function isId(id: unknown): id is string {
  if (typeof id !== "string" || id.length === 0 || id.length > limits.maxIdChars * 2) return false;
  if (FORBIDDEN.test(id)) return false;
  return id.length <= limits.maxIdChars || [...id].length <= limits.maxIdChars;
}

/** A stable 32-bit hash (FNV-1a over UTF-16 units): which shard a client lives in depends on it, so it may never change. */
export function stableHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x7feb352d);
  hash ^= hash >>> 15;
  return hash >>> 0;
}
