import { REJECT_BYTES, SEVERITIES, type Severity } from "../../engine/base/entries.js";
import type { EntryViews } from "../../engine/base/entry-views.js";
import { invariant, REJECT_CODES } from "../../engine/base/errors.js";

/** An incident as it is shown: 16 hexadecimal digits. */
export function incidentText(views: EntryViews, at: number): string {
  const u = at >> 2;
  return hex8(views.u32[u + 11]!) + hex8(views.u32[u + 10]!);
}

function hex8(word: number): string {
  return word.toString(16).padStart(8, "0");
}

export function severityOf(info: number): Severity {
  const severity = SEVERITIES[info >>> 8];
  invariant(severity !== undefined, `severity ${info >>> 8} is unknown`);
  return severity;
}

/** The texts of a REJECT entry. What is not UTF-8 in a frame is shown as U+FFFD, as no column of text could keep it. */
export function rejectTexts(views: EntryViews, at: number): { meter: string; raw: string; code: string } {
  const u = at >> 2;
  const meterEnd = at + REJECT_BYTES + views.u32[u + 7]!;
  const rawEnd = meterEnd + views.u32[u + 8]!;
  const code = REJECT_CODES[views.u32[u]! >>> 8];
  invariant(code !== undefined, `reject code ${views.u32[u]! >>> 8} is unknown`);
  return { meter: text(views.u8, at + REJECT_BYTES, meterEnd), raw: text(views.u8, meterEnd, rawEnd), code };
}

function text(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString("utf8");
}
