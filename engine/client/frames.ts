import { MeterstormError } from "../base/errors.js";

/**
 * The frames that a datalogger sends, as bytes (contract: `docs`, "Readings over WebSocket").
 * Little-endian; a readings frame is a header of 16 bytes and 24 bytes a reading:
 *
 *      0      1         2        4           8              16
 *      +------+---------+--------+-----------+--------------+
 *      | type | version | zero   | count u32 | seq u64      |
 *      +------+---------+--------+-----------+--------------+
 *      +-----------+---------+--------------+--------------+
 *      | alias u32 | rev u32 | ts f64       | value f64    |   × count
 *      +-----------+---------+--------------+--------------+
 */
export const FRAME_HEADER_BYTES = 16;
export const READING_RECORD_BYTES = 24;
export const FrameType = { READINGS: 1, BIND: 2 } as const;
export const FRAME_VERSION = 1;

/** What a datalogger reads off a meter. `ts` in epoch milliseconds, `rev` 0 … 2^32 − 1. */
export interface MeterReading {
  readonly meter: string;
  readonly ts: number;
  readonly value: number;
  readonly rev?: number;
}

/** The declaration that a meter was exchanged, or (null) that such a declaration was wrong. Travels in text frames only. */
export interface MeterExchange {
  readonly meter: string;
  readonly ts: number;
  readonly exchange: { readonly final: number; readonly start: number } | null;
  readonly rev?: number;
}

export interface AliasedReading {
  readonly alias: number;
  readonly ts: number;
  readonly value: number;
  readonly rev?: number;
}

export interface Binding {
  readonly alias: number;
  readonly meter: string;
}

/** An empty readings frame for `count` readings: header written, records zero. */
export function allocateBinaryFrame(seq: number, count: number): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + count * READING_RECORD_BYTES);
  frame[0] = FrameType.READINGS;
  frame[1] = FRAME_VERSION;
  frame.writeUInt32LE(count, 4);
  writeSeq(frame, seq);
  return frame;
}

/** Writes a frame's seq (1 ≤ seq < 2^53) in place. */
export function writeSeq(frame: Buffer, seq: number): void {
  frame.writeUInt32LE(seq % 0x1_0000_0000, 8);
  frame.writeUInt32LE(Math.floor(seq / 0x1_0000_0000), 12);
}

/** A binary readings frame. */
export function encodeBinaryFrame(seq: number, readings: readonly AliasedReading[]): Buffer {
  const frame = allocateBinaryFrame(seq, readings.length);
  let at = FRAME_HEADER_BYTES;
  for (const reading of readings) {
    frame.writeUInt32LE(reading.alias, at);
    frame.writeUInt32LE(reading.rev ?? 0, at + 4);
    frame.writeDoubleLE(reading.ts, at + 8);
    frame.writeDoubleLE(reading.value, at + 16);
    at += READING_RECORD_BYTES;
  }
  return frame;
}

/** Bytes that a binding takes within a bind frame. */
export function bindingBytes(meter: string): number {
  return 6 + Buffer.byteLength(meter);
}

/** A bind frame: from here on, within its connection, each alias stands for its meter. */
export function encodeBindFrame(bindings: readonly Binding[]): Buffer {
  let size = FRAME_HEADER_BYTES;
  for (const binding of bindings) size += bindingBytes(binding.meter);
  const frame = Buffer.alloc(size);
  frame[0] = FrameType.BIND;
  frame[1] = FRAME_VERSION;
  frame.writeUInt32LE(bindings.length, 4);
  let at = FRAME_HEADER_BYTES;
  for (const { alias, meter } of bindings) {
    const bytes = frame.write(meter, at + 6);
    frame.writeUInt32LE(alias, at);
    frame.writeUInt16LE(bytes, at + 4);
    at += 6 + bytes;
  }
  return frame;
}

/** Cuts bindings into bind frames of at most `maxFrameBytes`. */
export function encodeBindFrames(bindings: readonly Binding[], maxFrameBytes: number): Buffer[] {
  const frames: Buffer[] = [];
  let from = 0;
  let size = FRAME_HEADER_BYTES;
  for (let i = 0; i < bindings.length; i++) {
    const bytes = bindingBytes(bindings[i]!.meter);
    if (size + bytes > maxFrameBytes && i > from) {
      frames.push(encodeBindFrame(bindings.slice(from, i)));
      from = i;
      size = FRAME_HEADER_BYTES;
    }
    size += bytes;
  }
  if (from < bindings.length) frames.push(encodeBindFrame(bindings.slice(from)));
  return frames;
}

/**
 * The JSON text of one reading, an object. Throws MeterstormError `value_invalid` for NaN and the
 * infinities, which JSON has no number for.
 */
export function textOfReading(reading: MeterReading | MeterExchange): string {
  if ("value" in reading && !Number.isFinite(reading.value)) {
    throw new MeterstormError(
      "value_invalid",
      `the reading of meter ${JSON.stringify(reading.meter)} has the value ${reading.value}; a value is a finite number: leave such readings out`,
    );
  }
  return JSON.stringify(reading);
}

/** The JSON text around readings that are already text. */
export function joinTextFrame(seq: number, readings: readonly string[]): Buffer {
  return Buffer.from(`{"seq":${seq},"readings":[${readings.join(",")}]}`);
}

/** A text frame, as the UTF-8 that travels. Throws as `textOfReading` does. */
export function encodeTextFrame(seq: number, readings: readonly (MeterReading | MeterExchange)[]): Buffer {
  return joinTextFrame(seq, readings.map(textOfReading));
}
