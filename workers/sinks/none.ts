import { emptyHistories, emptyPeriods } from "../../engine/store/history.js";
import type { HistoryRange, MeterHistory, MeterPeriods, Sink, StoreOutcome } from "../../engine/store/interface.js";

/** Takes everything and keeps nothing: for measuring the engine without a store. */
export class NoSink implements Sink {
  readonly settleMs = 0;

  write(): Promise<StoreOutcome> {
    return Promise.resolve({ ok: true });
  }

  history(ranges: readonly HistoryRange[]): Promise<MeterHistory[]> {
    return Promise.resolve(emptyHistories(ranges));
  }

  consumption(ranges: readonly HistoryRange[]): Promise<MeterPeriods[]> {
    return Promise.resolve(emptyPeriods(ranges));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
