import {
  ALERT_BYTES,
  EXCHANGE_BYTES,
  Kind,
  MENDED_BYTES,
  NAME_BYTES,
  PERIOD_BYTES,
  padded,
  READING_BYTES,
  REJECT_BYTES,
  STATE_BYTES,
  STORED_BYTES,
  TICKED_BYTES,
  TOLD_BYTES,
  UNIT_BYTES,
} from "./entries.js";
import { invariant } from "./errors.js";

/** The three views through which entries are read; `base` of the buffer must be 8-byte aligned. */
export interface EntryViews {
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
}

/** Views over entry bytes; copies them first when they do not begin on 8 bytes. */
export function viewsOf(bytes: Uint8Array): EntryViews {
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  const { buffer, byteOffset, byteLength } = aligned;
  return {
    u8: aligned,
    u32: new Uint32Array(buffer, byteOffset, byteLength >> 2),
    f64: new Float64Array(buffer, byteOffset, byteLength >> 3),
  };
}

/** Size of the entry at byte `at`; for a UNIT that of its own header, so that a walk goes through its content. */
export function entryBytes(views: EntryViews, at: number): number {
  const u = at >> 2;
  const kind = views.u32[u]! & 0xff;
  switch (kind) {
    case Kind.UNIT:
      return UNIT_BYTES;
    case Kind.READING:
    case Kind.REWRITE:
    case Kind.INPUT:
    case Kind.LATE:
      return READING_BYTES;
    case Kind.PERIOD:
      return PERIOD_BYTES;
    case Kind.ALERT:
      return ALERT_BYTES;
    case Kind.EXCHANGE:
      return EXCHANGE_BYTES;
    case Kind.NAME:
      return NAME_BYTES + padded(views.u32[u + 3]!);
    case Kind.REJECT:
      return REJECT_BYTES + padded(views.u32[u + 7]! + views.u32[u + 8]!);
    case Kind.STORED:
      return STORED_BYTES;
    case Kind.MENDED:
      return MENDED_BYTES;
    case Kind.STATE:
      return STATE_BYTES + 8 * views.u32[u + 2]!;
    case Kind.TICKED:
      return TICKED_BYTES;
    case Kind.TOLD:
      return TOLD_BYTES;
    default:
      invariant(false, `no entry of kind ${kind} is known (at byte ${at})`);
  }
}
