import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../engine/base/package-root.js";

const folder = join(packageRoot, "test", "fuzz", "corpus");

export interface Entry {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * Inputs of a target that once did harm, or are rarely hit upon. `.txt`: the text without its last line end;
 * `.hex`: hexadecimal digits, white space between them and lines that begin with # mean nothing.
 */
export function corpusOf(target: string): Entry[] {
  const path = join(folder, target);
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .sort()
    .map((name) => ({ name, bytes: bytesIn(name, readFileSync(join(path, name))) }));
}

function bytesIn(name: string, file: Buffer): Uint8Array {
  if (name.endsWith(".txt")) return new Uint8Array(Buffer.from(file.toString("utf8").replace(/\n$/, "")));
  if (!name.endsWith(".hex")) throw new Error(`${name} in the corpus is neither .txt nor .hex`);
  const digits = file.toString("utf8").replace(/^#.*$/gm, "").replace(/\s+/g, "");
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new Error(`${name} in the corpus is not hexadecimal`);
  return new Uint8Array(Buffer.from(digits, "hex"));
}

/** An input as it can be put into the corpus. */
export function shown(bytes: Uint8Array, maxBytes = 4096): string {
  const text = Buffer.from(bytes).toString("utf8");
  const isText = Buffer.from(text).equals(Buffer.from(bytes)) && /^[\x20-\x7e]*$/.test(text);
  const form = isText ? "text" : "hex";
  const cut = bytes.length > maxBytes ? ` (the first ${maxBytes} of ${bytes.length} bytes)` : "";
  const part = bytes.subarray(0, maxBytes);
  return `${form}${cut}: ${isText ? text.slice(0, maxBytes) : Buffer.from(part).toString("hex")}`;
}
