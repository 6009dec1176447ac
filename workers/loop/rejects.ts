import { isUtf8 } from "node:buffer";
import { type EntryWriter, NONE } from "../../engine/base/entries.js";
import { REJECT_CODES, type RejectCode, rejectCodeIndex } from "../../engine/base/errors.js";
import { limits } from "../../engine/base/limits.js";
import type { Counters } from "./counters.js";

const MALFORMED = rejectCodeIndex("malformed");

/** What of a frame was not taken: told in its ack, and kept as rows of `rejected` as far as the client's share of them reaches. */
export class Rejects {
  readonly #out: EntryWriter;
  readonly #counters: Counters;
  readonly #budget = new Map<string, { hour: number; rows: number }>();
  #tenant = "";
  #datalogger = NONE;
  #seq = 0;
  #arrivalMs = 0;
  /** Each as a JSON object. */
  list: string[] = [];

  constructor(out: EntryWriter, counters: Counters) {
    this.#out = out;
    this.#counters = counters;
  }

  clear(): void {
    this.list = [];
  }

  /** Whose frame it is from here on; `seq` 0: it has none. */
  of(tenant: string, datalogger: number, seq: number, arrivalMs: number): void {
    this.#tenant = tenant;
    this.#datalogger = datalogger;
    this.#seq = seq;
    this.#arrivalMs = arrivalMs;
  }

  /** One reading; `code` is an index into REJECT_CODES. */
  reading(index: number, code: number, meter: string, raw: Uint8Array): void {
    const seq = this.#seq > 0 ? { seq: this.#seq } : {};
    this.list.push(JSON.stringify({ ...seq, index, meter, code: REJECT_CODES[code] }));
    this.#keep(code, index, meter, raw);
  }

  /** The whole frame, of which nothing but the seq could be read. */
  frame(fault: string, raw: Uint8Array): void {
    this.list.push(JSON.stringify({ seq: this.#seq, code: "malformed", message: fault }));
    this.#keep(MALFORMED, NONE, "", raw);
  }

  #keep(code: number, index: number, meter: string, raw: Uint8Array): void {
    this.#counters.rejected(this.#tenant, REJECT_CODES[code] as RejectCode);
    const hour = Math.floor(this.#arrivalMs / 3_600_000);
    let budget = this.#budget.get(this.#tenant);
    if (budget === undefined || budget.hour !== hour) {
      budget = { hour, rows: 0 };
      this.#budget.set(this.#tenant, budget);
    }
    if (budget.rows++ >= limits.rejectedRowsPerHour) return;
    this.#out.reject(this.#datalogger, code, this.#arrivalMs, this.#seq, index, meter, raw);
  }
}

/** The beginning of UTF-8 text, at most `maxBytes`, that ends with a whole character. */
export function wholeCharacters(text: Uint8Array, maxBytes: number): Uint8Array {
  if (text.length <= maxBytes) return text;
  let end = maxBytes;
  while (end > 0 && (text[end]! & 0xc0) === 0x80) end--;
  return text.subarray(0, end);
}

/** Raw bytes as text that a table can hold: UTF-8 where it is, else hex. */
export function printable(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  return isUtf8(copy) && !copy.includes(0) ? copy : Buffer.from(Buffer.from(copy).toString("hex"));
}
