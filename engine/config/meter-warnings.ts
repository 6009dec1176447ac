import { globMatches } from "../base/glob.js";
import type { MeterConfig } from "./schema.js";

/** A run of characters that no id begins or ends with by chance. */
const ANY_RUN = "\u{10ffff}".repeat(8);

/** What is odd about one entry of `meters` by itself. */
export function meterWarnings(meter: MeterConfig): string[] {
  const messages: string[] = [];
  if (meter.kind === "counter" && meter.maxRate === null)
    messages.push("a counter without maxRate: billing needs it, since resets and exchanges cannot be told from use without it");
  const idle: string[] = [];
  if (meter.modulus !== null && (meter.kind !== "counter" || meter.net)) idle.push("modulus");
  if (meter.maxRate !== null && (meter.kind === "power" || meter.kind === "gauge")) idle.push("maxRate");
  if (meter.net && (meter.kind === "power" || meter.kind === "gauge")) idle.push("net");
  for (const name of idle)
    messages.push(`${name} has no effect on ${meter.net && name === "modulus" ? "a net register" : `kind ${meter.kind}`}`);
  return messages;
}

/** Where one entry of `meters` stands in the way of others, or they in its: of those that match, the latest `from` decides, then the first. */
export function reachWarnings(meters: readonly MeterConfig[], index: number): string[] {
  const meter = meters[index]!;
  const before = meters.findIndex((other, i) => i < index && other.from === meter.from && covers(other.match, meter.match));
  if (before >= 0) {
    const what = meters[before]!.match === "*" ? "every meter" : "all that it matches";
    const since = meter.from === null ? "" : ", from the same instant on";
    return [`never reached: meters[${before}] matches ${what}${since}`];
  }
  if (meter.from === null) return [];
  const since = new Date(meter.from).toISOString();
  const messages: string[] = [];
  if (!meters.some(({ match, from }) => from === null && covers(match, meter.match)))
    messages.push(
      `in force from ${since} on, and no entry without "from" matches all of its meters: before that, those that none matches have the defaults`,
    );
  for (const [i, other] of meters.entries()) {
    const isTakenOver =
      other.match !== meter.match && (other.from ?? Number.NEGATIVE_INFINITY) < meter.from && covers(meter.match, other.match);
    if (!isTakenOver || hasOwnFrom(meters, index, other.match)) continue;
    messages.push(
      `decides from ${since} on for the meters of meters[${i}] (${JSON.stringify(other.match)}) too, since its "from" is the latest: where they are to stay as they are, repeat that entry with the same "from" before this one`,
    );
  }
  return messages;
}

/** Whether meters of a pattern have an entry of their own that comes before a dated one, at its instant. */
function hasOwnFrom(meters: readonly MeterConfig[], index: number, match: string): boolean {
  const { from } = meters[index]!;
  return meters.some((other, i) => i < index && other.from === from && other.match === match);
}

/** Whether a pattern matches, as far as can be told from both alone, all that another one does. */
function covers(pattern: string, other: string): boolean {
  return ["", ANY_RUN].every((run) => globMatches(pattern, other.replaceAll("*", run)));
}
