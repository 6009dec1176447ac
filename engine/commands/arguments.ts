import { InvalidArgumentError } from "commander";
import { DURATION_FORM, parseDurationMs } from "../config/quantity.js";

/** A whole number above 0; `10k` and `1.5M` are understood. */
export function amount(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([kM]?)$/.exec(text);
  const value = match === null ? Number.NaN : Number(match[1]) * { "": 1, k: 1e3, M: 1e6 }[match[2] as "" | "k" | "M"];
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError("a whole number above 0 is allowed, such as 500, 10k or 1.5M.");
  return value;
}

/** A duration in milliseconds, as configurations write it; above 0. */
export function durationMs(text: string): number {
  const value = parseDurationMs(text);
  if (value === undefined || value < 1) throw new InvalidArgumentError(`allowed are ${DURATION_FORM}.`);
  return value;
}

/** Epoch milliseconds from RFC 3339 with an offset, a date (UTC), or epoch milliseconds. */
export function instantMs(text: string): number {
  const value = /^\d{12,14}$/.test(text)
    ? Number(text)
    : /^\d{4}-\d\d-\d\d($|T.*(Z|[+-]\d\d:\d\d)$)/.test(text)
      ? Date.parse(text)
      : Number.NaN;
  if (Number.isNaN(value))
    throw new InvalidArgumentError("an instant is allowed, such as 2026-01-01T00:00:00Z, a date, or epoch milliseconds.");
  return value;
}

export function collect(text: string, before: string[]): string[] {
  return [...before, text];
}

/** The tokens of a file: one a line; empty lines and lines that begin with # are passed over. */
export function tokensOf(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}
