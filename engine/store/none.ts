import type { AlertRow, ConsumptionRow, IncidentRow, ReadingRow, RejectedRow, Store } from "./interface.js";

/** A store that has nothing: beside the sink that swallows. */
export class NoStore implements Store {
  prepare(): Promise<void> {
    return Promise.resolve();
  }

  identity(): Promise<string> {
    return Promise.resolve("none");
  }

  check(): Promise<void> {
    return Promise.resolve();
  }

  readings(): Promise<ReadingRow[]> {
    return Promise.resolve([]);
  }

  consumption(): Promise<ConsumptionRow[]> {
    return Promise.resolve([]);
  }

  alerts(): Promise<AlertRow[]> {
    return Promise.resolve([]);
  }

  incidents(): Promise<IncidentRow[]> {
    return Promise.resolve([]);
  }

  rejected(): Promise<RejectedRow[]> {
    return Promise.resolve([]);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
