import assert from "node:assert/strict";
import { jsonOf, reading, readReading, readTextFrame, timestampOf } from "../../../workers/decode/text.js";
import { HOSTILE_TEXTS, mutateJson } from "../mutate-json.js";
import { TEXT_FRAMES } from "../seed-frames.js";
import { bytesOf, type Target, textIn } from "../target.js";

interface Plain {
  seq: number;
  readings: unknown[] | null;
}

function plainFrame(parsed: unknown): Plain {
  if (Array.isArray(parsed)) return { seq: 0, readings: parsed };
  if (typeof parsed !== "object" || parsed === null) return { seq: 0, readings: null };
  const frame = new Map(Object.entries(parsed));
  const seq = frame.get("seq");
  const isSeq = Number.isSafeInteger(seq) && (seq as number) > 0;
  if (frame.has("seq") && !isSeq) return { seq: 0, readings: null };
  const readings = frame.get("readings");
  return { seq: isSeq ? (seq as number) : 0, readings: Array.isArray(readings) ? readings : null };
}

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** RFC 3339 read from the left, a part at a time, and days counted one year after the other; NaN: it is none. */
function plainMs(text: string): number {
  let at = 0;
  const number = (digits: number): number => {
    const part = text.slice(at, at + digits);
    at += digits;
    return part.length === digits && [...part].every((c) => c >= "0" && c <= "9") ? Number(part) : Number.NaN;
  };
  const is = (allowed: string): boolean => {
    const c = text[at++];
    return c !== undefined && allowed.includes(c);
  };
  const year = number(4);
  const dash = is("-");
  const month = number(2);
  const dash2 = is("-");
  const day = number(2);
  const t = is("Tt ");
  const [hour, colon, minute, colon2, second] = [number(2), is(":"), number(2), is(":"), number(2)];
  let ms = 0;
  if (text[at] === ".") {
    at++;
    const from = at;
    while ((text[at] ?? "") >= "0" && (text[at] ?? "") <= "9") at++;
    if (at === from) return Number.NaN;
    ms = Number(text.slice(from, at).padEnd(3, "0").slice(0, 3));
  }
  let offset = 0;
  if ("Zz".includes(text[at] ?? "-")) at++;
  else {
    const sign = text[at] === "-" ? -1 : 1;
    const [signed, hours, colon3, minutes] = [is("+-"), number(2), is(":"), number(2)];
    if (!signed || !colon3 || !(hours < 24) || !(minutes < 60)) return Number.NaN;
    offset = sign * (hours * 60 + minutes);
  }
  const isShaped = dash && dash2 && t && colon && colon2 && at === text.length;
  if (!isShaped || !(year >= 0) || !(month >= 1 && month <= 12) || !(hour < 24 && minute < 60 && second < 60)) return Number.NaN;
  const isLeap = (y: number) => y % 4 === 0 && (y % 100 !== 0 || y % 400 === 0);
  if (!(day >= 1 && day <= DAYS[month - 1]! + (month === 2 && isLeap(year) ? 1 : 0))) return Number.NaN;
  let days = day - 1;
  for (let y = 1970; y < year; y++) days += isLeap(y) ? 366 : 365;
  for (let y = year; y < 1970; y++) days -= isLeap(y) ? 366 : 365;
  for (let m = 1; m < month; m++) days += DAYS[m - 1]! + (m === 2 && isLeap(year) ? 1 : 0);
  return ((days * 24 + hour) * 60 + minute - offset) * 60_000 + second * 1000 + ms;
}

function plainTimestamp(ts: unknown): number {
  if (typeof ts === "number") return Math.floor(ts);
  return typeof ts === "string" && ts.length <= 64 ? plainMs(ts) : Number.NaN;
}

const FIELDS = ["meter", "ts", "value", "rev", "exchange"] as const;

function checkReading(element: unknown): void {
  readReading(element);
  const isObject = typeof element === "object" && element !== null;
  for (const [i, field] of FIELDS.entries()) {
    const plain = Array.isArray(element)
      ? i < 4
        ? element[i]
        : undefined
      : isObject
        ? (element as Record<string, unknown>)[field]
        : undefined;
    assert.ok(Object.is(reading[field], plain), `${field} is not what stands there`);
  }
  assert.equal(timestampOf(reading.ts), plainTimestamp(reading.ts), `ts ${jsonOf(reading.ts, 100)}`);
  assert.ok(jsonOf(element, 256).length <= 256);
}

function run(input: Uint8Array): void {
  const text = textIn(input);
  // The input as a time by itself, too.
  if (text.length < 100) assert.equal(timestampOf(text), plainTimestamp(text));
  const frame = readTextFrame(text);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    assert.equal(frame.readings, null);
    assert.match(frame.fault, /^not JSON: /);
    // Of what is broken behind it the seq is taken, if the text says it first and whole.
    if (frame.seq !== 0)
      assert.ok(text.replace(/\s/g, "").startsWith(`{"seq":`) && Number.isSafeInteger(frame.seq) && frame.seq > 0);
    return;
  }
  const plain = plainFrame(parsed);
  assert.deepEqual([frame.seq, frame.readings === null], [plain.seq, plain.readings === null]);
  assert.equal(frame.fault === "", plain.readings !== null);
  for (const element of frame.readings ?? []) checkReading(element);
}

export function open(): Target {
  return { name: "text-frames", seeds: [...TEXT_FRAMES, ...HOSTILE_TEXTS].map(bytesOf), mutate: mutateJson, run };
}
