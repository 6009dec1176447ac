import type { Names } from "../../engine/store/interface.js";

/**
 * Line protocol, version 2, for the two tables that get nearly all rows. A row is
 *
 *     readings,tenant=T,meter=M value==<16><8 bytes>,rev=0i,delta==<16><8 bytes>,flags=0i 1767225600000\n
 *     \______/\________________/\_______________________________________________________/ \___________/
 *      table    cached, escaped   doubles as they are, no number is formatted              milliseconds
 *
 * NULL is a field left out. Copies are made in whole 32-bit words that may overshoot by 3 bytes,
 * which the next piece overwrites: for runs of 10 to 60 bytes that beats `set` and `copyWithin`.
 * Nothing is allocated per row.
 */
export class IlpBuffer {
  bytes: Uint8Array;
  view: DataView;
  length = 0;
  rows = 0;
  /** The digits of a time but its last 8 change once in 28 hours. */
  timeHead = -1;
  timeHeadLow = 0;
  timeHeadHigh = 0;
  timeHeadLength = 0;

  constructor(capacityBytes = 1 << 16) {
    this.bytes = new Uint8Array(capacityBytes);
    this.view = new DataView(this.bytes.buffer);
  }

  reset(): void {
    this.length = 0;
    this.rows = 0;
  }

  /** What was written; valid until the next write. */
  written(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  grow(need: number): void {
    let size = this.bytes.length;
    while (size < need) size *= 2;
    const bytes = new Uint8Array(size);
    bytes.set(this.bytes.subarray(0, this.length));
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
  }
}

/** More than any row takes beside its cached part: names, five doubles, digits, and the overshoot. */
const fixedRowBytes = 256;

const chunkWords = 1 << 18;
const utf8 = new TextEncoder();

/**
 * `,tenant=T,meter=M` for every meter seen, escaped once and kept in chunks of 1 MiB: a first word
 * with the length in bytes, then the bytes, padded to words.
 */
export class SeriesNames {
  readonly #names: Names;
  readonly chunks: Uint32Array[] = [];
  #used = chunkWords;
  /** By meter: its place in words, counted from 1 over all chunks; 0 means not yet met. */
  places = new Uint32Array(1 << 10);

  constructor(names: Names) {
    this.#names = names;
  }

  /** Adds a meter that is met for the first time and returns its place. */
  add(meter: number): number {
    if (meter >= this.places.length) {
      const places = new Uint32Array(Math.max(meter + 1, this.places.length * 2));
      places.set(this.places);
      this.places = places;
    }
    const text = utf8.encode(`,tenant=${escaped(this.#names.tenantOfMeter(meter))},meter=${escaped(this.#names.meter(meter))}`);
    const words = 1 + ((text.length + 3) >> 2);
    if (this.#used + words > chunkWords) {
      this.chunks.push(new Uint32Array(chunkWords));
      this.#used = 0;
    }
    const chunk = this.chunks.length - 1;
    const words32 = this.chunks[chunk]!;
    words32[this.#used] = text.length;
    new Uint8Array(words32.buffer, (this.#used + 1) * 4).set(text);
    const place = chunk * chunkWords + this.#used + 1;
    this.#used += words;
    this.places[meter] = place;
    return place;
  }
}

/** A symbol's value: the four characters that mean something between symbols, and line ends, get a backslash. */
function escaped(text: string): string {
  return text.replace(/[ ,=\\\n\r]/g, "\\$&");
}

/** Text as words for copying, with its length in bytes. */
class Piece {
  readonly words: Uint32Array;
  readonly length: number;
  constructor(text: string) {
    const bytes = utf8.encode(text);
    this.words = new Uint32Array((bytes.length + 3) >> 2);
    new Uint8Array(this.words.buffer).set(bytes);
    this.length = bytes.length;
  }
}

const DOUBLE = "=\u0010";
const readingsTable = new Piece("readings");
const consumptionTable = new Piece("consumption");
const readingValue = new Piece(` value=${DOUBLE}`);
const rev = new Piece(",rev=");
const revNone = new Piece(",rev=0i");
const delta = new Piece(`,delta=${DOUBLE}`);
const flagsField = new Piece(",flags=");
const flagsNone = new Piece(",flags=0i ");
const flagsEnd = new Piece("i ");
const integerEnd = new Piece("i");
const periods = [new Piece(",period=quarter "), new Piece(",period=hour "), new Piece(",period=day ")];
const coverageField = new Piece(`coverage=${DOUBLE}`);
const valueField = new Piece(`,value=${DOUBLE}`);
const minField = new Piece(`,min=${DOUBLE}`);
const maxField = new Piece(`,max=${DOUBLE}`);
const readingsField = new Piece(",readings=");

/** The four digits of 0 … 9999 as one word each, the first digit in the lowest byte. */
const fourDigits = new Uint32Array(10_000);
for (let n = 0; n < 10_000; n++) {
  const bytes = utf8.encode(String(n).padStart(4, "0"));
  fourDigits[n] = (bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24)) >>> 0;
}

/** A row of `readings`; `change` is NaN where it is unknown. Times are whole milliseconds from 1970 on. */
export function encodeReading(
  out: IlpBuffer,
  series: SeriesNames,
  meter: number,
  ts: number,
  value: number,
  change: number,
  revision: number,
  flags: number,
): void {
  let at = beginRow(out, series, meter, readingsTable);
  const view = out.view;
  at = putDouble(view, at, readingValue, value);
  if (revision === 0) at = putPiece(view, at, revNone);
  else at = putPiece(view, putInteger(out.bytes, putPiece(view, at, rev), revision), integerEnd);
  if (change === change) at = putDouble(view, at, delta, change);
  endRow(out, at, flags, ts);
}

/** A row of `consumption`; `value`, `min` and `max` are NaN where they are NULL, `period` is an index into PERIODS. */
export function encodePeriod(
  out: IlpBuffer,
  series: SeriesNames,
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
  let at = beginRow(out, series, meter, consumptionTable);
  const view = out.view;
  at = putPiece(view, at, periods[period]!);
  at = putDouble(view, at, coverageField, coverage);
  if (value === value) at = putDouble(view, at, valueField, value);
  if (min === min) at = putDouble(view, at, minField, min);
  if (max === max) at = putDouble(view, at, maxField, max);
  at = putPiece(view, putInteger(out.bytes, putPiece(view, at, readingsField), readings), integerEnd);
  endRow(out, at, flags, start);
}

/** Makes room for the whole row, writes the table and the meter's symbols. */
function beginRow(out: IlpBuffer, series: SeriesNames, meter: number, table: Piece): number {
  let place = meter < series.places.length ? series.places[meter]! : 0;
  if (place === 0) place = series.add(meter);
  const words = series.chunks[((place - 1) / chunkWords) | 0]!;
  const start = (place - 1) % chunkWords;
  const length = words[start]!;
  if (out.length + length + fixedRowBytes > out.bytes.length) out.grow(out.length + length + fixedRowBytes);
  const view = out.view;
  let at = putPiece(view, out.length, table);
  const end = at + length;
  for (let word = start + 1; at < end; word++, at += 4) view.setUint32(at, words[word]!, true);
  return end;
}

function endRow(out: IlpBuffer, from: number, flags: number, ts: number): void {
  let at = from;
  if (flags === 0) at = putPiece(out.view, at, flagsNone);
  else at = putPiece(out.view, putInteger(out.bytes, putPiece(out.view, at, flagsField), flags), flagsEnd);
  at = putTime(out, at, ts);
  out.bytes[at] = 10;
  out.length = at + 1;
  out.rows++;
}

function putPiece(view: DataView, at: number, piece: Piece): number {
  const words = piece.words;
  for (let i = 0, to = at; i < words.length; i++, to += 4) view.setUint32(to, words[i]!, true);
  return at + piece.length;
}

function putDouble(view: DataView, at: number, field: Piece, value: number): number {
  const to = putPiece(view, at, field);
  view.setFloat64(to, value, true);
  return to + 8;
}

function putTime(out: IlpBuffer, at: number, ts: number): number {
  const head = Math.floor(ts / 1e8);
  if (head !== out.timeHead) setTimeHead(out, head);
  const tail = (ts - head * 1e8) | 0;
  const upper = (tail / 10_000) | 0;
  const view = out.view;
  view.setUint32(at, out.timeHeadLow, true);
  view.setUint32(at + 4, out.timeHeadHigh, true);
  const to = at + out.timeHeadLength;
  view.setUint32(to, fourDigits[upper]!, true);
  view.setUint32(to + 4, fourDigits[tail - upper * 10_000]!, true);
  return to + 8;
}

function setTimeHead(out: IlpBuffer, head: number): void {
  const bytes = utf8.encode(String(head));
  const words = new Uint32Array(2);
  new Uint8Array(words.buffer).set(bytes);
  out.timeHead = head;
  out.timeHeadLow = words[0]!;
  out.timeHeadHigh = words[1]!;
  out.timeHeadLength = bytes.length;
}

/** Whole numbers from 0 on, up to 2^32 − 1. */
function putInteger(bytes: Uint8Array, at: number, value: number): number {
  let digits = 1;
  for (let limit = 10; limit <= value; limit *= 10) digits++;
  let rest = value;
  for (let i = at + digits - 1; i >= at; i--) {
    const tenth = Math.floor(rest / 10);
    bytes[i] = 48 + (rest - tenth * 10);
    rest = tenth;
  }
  return at + digits;
}
