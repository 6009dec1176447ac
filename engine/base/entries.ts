import { invariant } from "./errors.js";

/**
 * The one binary form in which results travel: kernels write it, the journal keeps it, the sinks
 * read it. Little-endian, every entry a multiple of 8 bytes and 8-byte aligned within its buffer.
 *
 * Every entry begins with
 *
 *      0        1                    4            8
 *      +--------+--------------------+------------+
 *      | kind   | info (24 bits)     | subject u32|
 *      +--------+--------------------+------------+
 *
 * A UNIT entry opens all that one input (a frame, a post, a tick) caused: it is in the journal
 * whole or not at all. Its size covers the entries that follow it.
 *
 *  UNIT     info: UnitType   subject: bytes of the whole unit, this entry included
 *           8 f64 arrival ms | 16 u32 datalogger (NONE for a tick) | 20 u32 inputs (of a repair: rows) | 24 f64 seq (0: none) | 32 u32 hashA | 36 u32 hashB   = 40
 *  READING  info: flags      subject: meter     a row of `readings` made from an input of this unit
 *           8 f64 ts | 16 f64 value as sent | 24 f64 delta (NaN: unknown) | 32 u32 rev | 36 zero                                          = 40
 *  REWRITE  as READING: the row of an earlier reading, decided anew
 *  LATE     as READING with delta NaN: an input behind its meter's newest records; a later REPAIR unit holds the rows that it makes
 *  INPUT    as READING without delta: an input that changed nothing (a duplicate); kept so that a replay sees every input
 *  PERIOD   info: flags      subject: meter     a row of `consumption`
 *           8 f64 start | 16 f64 value (NaN: NULL) | 24 f64 min | 32 f64 max | 40 f64 coverage | 48 u32 readings | 52 u32 period          = 56
 *  ALERT    info: bit 0 firing (else resolved), bits 8–15 severity  subject: meter   a row of `alerts`
 *           8 f64 ts | 16 f64 value | 24 f64 threshold | 32 u32 rule (a NAME) | 36 zero | 40 u32 incident low | 44 u32 incident high      = 48
 *  EXCHANGE info: bit 0 withdrawn, bit 1 no row, bit 2 late     subject: meter   a row of `exchanges`; without one an input that loses against
 *           what stands, or (late) one behind its meter's newest records, for a later REPAIR unit
 *           8 f64 ts | 16 f64 final | 24 f64 start | 32 u32 rev | 36 zero                                                                = 40
 *  NAME     info: NameType   subject: the number given to it
 *           8 u32 parent (a tenant's number; for a meter its tenant) | 12 u32 bytes of the text | 16 f64 detail | 24 UTF-8, padded with zeros
 *           detail of a METER, and of METER_SETTINGS (subject: the meter, from here on), is the number of its SETTINGS; the text of SETTINGS
 *           (a timeline, or settings that never change) and of RULES (subject: the tenant) is JSON
 *  REJECT   info: index into REJECT_CODES   subject: datalogger
 *           8 f64 arrival ms | 16 f64 seq | 24 u32 index in the frame | 28 u32 bytes of the meter's id | 32 u32 bytes of raw | 36 zero
 *           40 meter id UTF-8, then raw UTF-8, padded together
 *  MENDED   info: 0          subject: meter   the late inputs that this REPAIR unit has worked in: of the first so many that wait, those within the range
 *           8 f64 from | 16 f64 to (both included) | 24 f64 how many                                                                     = 32
 *  STATE    info: 0          subject: meter   what a repair leaves the live path to go on from
 *           8 u32 count | 12 zero | 16 f64 × count, as `state/meter-image.ts` lays them out                                               = 16 + 8 × count
 *  STORED   info: 0          subject: 0   8 f64 position up to which the store has everything                                             = 16
 *  TICKED   info: what the rule looks at   subject: meter   time alone moves this rule on this meter on; its rows follow
 *           8 u32 rule (a NAME) | 12 zero                                                                                                 = 16
 *  TOLD     info: 0          subject: 0   of the alert transitions, those up to a place in the journal are kept elsewhere, and none of them lies behind `from`
 *           8 f64 from, where a unit begins | 16 f64 behind the last entry that is kept                                                   = 24
 */
export const Kind = {
  UNIT: 1,
  READING: 2,
  REWRITE: 3,
  INPUT: 4,
  PERIOD: 5,
  ALERT: 6,
  EXCHANGE: 7,
  NAME: 8,
  REJECT: 9,
  STORED: 10,
  LATE: 11,
  MENDED: 12,
  STATE: 13,
  TICKED: 14,
  TOLD: 15,
} as const;

/** A REPAIR unit's rows came from the store: a replay takes them as they are; those of all others it works out again. START: of the engine. */
export const UnitType = { FRAME: 1, POST: 2, TICK: 3, CONTROL: 4, REPAIR: 5, START: 6 } as const;
/** Bits of an EXCHANGE's info. */
export const ExchangeInfo = { WITHDRAWN: 1, NO_ROW: 2, LATE: 4 } as const;
export const NameType = {
  TENANT: 1,
  DATALOGGER: 2,
  METER: 3,
  RULE: 4,
  SETTINGS: 5,
  RULES: 6,
  METER_SETTINGS: 7,
  EXPECTED: 8,
} as const;
export const PERIODS = ["quarter", "hour", "day"] as const;
export type PeriodName = (typeof PERIODS)[number];
export const SEVERITIES = ["info", "warning", "critical"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** No datalogger: the unit came from no device. */
export const NONE = 0xffffffff;

export const UNIT_BYTES = 40;
export const READING_BYTES = 40;
export const PERIOD_BYTES = 56;
export const ALERT_BYTES = 48;
export const EXCHANGE_BYTES = 40;
export const NAME_BYTES = 24;
export const REJECT_BYTES = 40;
export const STORED_BYTES = 16;
export const MENDED_BYTES = 32;
export const STATE_BYTES = 16;
export const TICKED_BYTES = 16;
export const TOLD_BYTES = 24;

const utf8 = new TextEncoder();

/** Entries begin on 8 bytes. */
export function padded(bytes: number): number {
  return (bytes + 7) & ~7;
}

/**
 * Appends entries to one growing buffer. `bytes()` is a view of what was written since `reset()`;
 * it is only valid until the next write. Nothing is allocated per entry while the buffer is large enough.
 */
export class EntryWriter {
  #buffer: ArrayBuffer;
  #u8: Uint8Array;
  #u32: Uint32Array;
  #f64: Float64Array;
  /** Bytes written. */
  length = 0;
  #unitStart = -1;
  /** Where the unit begins that was closed last. */
  lastUnit = 0;

  constructor(capacityBytes = 1 << 20) {
    this.#buffer = new ArrayBuffer(padded(capacityBytes));
    this.#u8 = new Uint8Array(this.#buffer);
    this.#u32 = new Uint32Array(this.#buffer);
    this.#f64 = new Float64Array(this.#buffer);
  }

  reset(): void {
    this.length = 0;
    this.#unitStart = -1;
  }

  bytes(): Uint8Array {
    return this.#u8.subarray(0, this.length);
  }

  #grow(need: number): void {
    let size = this.#buffer.byteLength;
    while (size < need) size *= 2;
    const buffer = new ArrayBuffer(size);
    const u8 = new Uint8Array(buffer);
    u8.set(this.#u8.subarray(0, this.length));
    this.#buffer = buffer;
    this.#u8 = u8;
    this.#u32 = new Uint32Array(buffer);
    this.#f64 = new Float64Array(buffer);
  }

  #claim(bytes: number): number {
    const at = this.length;
    const end = at + bytes;
    if (end > this.#u8.length) this.#grow(end);
    this.length = end;
    return at;
  }

  beginUnit(type: number, arrivalMs: number, datalogger: number, seq: number, hashA: number, hashB: number): void {
    invariant(this.#unitStart < 0, "a unit was still open");
    const at = this.#claim(UNIT_BYTES);
    this.#unitStart = at;
    const u = at >> 2;
    const f = at >> 3;
    this.#u32[u] = Kind.UNIT | (type << 8);
    this.#f64[f + 1] = arrivalMs;
    this.#u32[u + 4] = datalogger;
    this.#u32[u + 5] = 0;
    this.#f64[f + 3] = seq;
    this.#u32[u + 8] = hashA;
    this.#u32[u + 9] = hashB;
  }

  /** Closes the unit; `inputs` is how many readings it took, of a repair how many rows it wrote. Returns the unit's size in bytes. */
  endUnit(inputs: number): number {
    const at = this.#unitStart;
    invariant(at >= 0, "no unit was open");
    this.#unitStart = -1;
    this.lastUnit = at;
    const bytes = this.length - at;
    this.#u32[(at >> 2) + 1] = bytes;
    this.#u32[(at >> 2) + 5] = inputs;
    return bytes;
  }

  /**
   * Closes a unit of a frame that goes on in another one. Only a frame's last unit keeps its seq: whoever finds the others
   * alone after a crash knows the readings and not the frame, which is sent again.
   */
  endPart(inputs: number): void {
    invariant(this.#unitStart >= 0, "no unit was open");
    this.#f64[(this.#unitStart >> 3) + 3] = 0;
    this.endUnit(inputs);
  }

  /** `kind` is READING, REWRITE, LATE or INPUT; `delta` NaN where it is unknown. */
  reading(kind: number, meter: number, ts: number, value: number, delta: number, rev: number, flags: number): void {
    const at = this.#claim(READING_BYTES);
    const u = at >> 2;
    const f = at >> 3;
    this.#u32[u] = kind | (flags << 8);
    this.#u32[u + 1] = meter;
    this.#f64[f + 1] = ts;
    this.#f64[f + 2] = value;
    this.#f64[f + 3] = delta;
    this.#u32[u + 8] = rev;
    this.#u32[u + 9] = 0;
  }

  period(
    meter: number,
    period: number,
    start: number,
    value: number,
    min: number,
    max: number,
    coverage: number,
    readings: number,
    flags: number,
  ): void {
    const at = this.#claim(PERIOD_BYTES);
    const u = at >> 2;
    const f = at >> 3;
    this.#u32[u] = Kind.PERIOD | (flags << 8);
    this.#u32[u + 1] = meter;
    this.#f64[f + 1] = start;
    this.#f64[f + 2] = value;
    this.#f64[f + 3] = min;
    this.#f64[f + 4] = max;
    this.#f64[f + 5] = coverage;
    this.#u32[u + 12] = readings;
    this.#u32[u + 13] = period;
  }

  alert(
    meter: number,
    rule: number,
    ts: number,
    value: number,
    threshold: number,
    firing: boolean,
    severity: number,
    incidentLow: number,
    incidentHigh: number,
  ): void {
    const at = this.#claim(ALERT_BYTES);
    const u = at >> 2;
    const f = at >> 3;
    this.#u32[u] = Kind.ALERT | ((firing ? 1 : 0) << 8) | (severity << 16);
    this.#u32[u + 1] = meter;
    this.#f64[f + 1] = ts;
    this.#f64[f + 2] = value;
    this.#f64[f + 3] = threshold;
    this.#u32[u + 8] = rule;
    this.#u32[u + 9] = 0;
    this.#u32[u + 10] = incidentLow;
    this.#u32[u + 11] = incidentHigh;
  }

  /** `info`: bits of ExchangeInfo; final and start NaN where it is withdrawn. */
  exchange(meter: number, ts: number, final: number, start: number, rev: number, info: number): void {
    const at = this.#claim(EXCHANGE_BYTES);
    const u = at >> 2;
    const f = at >> 3;
    this.#u32[u] = Kind.EXCHANGE | (info << 8);
    this.#u32[u + 1] = meter;
    this.#f64[f + 1] = ts;
    this.#f64[f + 2] = final;
    this.#f64[f + 3] = start;
    this.#u32[u + 8] = rev;
    this.#u32[u + 9] = 0;
  }

  name(type: number, number: number, parent: number, text: string, detail = 0): void {
    const bytes = utf8.encode(text);
    const at = this.#claim(NAME_BYTES + padded(bytes.length));
    const u = at >> 2;
    this.#u32[u] = Kind.NAME | (type << 8);
    this.#u32[u + 1] = number;
    this.#u32[u + 2] = parent;
    this.#u32[u + 3] = bytes.length;
    this.#f64[(at >> 3) + 2] = detail;
    this.#u8.fill(0, at + NAME_BYTES, this.length);
    this.#u8.set(bytes, at + NAME_BYTES);
  }

  reject(datalogger: number, code: number, arrivalMs: number, seq: number, index: number, meter: string, raw: Uint8Array): void {
    const id = utf8.encode(meter);
    const at = this.#claim(REJECT_BYTES + padded(id.length + raw.length));
    const u = at >> 2;
    const f = at >> 3;
    this.#u32[u] = Kind.REJECT | (code << 8);
    this.#u32[u + 1] = datalogger;
    this.#f64[f + 1] = arrivalMs;
    this.#f64[f + 2] = seq;
    this.#u32[u + 6] = index;
    this.#u32[u + 7] = id.length;
    this.#u32[u + 8] = raw.length;
    this.#u32[u + 9] = 0;
    this.#u8.fill(0, at + REJECT_BYTES, this.length);
    this.#u8.set(id, at + REJECT_BYTES);
    this.#u8.set(raw, at + REJECT_BYTES + id.length);
  }

  mended(meter: number, from: number, to: number, count: number): void {
    const at = this.#claim(MENDED_BYTES);
    const f = at >> 3;
    this.#u32[at >> 2] = Kind.MENDED;
    this.#u32[(at >> 2) + 1] = meter;
    this.#f64[f + 1] = from;
    this.#f64[f + 2] = to;
    this.#f64[f + 3] = count;
  }

  state(meter: number, numbers: readonly number[]): void {
    const at = this.#claim(STATE_BYTES + 8 * numbers.length);
    const u = at >> 2;
    this.#u32[u] = Kind.STATE;
    this.#u32[u + 1] = meter;
    this.#u32[u + 2] = numbers.length;
    this.#u32[u + 3] = 0;
    this.#f64.set(numbers, (at + STATE_BYTES) >> 3);
  }

  /** Copies whole entries, as they are. */
  entries(bytes: Uint8Array): void {
    const at = this.#claim(bytes.length);
    this.#u8.set(bytes, at);
  }

  stored(position: number): void {
    const at = this.#claim(STORED_BYTES);
    this.#u32[at >> 2] = Kind.STORED;
    this.#u32[(at >> 2) + 1] = 0;
    this.#f64[(at >> 3) + 1] = position;
  }

  ticked(meter: number, rule: number, on: number): void {
    const at = this.#claim(TICKED_BYTES);
    const u = at >> 2;
    this.#u32[u] = Kind.TICKED | (on << 8);
    this.#u32[u + 1] = meter;
    this.#u32[u + 2] = rule;
    this.#u32[u + 3] = 0;
  }

  told(from: number, position: number): void {
    const at = this.#claim(TOLD_BYTES);
    this.#u32[at >> 2] = Kind.TOLD;
    this.#u32[(at >> 2) + 1] = 0;
    this.#f64[(at >> 3) + 1] = from;
    this.#f64[(at >> 3) + 2] = position;
  }
}
