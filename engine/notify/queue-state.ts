import type { AlertTransition } from "../base/alert-transition.js";
import type { Failing, QueueRecord } from "./records.js";

/** What waits, as the records tell it. */
export interface QueueState {
  /** In the order in which they were taken. */
  entries: Map<number, WaitingEntry>;
  failing: Map<string, Failing>;
  /** Keys that were taken, the oldest first. */
  keys: string[];
  lastId: number;
}

export interface WaitingEntry {
  readonly id: number;
  /** When it was taken, epoch ms. */
  readonly at: number;
  readonly transition: AlertTransition;
  /** Webhooks that do not have it yet, and how many transitions were left out before it for each. */
  readonly to: Map<string, number>;
}

export function foldRecords(records: readonly QueueRecord[]): QueueState {
  const state: QueueState = { entries: new Map(), failing: new Map(), keys: [], lastId: 0 };
  for (const record of records) apply(state, record);
  for (const [id, { to }] of state.entries) if (to.size === 0) state.entries.delete(id);
  return state;
}

function apply(state: QueueState, record: QueueRecord): void {
  if (record.k === "keys") state.keys.push(...record.keys);
  if (record.k === "entry") {
    state.lastId = Math.max(state.lastId, record.id);
    if (state.entries.has(record.id)) return;
    state.keys.push(record.transition.key);
    const to = new Map(record.to.map((webhook) => [webhook, record.held?.[webhook] ?? 0]));
    state.entries.set(record.id, { id: record.id, at: record.at, transition: record.transition, to });
  }
  if (record.k === "failing") {
    if (record.attempts === 0) state.failing.delete(record.to);
    else {
      const { attempts, until, since } = record;
      state.failing.set(record.to, { attempts, until, ...(since === undefined ? {} : { since }) });
    }
  }
  if (record.k === "done") state.entries.get(record.id)?.to.delete(record.to);
  if (record.k === "newer") leaveOut(state, record.id, record.by, record.to);
}

/** Only where the newer one is known: after damage it may not be. */
function leaveOut(state: QueueState, id: number, by: number, webhook: string): void {
  const older = state.entries.get(id)?.to;
  const newer = state.entries.get(by)?.to;
  const left = older?.get(webhook);
  const already = newer?.get(webhook);
  if (older === undefined || newer === undefined || left === undefined || already === undefined) return;
  older.delete(webhook);
  newer.set(webhook, already + left + 1);
}
