import { crc32 } from "node:zlib";
import type { AlertTransition } from "../base/alert-transition.js";

/**
 * What the notifier's file is made of. A record is a line: eight hexadecimal digits of the CRC-32 of its JSON, a space, the JSON.
 * JSON holds no line break, so a reader finds its way again behind any damage.
 *
 *   file = header | keys … failing … entries … | complete | what happened since …
 *          └─ the state when the file was begun ─┘   each write begins with "safe"
 *
 * Webhooks go by their ids, entries by a number that grows.
 */
export type QueueRecord =
  | { k: "file"; version: number; generation: number }
  /** Keys of transitions that were taken, in order: told again, they change nothing. */
  | { k: "keys"; keys: string[] }
  | ({ k: "failing"; to: string } & Failing)
  /** Taken at `at`, epoch ms, for these webhooks; `held`: how many were left out before it. */
  | { k: "entry"; id: number; at: number; to: string[]; held?: Record<string, number>; transition: AlertTransition }
  /** So many records stand above: without this line the file was never begun in full. */
  | { k: "complete"; records: number }
  /** Everything above was on the disk when this was written. */
  | { k: "safe" }
  /** Nothing more is to be done for a webhook: it has it, or it is among the dead letters. */
  | { k: "done"; id: number; to: string }
  /** Left out in favour of a newer one of the same incident. */
  | { k: "newer"; id: number; by: number; to: string };

/** A webhook's failed attempts in a row. */
export interface Failing {
  attempts: number;
  /** Before when, epoch ms, it is not tried again. */
  until: number;
  /** When the first of them was begun, epoch ms; files of before do not say. */
  since?: number;
}

export const FILE_VERSION = 1;
const NEWLINE = 0x0a;
const CRC_CHARS = 8;

export function encodeRecord(record: QueueRecord): Uint8Array {
  const json = JSON.stringify(record);
  return Buffer.from(`${crc32(json).toString(16).padStart(CRC_CHARS, "0")} ${json}\n`);
}

/** The records of a file in order; null stands for a line that is damaged or not whole. */
export function* decodeRecords(bytes: Uint8Array): Generator<QueueRecord | null> {
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, at);
    const end = newline === -1 ? bytes.length : newline;
    yield newline === -1 ? null : decodeLine(bytes.subarray(at, end));
    at = end + 1;
  }
}

function decodeLine(line: Uint8Array): QueueRecord | null {
  const json = line.subarray(CRC_CHARS + 1);
  const expected = crc32(json).toString(16).padStart(CRC_CHARS, "0");
  if (Buffer.from(line.subarray(0, CRC_CHARS)).toString("latin1") !== expected) return null;
  return JSON.parse(Buffer.from(json).toString("utf8")) as QueueRecord;
}
