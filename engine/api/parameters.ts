import { MeterstormError } from "../base/errors.js";
import { limits } from "../base/limits.js";
import { isDate } from "../base/local-date.js";

/** Largest span of instants that stores can hold. */
const FOREVER = { from: limits.minTsMs, to: Date.UTC(2200, 0, 1) };
/** Behind all instants of which there may be figures. */
const LAST_FIGURE_MS = Date.UTC(2100, 0, 1);

function fault(message: string): MeterstormError {
  return new MeterstormError("parameter_invalid", message);
}

const EPOCH_MS = /^-?\d{1,16}$/;
const RFC3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/** An instant given as RFC 3339 or epoch milliseconds. */
export function instant(query: URLSearchParams, name: string, otherwise: number): number {
  const text = query.get(name);
  if (text === null || text === "") return otherwise;
  const ms = EPOCH_MS.test(text) ? Number(text) : rfc3339Ms(text);
  if (!Number.isFinite(ms)) {
    throw fault(
      `${name} is "${text.slice(0, 64)}"; give epoch milliseconds or RFC 3339 with an offset, such as 2026-01-01T00:00:00Z`,
    );
  }
  return Math.min(Math.max(ms, FOREVER.from), FOREVER.to);
}

/** NaN for what is none; Date.parse alone takes February 30th for March 2nd. */
function rfc3339Ms(text: string): number {
  const match = RFC3339.exec(text);
  if (match === null) return Number.NaN;
  const lastDay = new Date(Date.UTC(Number(match[1]), Number(match[2]), 0)).getUTCDate();
  return Number(match[3]) <= lastDay ? Date.parse(text.toUpperCase().replace(" ", "T")) : Number.NaN;
}

/** An instant as above, which must be given, or a date YYYY-MM-DD (of a month YYYY-MM: its first) of the years 2000 to 2099, as its text. */
export function instantOrDate(query: URLSearchParams, name: string): number | string {
  const text = query.get(name) ?? "";
  if (text === "") {
    throw fault(
      `${name} is missing; give an instant within the period (epoch milliseconds or RFC 3339), or a date such as 2026-03-29`,
    );
  }
  const date = /^\d{4}-\d{2}$/.test(text) ? `${text}-01` : text;
  if (/^20\d{2}-/.test(date) && isDate(date)) return date;
  const ms = instant(query, name, Number.NaN);
  if (ms >= LAST_FIGURE_MS) throw fault(`${name} is "${text.slice(0, 64)}"; figures are of the years 2000 to 2099`);
  return ms;
}

export function range(query: URLSearchParams): { from: number; to: number } {
  const from = instant(query, "from", FOREVER.from);
  const to = instant(query, "to", FOREVER.to);
  if (from > to) throw fault("from lies after to");
  return { from, to };
}

export function count(query: URLSearchParams, name: string, otherwise: number, most: number): number {
  const text = query.get(name);
  if (text === null || text === "") return otherwise;
  const value = Number(text);
  if (!/^\d{1,9}$/.test(text) || value < 1 || value > most)
    throw fault(`${name} is "${text.slice(0, 64)}"; give a whole number from 1 to ${most}`);
  return value;
}

export function choice<T extends string>(
  query: URLSearchParams,
  name: string,
  allowed: readonly T[],
  otherwise: T | null,
): T | null {
  const text = query.get(name);
  if (text === null || text === "") return otherwise;
  if (!allowed.includes(text as T)) throw fault(`${name} is "${text.slice(0, 64)}"; it must be one of ${allowed.join(", ")}`);
  return text as T;
}

export function foreignCursor(): MeterstormError {
  return fault("cursor is not one that this engine gave out; leave it away to begin anew");
}
