import { z } from "zod";
import { SEVERITIES, type Severity } from "../base/entries.js";
import { FLAG_NAMES, type FlagName } from "../base/flags.js";
import type { RuleLevel, RuleOn, RuleOp } from "../base/settings.js";
import { choice, duration, field, glob, optional, record, text, within } from "./fields.js";
import { checkRule } from "./schema-between.js";

const DAY_MS = 86_400_000;

const days = field(
  { allowed: "days of the week from 1 (Monday) to 7 (Sunday), each once", remedy: "Leave it out for all days." },
  (value) => {
    if (!Array.isArray(value) || value.length === 0) return undefined;
    const chosen = [1, 2, 3, 4, 5, 6, 7].filter((day) => value.includes(day));
    return chosen.length === value.length ? chosen : undefined;
  },
);

/** Minutes after midnight of `"22:00"`; 24:00 is the end of the day. */
function timeOfDay(latest: number) {
  return field(
    { allowed: `a time of day from "00:00" to "${latest === 1440 ? "24:00" : "23:59"}"`, remedy: 'Write it as "HH:MM".' },
    (value) => {
      const match = typeof value === "string" ? /^(\d\d):([0-5]\d)$/.exec(value) : null;
      const minute = match === null ? Number.NaN : Number(match[1]) * 60 + Number(match[2]);
      return minute <= latest ? minute : undefined;
    },
  );
}

const schedule = record({
  days: days.default([1, 2, 3, 4, 5, 6, 7]),
  from: timeOfDay(1439).default(0),
  to: timeOfDay(1440).default(1440),
});

/** One rule, with every default filled in; of durations the milliseconds. */
export interface RuleConfig {
  id: string;
  meters: string;
  on: RuleOn;
  op: RuleOp;
  threshold: number | null;
  clear: number | null;
  for: number;
  keepFiring: number;
  schedule: z.output<typeof schedule> | null;
  severity: Severity;
  levels: RuleLevel[];
  flag: FlagName | null;
}

/** Of the two zeros the plain one: JSON writes both as 0, and a rule that is written and read again has to be the same rule. */
const finite = field({ allowed: "a finite number", remedy: "It is in real units, after the multiplier." }, (value) =>
  typeof value === "number" && Number.isFinite(value) ? value + 0 : undefined,
);

const severity = choice(SEVERITIES, 'The default is "warning".');

const level = record({ severity: choice(SEVERITIES, "It is what the incident has from this threshold on."), threshold: finite });

/** What levels carry is not said beside them again: the two could differ. */
function inLevels(what: string) {
  const issue = {
    allowed: `nothing beside levels: they carry the ${what}`,
    remedy: `Put the ${what} into the first level, or remove \`levels\`.`,
  };
  return field<null>(issue, (value) => (value == null ? null : undefined)).default(null);
}

const common = {
  id: text("1–128 characters without control characters", "The id names the rule in the table of alerts.", /^[^\p{Cc}]{1,128}$/u),
  meters: glob.default("*"),
  on: choice(
    ["value", "delta", "rate", "quarter", "hour", "day", "flag", "nodata"],
    "rate is per hour; quarter, hour and day are the period's energy; flag is a reading's flag; nodata that no reading comes.",
  ),
};
const wait = duration(0, 366 * DAY_MS, "at most 366d", '"0s" fires at once.');
const damped = {
  for: wait.default(0),
  keepFiring: duration(0, 366 * DAY_MS, "at most 366d", '"0s" resolves at once.').default(0),
  schedule: optional(schedule).default(null),
};
const compared = {
  ...common,
  op: choice([">", ">=", "<", "<="], "It stands between what is measured and the threshold."),
};

const oneLevel = record({
  ...compared,
  threshold: finite,
  clear: optional(finite).default(null),
  ...damped,
  severity: severity.default("warning"),
  levels: z
    .unknown()
    .transform((): RuleLevel[] => [])
    .default([]),
}).superRefine(checkRule);

const severalLevels = record({
  ...compared,
  threshold: inLevels("threshold"),
  clear: optional(finite).default(null),
  ...damped,
  severity: inLevels("severity"),
  levels: z.array(level),
})
  .transform((rule) => ({ ...rule, ...rule.levels[0]! }))
  .superRefine(checkRule);

/** Those that only periods can have are none that a reading shows. */
const READING_FLAGS = FLAG_NAMES.filter((name) => name !== "ESTIMATED" && name !== "PARTIAL");

const onFlag = record({
  ...common,
  flag: choice(READING_FLAGS, "It is a flag of readings."),
  ...damped,
  severity: severity.default("warning"),
});

const onNoData = record({
  ...common,
  for: duration(0, 366 * DAY_MS, "at most 366d", "Left out it is twice what the meter's `expect` says.").default(0),
  schedule: optional(schedule).default(null),
  severity: severity.default("warning"),
});

/** What a rule may say depends on what it is on, so that is looked at first: nothing that would have no effect is taken. */
export const ruleSchema = z.unknown().transform((value, context): RuleConfig => {
  const { on, levels } = typeof value === "object" && value !== null ? (value as { on?: unknown; levels?: unknown }) : {};
  if (on === "flag") {
    const rule = within(onFlag, value, context);
    return { ...rule, op: ">", threshold: null, clear: null, levels: [] };
  }
  if (on === "nodata") {
    const rule = within(onNoData, value, context);
    return { ...rule, op: ">", threshold: null, clear: null, keepFiring: 0, levels: [], flag: null };
  }
  const isAbsent = levels == null || (Array.isArray(levels) && levels.length === 0);
  const rule = isAbsent ? within(oneLevel, value, context) : within(severalLevels, value, context);
  return { ...rule, flag: null };
});
