import assert from "node:assert/strict";
import { EntryWriter, UnitType } from "../../engine/base/entries.js";
import type { ReadingRow, Sink, Store } from "../../engine/store/interface.js";

/** A store with its sink, opened for one test. */
export interface OpenStore {
  store: Store;
  sink: Sink;
  /** Resolves once everything that was written can be read. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

export const T0 = 1_767_225_600_000;
export const HOUR = 3_600_000;
export const always = { from: T0 - 1000 * HOUR, to: T0 + 1000 * HOUR };

/** One unit of entries as a sink is given it. */
export function unit(write: (writer: EntryWriter) => void): Uint8Array {
  const writer = new EntryWriter(1 << 12);
  writer.beginUnit(UnitType.FRAME, T0, 0, 1, 0, 0);
  write(writer);
  writer.endUnit(1);
  return writer.bytes().slice();
}

export async function written(open: OpenStore, ...units: Uint8Array[]): Promise<void> {
  const outcome = await open.sink.write(units);
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.message);
  assert.equal(outcome.refused, undefined);
  await open.settled();
}

export function reading(ts: number, value: number, delta: number | null, rev = 0, flags = 0): ReadingRow {
  return { ts, value, rev, delta, flags };
}

/** 128 UTF-16 units that begin with `text`. */
export function long(text: string): string {
  return text.repeat(Math.ceil(128 / text.length)).slice(0, 128);
}
