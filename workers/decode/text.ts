import { isSeq } from "./binary.js";

/**
 * A text frame or the body of a post: `{"seq":1,"readings":[…]}` or, in a post, a bare array.
 * Readings stay as JSON.parse made them; `readingOf` looks at one at a time.
 */
export interface TextFrame {
  /** 0 where there is none. */
  seq: number;
  /** `null`: the frame cannot be read, `fault` says why. */
  readings: unknown[] | null;
  fault: string;
}

export function readTextFrame(text: string): TextFrame {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    return { seq: seqOfBrokenText(text), readings: null, fault: `not JSON: ${(error as Error).message}` };
  }
  if (Array.isArray(parsed)) return { seq: 0, readings: parsed, fault: "" };
  if (typeof parsed !== "object" || parsed === null)
    return { seq: 0, readings: null, fault: "a frame is an object with seq and readings" };
  const { seq, readings } = parsed as { seq?: unknown; readings?: unknown };
  if (seq !== undefined && !isSeq(seq))
    return {
      seq: 0,
      readings: null,
      fault: `seq is ${jsonOf(seq, 40)}; it must be a whole number in 1 … 2^53 - 1`,
    };
  if (!Array.isArray(readings)) return { seq: seq ?? 0, readings: null, fault: "readings must be an array" };
  return { seq: seq ?? 0, readings, fault: "" };
}

/**
 * A parsed value as JSON, cut to `maxChars`. A number beyond any double is shown as the text "Infinity"; nothing is shown
 * of a value so deeply nested that writing it would exhaust the stack.
 */
export function jsonOf(value: unknown, maxChars: number): string {
  try {
    return (JSON.stringify(value, infinityShown) ?? "").slice(0, maxChars);
  } catch {
    return "(nested too deeply to be shown)".slice(0, maxChars);
  }
}

function infinityShown(_key: string, value: unknown): unknown {
  return value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY ? String(value) : value;
}

/** A frame whose JSON is broken behind its seq can still be acked, so that nobody sends it for ever. */
function seqOfBrokenText(text: string): number {
  const match = /^\s*\{\s*"seq"\s*:\s*([0-9]{1,16})\s*[,}]/.exec(text);
  const seq = match === null ? 0 : Number(match[1]);
  return isSeq(seq) ? seq : 0;
}

/** One reading as it came; `meter` etc. are not checked yet. Reused for each reading. */
export const reading: { meter: unknown; ts: unknown; value: unknown; rev: unknown; exchange: unknown } = {
  meter: undefined,
  ts: undefined,
  value: undefined,
  rev: undefined,
  exchange: undefined,
};

interface ReadingObject {
  meter?: unknown;
  ts?: unknown;
  value?: unknown;
  rev?: unknown;
  exchange?: unknown;
}

/** Spreads an element of `readings` over `reading`. Anything that is neither array nor object has no meter. */
export function readReading(element: unknown): void {
  if (Array.isArray(element)) {
    reading.meter = element[0];
    reading.ts = element[1];
    reading.value = element[2];
    reading.rev = element[3];
    reading.exchange = undefined;
    return;
  }
  const object: ReadingObject = typeof element === "object" && element !== null ? element : {};
  reading.meter = object.meter;
  reading.ts = object.ts;
  reading.value = object.value;
  reading.rev = object.rev;
  reading.exchange = object.exchange;
}

const RFC3339 = /^\d{4}-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

/** Epoch milliseconds of a `ts` as it came, NaN when it is none. Finer than a millisecond is cut. */
export function timestampOf(ts: unknown): number {
  if (typeof ts === "number") return Math.floor(ts);
  if (typeof ts !== "string" || ts.length > 64) return Number.NaN;
  const match = RFC3339.exec(ts);
  if (match === null) return Number.NaN;
  const fraction = match[6] ?? "";
  // Date.parse rounds or refuses long fractions depending on the engine: three digits are all that is kept.
  const cut = fraction.length > 4 ? ts.replace(fraction, fraction.slice(0, 4)) : ts;
  const parsed = Date.parse(cut.toUpperCase().replace(" ", "T"));
  return isRealDate(ts, match) ? parsed : Number.NaN;
}

/** Date.parse takes February 30th for March 1st or 2nd; nobody meant that. */
function isRealDate(ts: string, match: RegExpExecArray): boolean {
  const year = Number(ts.slice(0, 4));
  const month = Number(match[1]);
  const day = Number(match[2]);
  return (
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= new Date(Date.UTC(year, month, 0)).getUTCDate() &&
    Number(match[3]) < 24 &&
    Number(match[4]) < 60 &&
    Number(match[5]) < 60
  );
}
