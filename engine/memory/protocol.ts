/**
 * What travels through the two rings of a shard. Each record has a type, an id, `extra` and `number`
 * (see `ring.ts`) and a payload.
 */

/** In `extra` beside the lane: the frame waited in it for its client's own sake, over its rate or working off what it had cost. */
export const HELD_UP = 1 << 30;

/** Beside a record's type: the record has ended threads of the shard. It is not to be worked on, but to be refused in words. */
export const SET_ASIDE = 1 << 8;

/** Main thread → shard. For frames `id` is the session, `extra` the lane, `number` the arrival in epoch ms. */
export const Input = {
  TEXT: 1,
  BINARY: 2,
  /** A connection opened; payload: JSON `{tenant, datalogger}`. */
  HELLO: 3,
  /** The connection is gone. */
  BYE: 4,
  /** `id` is the post's; payload: JSON `Origin` behind a u32 of its length, then the body. */
  POST: 5,
  /** `id` is the query's; payload: JSON. */
  QUERY: 6,
  /** Of the alert transitions that the shard has told, all up to `number`, a position of its journal, are kept elsewhere: it tells none of them again. */
  TOLD: 7,
} as const;

/** Shard → main thread. `id` is the session, post or query that it answers. */
export const Outcome = {
  /** `number` lastSeq. */
  WELCOME: 1,
  /** `number` the seq up to which all is safe; `extra` bytes of frames that are no longer in flight; payload: f64 arrival ms of the oldest frame acked, then the rejects as JSON objects joined by commas. */
  ACK: 2,
  /** `extra` close code; payload: `code\nmessage` of the error told before closing. */
  CLOSE: 3,
  /** `extra` HTTP status, 0: a part, more follows; `number` arrival ms; payload: JSON. */
  POSTED: 4,
  /** Payload: JSON. */
  REPLY: 5,
  /** `id` the lane, `extra` readings, `number` microseconds spent; payload: u32 bytes of the frames. */
  COST: 6,
  /** Payload: JSON of `ShardStats`. */
  STATS: 7,
  /** An alert transition that is durable; `number` names it: the journal position behind its entry, each above the last; payload: JSON. Told again after a start as long as it is not TOLD. */
  ALERT: 8,
  /** The shard is open and takes frames. */
  READY: 9,
  /** Payload: text for the log. */
  WARNING: 10,
  /** `extra` 1: most of what the connection sends now lies behind its meters' newest readings; 0: no longer. */
  LATE: 11,
  /** `id` a lane, `extra` 1: nothing more is to be taken from it for now; 0: again. */
  HOLD: 12,
} as const;

export interface Origin {
  tenant: string;
  datalogger: string;
}

/** What a shard says of itself a few times a second. Counters grow from the start of the worker. */
export interface ShardStats {
  received: Record<string, number>;
  rejected: Record<string, Record<string, number>>;
  transitions: Record<string, Record<string, number>>;
  late: Record<string, number>;
  storedReadings: number;
  lagReadings: number;
  journalBytes: number;
  meters: number;
  storeErrors: Record<string, number>;
  /** Why the store does not take rows now; empty when it does. */
  storeTrouble: string;
  /** Why the last snapshot was not written; empty when it was. Costs a restart time, never data. */
  snapshotTrouble: string;
  /** Late inputs that wait for a repair, and why they wait longer than usual; empty when they do not. */
  lateWaiting: number;
  lateTrouble: string;
  /** Repairs of meters, and rows that they wrote again, since the worker began. */
  repairs: number;
  repairedRows: number;
  /** Stored rows and days of meters that the audit has looked at, and days that differ from what they should be now. */
  auditRows: number;
  auditDays: number;
  auditMismatches: number;
}
