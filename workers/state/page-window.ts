import type { CompiledSettings } from "../kernels/compiled-settings.js";
import type { MeterRecord } from "../kernels/record.js";
import { RecordType } from "../kernels/record.js";
import { type MeterWindow, NONE_SPILLED } from "./meter-window.js";
import { type MeterPage, Status } from "./page.js";

/** Fills a window from a slot, as far as the page knows; `window.timeline` is set. The records are not yet judged. */
export function loadWindow(page: MeterPage, slot: number, window: MeterWindow): void {
  const { timeline, base, older, newer } = window;
  const status = page.status[slot]!;
  base.clear();
  const hasBase = page.baseTs[slot] !== 0;
  if (hasBase) base.ts = page.baseTs[slot]!;
  older.clear();
  if ((status & (Status.OLDER_IS_READING | Status.OLDER_IS_EXCHANGE)) !== 0) {
    older.type = (status & Status.OLDER_IS_READING) !== 0 ? RecordType.READING : RecordType.EXCHANGE;
    older.conflict = (status & Status.OLDER_CONFLICT) !== 0;
    window.place(older, page.olderTs[slot]!, page.olderValue[slot]!, page.olderRev[slot]!);
    older.reachFrom = window.defaultReach(older.at, base.ts);
  }
  newer.clear();
  window.closedTo = Number.NaN;
  if ((status & (Status.NEWER_IS_READING | Status.NEWER_IS_EXCHANGE)) !== 0) {
    newer.type = (status & Status.NEWER_IS_READING) !== 0 ? RecordType.READING : RecordType.EXCHANGE;
    newer.conflict = (status & Status.NEWER_CONFLICT) !== 0;
    window.place(newer, page.newerTs[slot]!, page.newerValue[slot]!, page.newerRev[slot]!);
    newer.reachFrom = window.defaultReach(newer.at, older.type === RecordType.NONE ? base.ts : older.at);
    window.closedTo = newer.at;
  }
  if (hasBase) {
    base.settings = timeline.only ?? usualSettings(window) ?? timeline.at(base.ts);
    if (base.settings.isInterval) base.blockFrom = page.baseUnits[slot]!;
    else base.units = page.baseUnits[slot]!;
    base.read = true;
  }
  window.spilled = NONE_SPILLED;
  window.withdrawnTs = Number.NaN;
  window.withdrawnRev = 0;
  for (const period of timeline.periods) page.periods[period]!.load(slot, period, window.sums[period]!);
}

/** Puts a judged window back; what a page has no room for is kept beside it (`rare`). A `followed` meter is never steady. */
export function saveWindow(page: MeterPage, slot: number, window: MeterWindow, rare: boolean, followed: boolean): void {
  const { timeline, base, older, newer } = window;
  page.baseTs[slot] = Number.isNaN(base.ts) ? 0 : base.ts;
  page.baseUnits[slot] = Number.isNaN(base.ts) ? 0 : base.settings?.isInterval === true ? base.blockFrom : base.units;
  page.olderTs[slot] = older.type === RecordType.NONE ? 0 : older.ts;
  page.olderValue[slot] = older.type === RecordType.NONE ? 0 : older.value;
  page.olderRev[slot] = older.rev;
  page.newerTs[slot] = newer.type === RecordType.NONE ? 0 : newer.ts;
  page.newerValue[slot] = newer.type === RecordType.NONE ? 0 : newer.value;
  page.newerRev[slot] = newer.rev;
  const steady = !rare && !followed && window.isSteady ? Status.STEADY : 0;
  page.status[slot] = recordStatus(older) | (recordStatus(newer) << 3) | (rare ? Status.RARE : 0) | steady;
  for (const period of timeline.periods) page.periods[period]!.save(slot, window.sums[period]!);
}

/** Those of the baseline where nothing else is said beside the page. */
export function usualSettings({ older, newer }: MeterWindow): CompiledSettings | null {
  if (older.type !== RecordType.NONE) return older.settings;
  return newer.type === RecordType.NONE ? null : newer.settings;
}

function recordStatus(record: MeterRecord): number {
  if (record.type === RecordType.NONE) return 0;
  const type = record.type === RecordType.READING ? Status.OLDER_IS_READING : Status.OLDER_IS_EXCHANGE;
  return type | (record.conflict ? Status.OLDER_CONFLICT : 0);
}
