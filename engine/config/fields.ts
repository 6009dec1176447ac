import { z } from "zod";
import { DURATION_FORM, INSTANT_FORM, parseBytes, parseDurationMs, parseInstantMs, SIZE_FORM } from "./quantity.js";

/** What an issue of a field carries, for the fault that is made of it. */
export interface FieldIssue {
  allowed: string;
  remedy: string;
  /** Found text that is better than the value as it stands. */
  found?: string;
  /** Names that are known where an unknown one was found. */
  names?: readonly string[];
  secret?: boolean;
}

/** A field that is read by hand, so that each fault says what is allowed in the configuration's own words. */
export function field<T>(issue: FieldIssue, read: (value: unknown) => T | undefined) {
  return z.unknown().transform((value, context): T => {
    const result = read(value);
    if (result !== undefined) return result;
    context.addIssue({ code: "custom", params: issue, input: value });
    return z.NEVER;
  });
}

/** Reads `value` by another schema in the middle of a transform, handing on its issues; the result counts only without any. */
export function within<S extends z.ZodType>(schema: S, value: unknown, context: z.RefinementCtx): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  for (const issue of result.error.issues) context.issues.push({ ...issue, input: value } as z.core.$ZodRawIssue);
  return z.NEVER;
}

/** An object that knows its names: any other is a fault at its own path. */
export function record<S extends z.core.$ZodLooseShape>(shape: S): z.ZodObject<S, z.core.$strip> {
  const names = Object.keys(shape);
  const unknown = field<never>({ allowed: names.join(", "), remedy: "Remove it.", names }, () => undefined);
  return z.object(shape).catchall(unknown) as unknown as z.ZodObject<S, z.core.$strip>;
}

export function text(allowed: string, remedy: string, pattern: RegExp) {
  return field({ allowed, remedy }, (value) => (typeof value === "string" && pattern.test(value) ? value : undefined));
}

/** A value that may be null too. */
export const optional = <S extends z.ZodType>(schema: S) =>
  z.unknown().transform((value, context): z.output<S> | null => (value === null ? null : within(schema, value, context)));

export const glob = field(
  { allowed: "a pattern for meters' ids, 1–256 characters (* any run of characters, ? one)", remedy: '"*" matches every meter.' },
  (value) => (typeof value === "string" && value.length >= 1 && value.length <= 256 ? value : undefined),
);

/** `integer` by default; `least` and `most` are included. */
export function number(least: number, most: number, remedy: string, integer = true) {
  const allowed = `a ${integer ? "whole " : ""}number from ${least} to ${most}`;
  return field({ allowed, remedy }, (value) => {
    if (typeof value !== "number" || !Number.isFinite(value)) return undefined;
    return value >= least && value <= most && (!integer || Number.isInteger(value)) ? value : undefined;
  });
}

export function positive(most: number, remedy: string) {
  return field({ allowed: `a number above 0, at most ${most}`, remedy }, (value) =>
    typeof value === "number" && value > 0 && value <= most ? value : undefined,
  );
}

export function choice<const T extends string>(options: readonly T[], remedy: string) {
  const allowed = options.map((option) => JSON.stringify(option)).join(", ");
  return field({ allowed, remedy, names: options }, (value) => options.find((option) => option === value));
}

export function flag(remedy: string) {
  return field({ allowed: "true or false", remedy }, (value) => (typeof value === "boolean" ? value : undefined));
}

/** Milliseconds, both ends included. */
export function duration(leastMs: number, mostMs: number, range: string, remedy: string) {
  return field({ allowed: `${DURATION_FORM}, ${range}`, remedy }, (value) => {
    const ms = parseDurationMs(value);
    return ms !== undefined && ms >= leastMs && ms <= mostMs ? ms : undefined;
  });
}

/** Epoch milliseconds, both ends included. */
export function instant(leastMs: number, mostMs: number, range: string, remedy: string) {
  return field({ allowed: `${INSTANT_FORM}, ${range}`, remedy }, (value) => {
    const ms = parseInstantMs(value);
    return ms !== undefined && ms >= leastMs && ms <= mostMs ? ms : undefined;
  });
}

export function size(leastBytes: number, range: string, remedy: string) {
  return field({ allowed: `${SIZE_FORM}, ${range}`, remedy }, (value) => {
    const bytes = parseBytes(value);
    return bytes !== undefined && bytes >= leastBytes ? bytes : undefined;
  });
}

/** A URL of one of the schemes; returned without a slash at its end. */
export function readUrl(value: unknown, schemes: readonly string[]): string | undefined {
  if (typeof value !== "string" || !URL.canParse(value)) return undefined;
  const url = new URL(value);
  return schemes.includes(url.protocol) && url.hostname !== "" ? value.replace(/\/+$/, "") : undefined;
}

/** Part of the contract that this version does not have: only its absence is taken, so that nothing is ignored in silence. */
export function notYet(what: string, absent: "null") {
  const issue = {
    allowed: `${absent}: ${what} not available in this version`,
    remedy: "Remove it, or wait for a later version.",
  };
  return field<null>(issue, (value) => (value == null ? null : undefined)).default(null);
}

/** Whether `name` is a time zone that this runtime knows. An offset is none: it has no rules for summer time. */
export function knownZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

export function zone() {
  return field(
    {
      allowed: "an IANA time zone that this runtime knows",
      remedy: 'Name one as "Area/City", or "UTC".',
      names: Intl.supportedValuesOf("timeZone"),
    },
    (value) => (typeof value === "string" && knownZone(value) ? value : undefined),
  );
}
