import { encodeBinaryFrame, encodeTextFrame } from "../../engine/client/frames.js";
import { BINARY_HEADER_BYTES, BINARY_READING_BYTES, Header, header, readHeader } from "../../workers/decode/binary.js";
import { reading, readReading, readTextFrame, timestampOf } from "../../workers/decode/text.js";
import { fleetOf, smallSize } from "../fleet.js";
import type { MicroBench } from "./harness.js";

const READINGS = 500;

interface Sample {
  meter: string;
  ts: number;
  value: number;
}

function samples(): Sample[] {
  const series = fleetOf(smallSize);
  const { metersPerDatalogger } = series.options;
  return Array.from({ length: READINGS }, (_, i) => ({
    meter: series.meterId(0, i % metersPerDatalogger),
    ts: series.tsMs(0, i % metersPerDatalogger, Math.floor(i / metersPerDatalogger)),
    value: series.valueUnits(0, i % metersPerDatalogger, Math.floor(i / metersPerDatalogger)) / 1000,
  }));
}

/** From a frame's bytes to numbers and a meter's number; the map from ids is the same for all texts. */
export function decodeBench(): MicroBench {
  const readings = samples();
  const numbers = new Map<string, number>();
  for (const { meter } of readings) if (!numbers.has(meter)) numbers.set(meter, numbers.size);
  const binary = encodeBinaryFrame(
    1,
    readings.map(({ meter, ts, value }) => ({ alias: numbers.get(meter)!, ts, value })),
  );
  const u8 = new Uint8Array(binary);
  const u32 = new Uint32Array(u8.buffer);
  const f64 = new Float64Array(u8.buffer);
  const view = new DataView(u8.buffer);
  const objects = encodeTextFrame(1, readings).toString();
  const arrays = JSON.stringify({ seq: 1, readings: readings.map(({ meter, ts, value }) => [meter, ts, value]) });
  const times = JSON.stringify({
    seq: 1,
    readings: readings.map(({ meter, ts, value }) => ({ meter, ts: new Date(ts).toISOString(), value })),
  });
  let sum = 0;

  const words = () => {
    if (readHeader(u8, u32, 0, u8.length) !== Header.READINGS) throw new Error(header.fault);
    for (let i = 0, at = BINARY_HEADER_BYTES >> 3; i < header.count; i++, at += BINARY_READING_BYTES >> 3) {
      sum += u32[at << 1]! + f64[at + 1]! + f64[at + 2]!;
    }
  };
  const dataView = () => {
    const count = view.getUint32(4, true);
    for (let i = 0, at = BINARY_HEADER_BYTES; i < count; i++, at += BINARY_READING_BYTES) {
      sum += view.getUint32(at, true) + view.getFloat64(at + 8, true) + view.getFloat64(at + 16, true);
    }
  };
  const text = (frame: string) => () => {
    for (const element of readTextFrame(frame).readings ?? []) {
      readReading(element);
      sum += numbers.get(reading.meter as string)! + timestampOf(reading.ts) + (reading.value as number);
    }
  };
  const cases = [
    { name: "binary, typed arrays", run: words },
    { name: "binary, DataView", run: dataView },
    { name: "text, arrays", run: text(arrays) },
    { name: "text, objects", run: text(objects) },
    { name: "text, objects with RFC 3339 times", run: text(times) },
  ];
  return {
    name: "decode",
    unit: "reading",
    unitsPerRun: READINGS,
    cases,
    check() {
      let right = 0;
      for (const { meter, ts, value } of readings) right += numbers.get(meter)! + ts + value;
      for (const { name, run } of cases) {
        sum = 0;
        run();
        if (Math.abs(sum - right) > right * 1e-12)
          throw new Error(`decode, ${name}: the readings add up to ${sum}, right is ${right}`);
      }
    },
  };
}
