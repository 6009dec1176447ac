import { Flag } from "../../engine/base/flags.js";
import type { Baseline } from "./baseline.js";
import type { CompiledSettings } from "./compiled-settings.js";
import { Case, type MeterRecord } from "./record.js";

/**
 * Intervals one after the other cover time in blocks without a break. A new one adds what the last block has not:
 *
 *     ──── the block before ────┐  gapFrom      ┌ blockFrom      the last block      ┐ ts
 *                                    ├ head ┤                                         ├ tail ┤
 *                                    from ─────────────── the new interval ────────────────▶ at
 *
 * There is a head only around a change of offset, where a day's interval may begin before its predecessor's. Known limit: one that
 * reaches over its predecessor's beginning and a gap into the interval before that leaves that one, long settled, unflagged.
 */
export function judgeInterval(settings: CompiledSettings, base: Baseline, reading: MeterRecord, next: MeterRecord | null): void {
  const from = settings.intervalStart(reading.ts);
  reading.case = Case.PLAIN;
  reading.from = from;
  reading.amount = reading.units;
  reading.delta = reading.units;
  const overlapsLast = from < base.ts;
  const overlaps = overlapsLast || (next !== null && next.settings.intervalStart(next.ts) < reading.at);
  const impossible = (reading.units < 0 && !settings.net) || reading.units > settings.mostIn(settings.intervalLength(reading.ts));
  reading.flags = overlaps || impossible ? Flag.QUESTIONABLE : 0;
  reading.coverFrom = overlapsLast ? base.ts : from;
  const hasHead = from < base.blockFrom;
  reading.headFrom = hasHead && base.gapFrom > from ? base.gapFrom : from;
  reading.headTo = hasHead ? base.blockFrom : from;
}

/** The blocks with one more interval. */
export function coverInterval(settings: CompiledSettings, base: Baseline, reading: MeterRecord): void {
  const { from, at } = reading;
  if (!(from <= base.ts)) {
    base.gapFrom = from - base.ts <= settings.intervalSlackMs ? base.ts : Number.NaN;
    base.blockFrom = from;
  } else if (from <= base.gapFrom) {
    // The two blocks are one, and no interval is so long that it begins before the earlier.
    base.gapFrom = Number.NaN;
    base.blockFrom = Number.NEGATIVE_INFINITY;
  } else if (from < base.blockFrom) {
    base.blockFrom = from;
  }
  if (!(at <= base.ts)) base.ts = at;
}
