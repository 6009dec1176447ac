import { type EntryWriter, Kind } from "../../engine/base/entries.js";
import { type CompiledSettings, NOMINAL_MS } from "../kernels/compiled-settings.js";
import { KNOWN, REACHED } from "../kernels/period-sum.js";
import { share } from "../kernels/shares.js";
import { EXACT } from "../kernels/wide.js";
import type { RowWriter } from "./meter-rows.js";
import type { MeterPage, PeriodColumns } from "./page.js";
import { countsOn, moveOn } from "./page-steady.js";

/** The records of one meter while a reading is taken: units and instants, oldest first. */
class Steps {
  baseTs = 0;
  baseUnits = 0;
  olderTs = 0;
  olderUnits = 0;
  newerTs = 0;
  newerUnits = 0;
  ts = 0;
  units = 0;

  load(page: MeterPage, slot: number, settings: CompiledSettings, ts: number, value: number): void {
    this.baseTs = page.baseTs[slot]!;
    this.baseUnits = page.baseUnits[slot]!;
    this.olderTs = page.olderTs[slot]!;
    this.olderUnits = settings.units(page.olderValue[slot]!);
    this.newerTs = page.newerTs[slot]!;
    this.newerUnits = settings.units(page.newerValue[slot]!);
    this.ts = ts;
    this.units = settings.units(value);
  }

  get longest(): number {
    return Math.max(this.ts - this.newerTs, this.newerTs - this.olderTs, this.olderTs - this.baseTs);
  }
}

const steps = new Steps();

/**
 * The short way across the end of a period, for a counter that counts on and whose settings are always the same: every hour begins and
 * ends with such readings, so that a quarter of all take this way. As `takeSteady` it works on the page alone and does what shift, judge,
 * the rows and save do, where they come to this; what is not as simple goes the long way.
 *
 *     base ─── older ─── newer ─── reading
 *              settled   the row of its period is written, if the reading is the first that is not before its end
 *
 * Writes the READING and its rows and returns true, or changes nothing and returns false.
 */
export function takeAcross(
  meter: number,
  page: MeterPage,
  slot: number,
  settings: CompiledSettings,
  ts: number,
  value: number,
  rev: number,
  rows: RowWriter,
  out: EntryWriter,
): boolean {
  const counted = countsOn(page, slot, settings, ts, value);
  if (counted < 0) return false;
  steps.load(page, slot, settings, ts, value);
  const { periods } = settings;
  for (let i = 0; i < periods.length; i++) {
    if (!isSimple(settings, periods[i]!, page.periods[periods[i]!]!, slot)) return false;
  }
  out.reading(Kind.READING, meter, ts, value, settings.shownAmount(counted, 0), rev, 0);
  for (let i = 0; i < periods.length; i++) {
    const columns = page.periods[periods[i]!]!;
    settle(settings, periods[i]!, columns, slot);
    writeRow(meter, settings, periods[i]!, columns, slot, rows, out);
  }
  moveOn(page, slot, steps.olderUnits, ts, value, rev);
  return true;
}

/** Whether at most one row of the period has to be written, nothing in it is an estimate, and its sum is one double. */
function isSimple(settings: CompiledSettings, period: number, columns: PeriodColumns, slot: number): boolean {
  const end = columns.end[slot]!;
  if (!(steps.baseTs >= columns.start[slot]! && steps.baseTs < end)) return false;
  if (!(Math.abs(columns.sum[slot]!) <= EXACT - (steps.units - steps.baseUnits))) return false;
  if (steps.ts < end) return true;
  if (steps.longest >= 2 * NOMINAL_MS[period]!) return false;
  const rowEnd = steps.newerTs < end ? end : settings.periodEnd(period, steps.newerTs);
  return steps.ts < rowEnd || steps.ts < settings.periodEnd(period, rowEnd);
}

/** Adds the older reading to its period, which is opened where it is another one than the baseline's. */
function settle(settings: CompiledSettings, period: number, columns: PeriodColumns, slot: number): void {
  const { baseTs, olderTs } = steps;
  const amount = steps.olderUnits - steps.baseUnits;
  if (olderTs < columns.end[slot]!) {
    columns.sum[slot]! += amount;
    columns.coveredMs[slot]! += olderTs - baseTs;
    columns.readings[slot]! += 1;
    columns.flags[slot]! |= KNOWN | REACHED;
    return;
  }
  const start = settings.periodStart(period, olderTs);
  // A reading exactly on a boundary belongs, with all that it brings, to the period before.
  const isWithin = olderTs > start;
  columns.start[slot] = start;
  columns.end[slot] = settings.periodEnd(period, olderTs);
  columns.sum[slot] = isWithin ? amount - share(amount, start - baseTs, olderTs - baseTs) : 0;
  columns.coveredMs[slot] = olderTs - start;
  columns.readings[slot] = isWithin ? 1 : 0;
  columns.flags[slot] = isWithin ? KNOWN | REACHED : 0;
}

/** The row of the period in which `newer` lies, if the reading ends it. */
function writeRow(
  meter: number,
  settings: CompiledSettings,
  period: number,
  columns: PeriodColumns,
  slot: number,
  rows: RowWriter,
  out: EntryWriter,
): void {
  const { olderTs, newerTs, ts } = steps;
  const isOpen = newerTs < columns.end[slot]!;
  const end = isOpen ? columns.end[slot]! : settings.periodEnd(period, newerTs);
  if (ts < end) return;
  const start = isOpen ? columns.start[slot]! : settings.periodStart(period, newerTs);
  const row = rows.open(period, start, end);
  if (isOpen) {
    row.sum = columns.sum[slot]!;
    row.coveredMs = columns.coveredMs[slot]!;
    row.readings = columns.readings[slot]!;
    row.flags = columns.flags[slot]!;
  }
  if (newerTs > start) {
    const amount = steps.newerUnits - steps.olderUnits;
    row.sum += olderTs >= start ? amount : amount - share(amount, start - olderTs, newerTs - olderTs);
    row.coveredMs += newerTs - Math.max(olderTs, start);
    row.readings++;
  }
  row.sum += share(steps.units - steps.newerUnits, end - newerTs, ts - newerTs);
  row.coveredMs += end - newerTs;
  if (ts === end) row.readings++;
  row.flags |= KNOWN | REACHED;
  rows.writeOpen(meter, settings, out);
}
