/**
 * Durations, sizes and instants as people write them. All return `undefined` for what is not one, so that
 * the caller can say where it was found.
 */
const DURATION_UNITS_MS: Readonly<Record<string, number>> = {
  w: 7 * 86_400_000,
  d: 86_400_000,
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
};

const SIZE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

export const DURATION_FORM = 'whole numbers with units, the largest first, such as "15m", "1h30m", "1d" (w d h m s ms)';
export const SIZE_FORM = 'bytes with a unit, such as "10GiB", "512MiB", "2GB"';

/** Milliseconds of `"1h30m"`. A unit may come once, larger before smaller; 0 needs no unit. A day is 24 hours. */
export function parseDurationMs(text: unknown): number | undefined {
  if (text === 0 || text === "0") return 0;
  if (typeof text !== "string" || text === "") return undefined;
  let total = 0;
  let last = Number.POSITIVE_INFINITY;
  let at = 0;
  for (const match of text.matchAll(/(\d{1,12})(ms|[wdhms])/g)) {
    const unit = DURATION_UNITS_MS[match[2] ?? ""];
    if (unit === undefined || match.index !== at || unit >= last) return undefined;
    total += Number(match[1]) * unit;
    last = unit;
    at += match[0].length;
  }
  return at === text.length && Number.isSafeInteger(total) ? total : undefined;
}

/** The text of a duration that `parseDurationMs` reads: "1h30m". */
export function durationText(ms: number): string {
  let rest = ms;
  let text = "";
  for (const [unit, unitMs] of Object.entries(DURATION_UNITS_MS)) {
    // A week says nothing that seven days do not.
    if (unit === "w" || rest < unitMs) continue;
    text += `${Math.floor(rest / unitMs)}${unit}`;
    rest %= unitMs;
  }
  return text === "" ? "0s" : text;
}

export const INSTANT_FORM = 'an instant such as "2026-01-01T00:00:00+01:00" (RFC 3339 with an offset), or epoch milliseconds';

const RFC3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/** Epoch milliseconds of RFC 3339 with an offset, or of a whole number of them. What is finer than a millisecond is cut. */
export function parseInstantMs(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isSafeInteger(value) ? value : undefined;
  const match = typeof value === "string" ? RFC3339.exec(value) : null;
  if (match === null) return undefined;
  // Date.parse alone takes February 30th for March 2nd.
  const lastDay = new Date(Date.UTC(Number(match[1]), Number(match[2]), 0)).getUTCDate();
  if (Number(match[3]) > lastDay) return undefined;
  const ms = Date.parse(
    match[0]
      .toUpperCase()
      .replace(" ", "T")
      .replace(/(\.\d{3})\d+/, "$1"),
  );
  return Number.isNaN(ms) ? undefined : ms;
}

/** Bytes of `"10GiB"` or `"1.5GB"`, or of a plain whole number. Parts of a byte are cut. */
export function parseBytes(text: unknown): number | undefined {
  if (typeof text === "number") return Number.isSafeInteger(text) && text >= 0 ? text : undefined;
  if (typeof text !== "string") return undefined;
  const match = /^(\d{1,15}(?:\.\d{1,6})?) ?([kKMGT]?i?B)$/.exec(text);
  const unit = SIZE_UNITS[match?.[2] ?? ""];
  if (match === null || unit === undefined) return undefined;
  const bytes = Math.floor(Number(match[1]) * unit);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
