import type { Baseline } from "./baseline.js";
import type { CompiledSettings } from "./compiled-settings.js";
import { coverInterval } from "./interval.js";
import { Case, type MeterRecord, RecordType } from "./record.js";

/** Moves a baseline on by a record that was judged against it; the first one of another register leaves nothing of what was. */
export function advance(base: Baseline, record: MeterRecord): void {
  const { settings } = record;
  if (!base.isFor(settings)) base.clear();
  base.settings = settings;
  if (record.type === RecordType.EXCHANGE) {
    afterExchange(base, record);
    return;
  }
  base.read = true;
  if (settings.isInterval) coverInterval(settings, base, record);
  else if (record.case !== Case.SPIKE) afterReading(settings, base, record);
}

/** The new register begins; what the old one closed waits for the next reading. */
function afterExchange(base: Baseline, exchange: MeterRecord): void {
  base.exchanged = true;
  if (!Number.isNaN(exchange.amount)) base.closed = (Number.isNaN(base.closed) ? 0 : base.closed) + exchange.amount;
  base.closedFlags |= exchange.flags;
  base.forgetEpoch();
  base.ts = exchange.ts;
  base.units = exchange.startUnits;
}

function afterReading(settings: CompiledSettings, base: Baseline, reading: MeterRecord): void {
  if (settings.isCounter) keepEpoch(settings, base, reading);
  if (reading.case === Case.RETURN) {
    base.units = Math.max(reading.units, base.beforeUnits);
    base.forgetEpoch();
  } else if (reading.case !== Case.BACKWARD) {
    base.units = reading.units;
  }
  base.ts = reading.ts;
  base.forgetExchange();
}

/** Epochs that begin within maxGap share the first one's baseline. */
function keepEpoch(settings: CompiledSettings, base: Baseline, reading: MeterRecord): void {
  const amount = Number.isNaN(reading.amount) ? 0 : reading.amount;
  if (reading.ts - base.epochTs <= settings.maxGapMs) {
    base.counted += amount;
  } else if (reading.case === Case.NEW_EPOCH && !settings.net) {
    // A net register may run either way, so none of its epochs is ever taken back.
    base.epochTs = reading.ts;
    base.beforeTs = base.ts;
    base.beforeUnits = base.units;
    base.jump = reading.units - base.units;
    base.counted = amount;
  } else {
    base.forgetEpoch();
  }
}
