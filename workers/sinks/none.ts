import type { Sink, StoreOutcome } from "../../engine/store/interface.js";

/** Takes everything and keeps nothing: for measuring the engine without a store. */
export class NoSink implements Sink {
  readonly settleMs = 0;

  write(): Promise<StoreOutcome> {
    return Promise.resolve({ ok: true });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
