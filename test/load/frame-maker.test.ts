import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BinaryFrameMaker } from "../../engine/load/binary-frame-maker.js";
import type { FrameMaker } from "../../engine/load/frame-maker.js";
import { Series } from "../../engine/load/series.js";
import { TextFrameMaker } from "../../engine/load/text-frame-maker.js";
import { readBinary, readText } from "../client/contract-server.js";

const DATALOGGER = 1;

function seriesOf(meters: number, intervalMs = 60_000): Series {
  return new Series({ name: "s", dataloggers: 3, metersPerDatalogger: meters, seed: 7, startMs: 1704067200000, intervalMs });
}

interface Decoded {
  seq: number;
  readings: { meter: string; ts: number; value?: number }[];
}

function decode(series: Series, maker: FrameMaker, frame: Buffer): Decoded {
  if (!maker.binary) return readText(frame);
  const meters = new Map(
    Array.from({ length: series.options.metersPerDatalogger }, (_, m) => [m, series.meterId(DATALOGGER, m)]),
  );
  return readBinary(frame, meters, (text) => assert.fail(text));
}

const makers = {
  binary: (series: Series, wanted: number) => new BinaryFrameMaker(series, DATALOGGER, wanted),
  "text objects": (series: Series, wanted: number) => new TextFrameMaker(series, DATALOGGER, wanted, "object"),
  "text arrays": (series: Series, wanted: number) => new TextFrameMaker(series, DATALOGGER, wanted, "array"),
};

for (const [name, makerOf] of Object.entries(makers)) {
  test(`${name}: frames hold each meter's readings in turn, whatever their size, from buffers used again`, () => {
    const shape = fc.record({
      meters: fc.integer({ min: 1, max: 40 }),
      wanted: fc.integer({ min: 1, max: 100 }),
      frames: fc.integer({ min: 1, max: 9 }),
    });
    fc.assert(
      fc.property(shape, ({ meters, wanted, frames }) => {
        const series = seriesOf(meters);
        const maker = makerOf(series, wanted);
        const rounds = new Map<string, number>();
        let sent = 0;
        for (let k = 0; k < frames; k++) {
          const seq = 2 ** 33 + k;
          const frame = maker.make(k, seq);
          assert.equal(frame.length, maker.bytesOf(k));
          assert.equal(maker.slices.readingsBefore(k), sent);
          const decoded = decode(series, maker, frame);
          assert.equal(decoded.seq, seq);
          assert.equal(decoded.readings.length, maker.slices.readingsOf(k));
          assert.ok(decoded.readings.length <= wanted);
          decoded.readings.forEach((reading, index) => {
            const round = rounds.get(reading.meter) ?? 0;
            const place = maker.slices.locate(k, index);
            assert.deepEqual(place, { meter: Number(reading.meter.split("-")[2]), round });
            assert.equal(reading.meter, series.meterId(DATALOGGER, place.meter));
            assert.equal(reading.ts, series.tsMs(DATALOGGER, place.meter, round));
            assert.equal(reading.value, series.valueUnits(DATALOGGER, place.meter, round) / 1000);
            rounds.set(reading.meter, round + 1);
            sent++;
            for (let m = 0; m < meters; m++) {
              assert.equal(maker.slices.roundsWithin(m, sent), rounds.get(series.meterId(DATALOGGER, m)) ?? 0);
            }
          });
          maker.release(k, frame);
        }
      }),
      { numRuns: 60 },
    );
  });

  test(`${name}: a frame cut short holds the first readings and is well formed`, () => {
    const series = seriesOf(10);
    const maker = makerOf(series, 20);
    const whole = decode(series, maker, maker.make(0, 5));
    for (const readings of [1, 7, 19]) {
      const short = maker.make(0, 5, readings);
      assert.deepEqual(decode(series, maker, short).readings, whole.readings.slice(0, readings));
      maker.release(0, short);
    }
    assert.deepEqual(decode(series, maker, maker.make(0, 5)), whole);
  });
}

test("a register never stands still and its reading is found again by its time", () => {
  const series = seriesOf(25, 900_000);
  for (let meter = 0; meter < 25; meter++) {
    for (let index = 1; index < 200; index++) {
      const step = series.valueUnits(2, meter, index) - series.valueUnits(2, meter, index - 1);
      assert.ok(step >= 1 && step <= 766, `a step of ${step}`);
      assert.equal(series.indexAt(2, meter, series.tsMs(2, meter, index)), index);
    }
  }
  assert.equal(series.indexAt(2, 3, series.tsMs(2, 3, 5) + 1), -1);
  assert.equal(series.indexAt(2, 3, series.tsMs(2, 3, 0) - 900_000), -1);
});

test("readings of one round are spread over the interval, no two at one instant", () => {
  const series = seriesOf(25, 900_000);
  const offsets = [0, 1, 2].flatMap((d) => Array.from({ length: 25 }, (_, m) => series.offsetMs(d, m)));
  assert.equal(new Set(offsets).size, 75);
  assert.ok(Math.max(...offsets) < 900_000);
});

test("other seeds give other readings, the same seed the same", () => {
  const values = (seed: number) => {
    const series = new Series({ name: "s", dataloggers: 1, metersPerDatalogger: 9, seed, startMs: 0, intervalMs: 1 });
    return Array.from({ length: 9 }, (_, m) => series.valueUnits(0, m, 4));
  };
  assert.deepEqual(values(1), values(1));
  assert.notDeepEqual(values(1), values(2));
});

test("text frames are as long as their limit allows, not longer", () => {
  const series = seriesOf(100_000);
  for (const form of ["object", "array"] as const) {
    const fitting = TextFrameMaker.readingsIn(series, form, 65536);
    const bytes = (wanted: number) =>
      16 + '{"seq":,"readings":[]}'.length - 1 + wanted * TextFrameMaker.readingBytes(series, form);
    assert.ok(bytes(fitting) <= 65536 && bytes(fitting + 1) > 65536);
    assert.equal(
      JSON.parse(new TextFrameMaker(seriesOf(fitting), 0, fitting, form).make(0, 1).toString()).readings.length,
      fitting,
    );
  }
});
