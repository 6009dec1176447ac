import fc from "fast-check";
import { calendarFor } from "../../engine/base/calendar.js";
import { type MeterSettings, type MeterTimeline, timelineFor } from "../../engine/base/settings.js";
import { MINUTE_MS } from "../../engine/base/zone.js";

/** Other settings from an instant on. */
export interface Change {
  /** So many times the meter's cadence behind its beginning, where most of its readings are. */
  cadences: number;
  /** Where exactly. */
  at: "a reading" | "between" | "minutes later" | "a quarter" | "an hour" | "a day";
  /** What becomes other settings. */
  fields: readonly (keyof MeterSettings)[];
  other: MeterSettings;
}

/** What changes together: an amount is written in the resolution beside it. */
const FIELDS: readonly (readonly (keyof MeterSettings)[])[] = [
  ["maxRate"],
  ["multiplier"],
  ["maxGapMs"],
  ["timezone"],
  ["periods"],
  ["net"],
  ["interval"],
  ["label"],
  ["kind"],
  ["decimals", "step", "modulus"],
  ["kind", "decimals", "step", "modulus", "timezone", "periods", "net"],
];

export function aChange(other: fc.Arbitrary<MeterSettings>, maxSteps: number): fc.Arbitrary<Change> {
  return fc.record({
    cadences: fc.nat({ max: maxSteps }),
    at: fc.constantFrom("a reading", "between", "minutes later", "a quarter", "an hour", "a day"),
    fields: fc
      .tuple(fc.constantFrom(...FIELDS), fc.constantFrom<readonly (keyof MeterSettings)[]>([], ...FIELDS))
      .map((both) => both.flat()),
    other,
  });
}

/** A meter that begins with these settings. */
export function timelineWith(
  settings: MeterSettings,
  changes: readonly Change[],
  startMs: number,
  cadenceMs: number,
): MeterTimeline {
  let current = settings;
  const dated = changes
    .map((change) => ({ ...change, from: instantOf(change, settings, startMs, cadenceMs) }))
    .sort((a, b) => a.from - b.from)
    .map(({ fields, other, from }) => {
      current = { ...current, ...Object.fromEntries(fields.map((name) => [name, other[name]])) };
      return { match: "*", from, settings: current };
    });
  const meters = [{ match: "*", settings }, ...dated];
  return timelineFor({ id: "t", timezone: "UTC", meters, rules: [], maxMeters: 1, maxDataloggers: 1 }, "m");
}

function instantOf({ cadences, at }: Change, { timezone }: MeterSettings, startMs: number, cadenceMs: number): number {
  const ts = startMs + cadences * cadenceMs;
  const calendar = calendarFor(timezone);
  switch (at) {
    case "a reading":
      return ts;
    case "between":
      return ts + Math.floor(cadenceMs / 2) + 1;
    case "minutes later":
      return ts + 7 * MINUTE_MS;
    case "a quarter":
      return calendar.quarterEnd(ts);
    case "an hour":
      return calendar.hourEnd(ts);
    default:
      return calendar.dayEnd(ts);
  }
}
