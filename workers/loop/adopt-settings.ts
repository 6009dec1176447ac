import { NameType, NONE, UnitType } from "../../engine/base/entries.js";
import { MeterstormError } from "../../engine/base/errors.js";
import { limits } from "../../engine/base/limits.js";
import {
  decidesAlike,
  type MeterSettings,
  type MeterTimeline,
  type SettingsStep,
  stepAt,
  type TenantPlan,
  timelineFor,
  timelineText,
} from "../../engine/base/settings.js";
import type { Applier } from "./applier.js";

/** Differences that a message names; there are rarely more. */
const MOST_NAMED = 3;

interface Change {
  meter: number;
  timeline: MeterTimeline;
}

interface Refusal {
  tenant: string;
  meter: string;
  /** Epoch milliseconds from which on other settings may be in force. */
  allowedFrom: number;
  was: SettingsStep;
  is: SettingsStep;
}

/** How two timelines differ. */
interface Difference {
  is: MeterTimeline;
  /** They are the same to the letter. */
  none: boolean;
  /** The first instant at which they decide otherwise; Infinity: never. */
  decidesFrom: number;
}

/**
 * Known meters go on by what the configuration says of them now, as far as it says the same of all that their rows are made of. What
 * changed is handed to `write` as whole units, which come before all others of this life; none where nothing did.
 * @throws MeterstormError `settings_changed`: rows that are written would have to be other ones; nothing is adopted then
 */
export function adoptSettings(
  applier: Applier,
  plans: Iterable<TenantPlan>,
  nowMs: number,
  write: (units: Uint8Array) => void,
): void {
  const changes = checkSettings(applier, plans);
  const { out, directory } = applier;
  for (let at = 0; at < changes.length; ) {
    out.reset();
    out.beginUnit(UnitType.CONTROL, nowMs, NONE, 0, 0, 0);
    // A meter is changed or not; a crash between two units leaves the others to the next start.
    for (; at < changes.length && out.length < limits.maxUnitBytes / 2; at++) {
      const { meter, timeline } = changes[at]!;
      const number = applier.settingsNumber(timeline);
      out.name(NameType.METER_SETTINGS, meter, directory.meterTenant(meter), "", number);
      applier.adoptSettings(meter, number);
    }
    out.endUnit(0);
    write(out.bytes());
  }
}

/**
 * Which meters' settings would change.
 * @throws MeterstormError `settings_changed`: see `adoptSettings`
 */
export function checkSettings(applier: Applier, plans: Iterable<TenantPlan>): readonly Change[] {
  const changes: Change[] = [];
  const refusals: Refusal[] = [];
  for (const plan of plans) compare(applier, plan, changes, refusals);
  if (refusals.length > 0) throw refused(refusals);
  return changes;
}

function compare({ directory, book }: Applier, plan: TenantPlan, changes: Change[], refusals: Refusal[]): void {
  const tenant = directory.tenantNumber(plan.id);
  if (tenant < 0) return;
  // Nearly all meters share what they were judged by, and what they are to be judged by.
  const known = new Map<MeterTimeline, Difference>();
  for (const [id, meter] of directory.metersOf(tenant)) {
    const was = book.timeline(meter).timeline;
    const is = timelineFor(plan, id);
    let difference = known.get(was);
    if (difference?.is !== is) {
      difference = differenceOf(was, is);
      known.set(was, difference);
    }
    if (difference.none) continue;
    const { decidesFrom } = difference;
    const until = book.decidedUntil(meter);
    if (decidesFrom <= until) {
      const [before, now] = [stepAt(was, decidesFrom), stepAt(is, decidesFrom)];
      refusals.push({ tenant: plan.id, meter: id, allowedFrom: until + 1, was: before, is: now });
    } else changes.push({ meter, timeline: is });
  }
}

function differenceOf(was: MeterTimeline, is: MeterTimeline): Difference {
  const instants = [...was, ...is].map(({ from }) => from).sort((a, b) => a - b);
  const decidesFrom = instants.find((from) => {
    const [before, now] = [stepAt(was, from), stepAt(is, from)];
    // A period is cut where a step begins, so the same settings in a step of their own are not the same.
    return before.from !== now.from || !decidesAlike(before.settings, now.settings);
  });
  return { is, none: timelineText(was) === timelineText(is), decidesFrom: decidesFrom ?? Number.POSITIVE_INFINITY };
}

function refused(refusals: readonly Refusal[]): MeterstormError {
  const { tenant, meter, allowedFrom, was, is } = refusals.reduce((a, b) => (b.allowedFrom > a.allowedFrom ? b : a));
  const others = refusals.length === 1 ? "" : ` (and of ${refusals.length - 1} more meters, whose newest readings are older)`;
  const newest = new Date(allowedFrom - 1).toISOString();
  const message = `the settings of meter "${meter}" of ${tenant}${others} are not those that its rows were made with: ${differences(was, is)}. Its rows reach up to ${newest}, and old rows would no longer follow from the settings. Put the old ones back, and let a second entry for it carry the new ones with "from": "${new Date(allowedFrom).toISOString()}" or later (only a meter without rows takes any); or give the meter another id`;
  return new MeterstormError("settings_changed", message);
}

function differences(was: SettingsStep, is: SettingsStep): string {
  const names = (Object.keys(was.settings) as (keyof MeterSettings)[]).filter(
    (name) => name !== "unit" && name !== "expectMs" && JSON.stringify(was.settings[name]) !== JSON.stringify(is.settings[name]),
  );
  const texts = names.map(
    (name) => `${name} was ${JSON.stringify(was.settings[name])} and is ${JSON.stringify(is.settings[name])}`,
  );
  const since = (from: number) => (from === Number.NEGATIVE_INFINITY ? "since ever" : `from ${new Date(from).toISOString()} on`);
  if (was.from !== is.from) texts.push(`what is in force then was so ${since(was.from)} and is so ${since(is.from)}`);
  const more = texts.length > MOST_NAMED ? `, and ${texts.length - MOST_NAMED} more` : "";
  return `${texts.slice(0, MOST_NAMED).join(", ")}${more}`;
}
