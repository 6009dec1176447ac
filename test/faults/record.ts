import type { ShownReading } from "../end-to-end/api.js";
import type { MeterRows } from "../reference/meter-rows.js";
import type { ScriptedMeter } from "./script.js";

/** A frame's way: when it was first handed to a socket, by the monotonic clock, and how long until its ack; milliseconds. */
export interface Wait {
  readonly sentMs: number;
  readonly ms: number;
}

/** What a datalogger has noted. */
export interface LoggerRecord {
  readonly name: string;
  readonly tenant: string;
  readonly meters: readonly ScriptedMeter[];
  /** The highest seq that it has handed to a socket, and that it was acked; all from 1 on were sent. */
  readonly sent: number;
  readonly acked: number;
  /** What each of its connections said, in order: first the welcome's lastSeq, then the seq of each ack. */
  readonly connections: readonly (readonly number[])[];
  /** What was refused of what it sent, in words. Nothing should be. */
  readonly refused: readonly string[];
  readonly waits: readonly Wait[];
}

/** A row of `alerts`. */
export interface AlertRow {
  readonly meter: string;
  readonly rule: string;
  readonly incident: string;
  /** Epoch milliseconds. */
  readonly ts: number;
  readonly state: string;
  readonly severity: string;
  readonly value: number | null;
  readonly threshold: number | null;
}

/** What was seen of a client in its store, through the API and by those that are told of alerts. */
export interface Seen {
  readonly rows: ReadonlyMap<string, MeterRows>;
  readonly alerts: readonly AlertRow[];
  /** Keys that the client's webhook was sent, as often as they came. */
  readonly told: readonly string[];
  /** What the API shows of some of its meters. */
  readonly shown: ReadonlyMap<string, readonly ShownReading[]>;
}

/** All that one scenario left behind. */
export interface Evidence {
  readonly loggers: readonly LoggerRecord[];
  readonly seen: ReadonlyMap<string, Seen>;
  /** Waits of those whom the fault is none of the business of, before it and while it lasted; null: it touches everybody. */
  readonly others: {
    readonly beforeMs: readonly number[];
    readonly duringMs: readonly number[];
    readonly floorMs: number;
  } | null;
  readonly memory: { readonly peakMiB: number; readonly boundMiB: number };
  /** From the end of the fault until nothing was left to do; null: it never was. */
  readonly backlog: { readonly goneMs: number | null; readonly withinMs: number };
}
