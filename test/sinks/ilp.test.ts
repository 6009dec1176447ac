import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PERIODS } from "../../engine/base/entries.js";
import type { Names } from "../../engine/store/interface.js";
import { encodePeriod, encodeReading, IlpBuffer, SeriesNames } from "../../workers/sinks/ilp.js";

function naming(meter: (number: number) => string, tenant = "acme"): Names {
  return { tenantOfMeter: () => tenant, meter, datalogger: () => ({ tenant, id: "dl" }), rule: () => "r" };
}

/** A double field as line protocol has it: the marker and 8 bytes, least significant first. */
function double(value: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return `=\u0010${bytes.toString("latin1")}`;
}

function latin(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

function text(out: IlpBuffer): string {
  return Buffer.from(out.written()).toString("latin1");
}

test("a reading is one line, byte for byte", () => {
  const out = new IlpBuffer(16);
  const series = new SeriesNames(naming(() => "m1"));
  encodeReading(out, series, 0, 1_767_225_600_000, 12.5, 0.25, 0, 0);
  encodeReading(out, series, 0, 1_767_225_600_001, -1, Number.NaN, 4_294_967_295, 2047);
  assert.equal(
    text(out),
    `readings,tenant=acme,meter=m1 value=${double(12.5)},rev=0i,delta=${double(0.25)},flags=0i 1767225600000\n` +
      `readings,tenant=acme,meter=m1 value=${double(-1)},rev=4294967295i,flags=2047i 1767225600001\n`,
  );
  assert.equal(out.rows, 2);
});

test("a period is one line, NULL is a field left out", () => {
  const out = new IlpBuffer(16);
  const series = new SeriesNames(naming(() => "m1"));
  const no = Number.NaN;
  encodePeriod(out, series, 0, 0, 1_767_225_600_000, 1, 2, 3, 0.5, 4, 128);
  encodePeriod(out, series, 0, 1, 1_767_225_600_000, no, no, no, 0, 0, 0);
  encodePeriod(out, series, 0, 2, 1_767_225_600_000, 0, no, 0, 1, 10, 0);
  const head = "consumption,tenant=acme,meter=m1,period=";
  assert.equal(
    text(out),
    `${head}quarter coverage=${double(0.5)},value=${double(1)},min=${double(2)},max=${double(3)},readings=4i,flags=128i 1767225600000\n` +
      `${head}hour coverage=${double(0)},readings=0i,flags=0i 1767225600000\n` +
      `${head}day coverage=${double(1)},value=${double(0)},max=${double(0)},readings=10i,flags=0i 1767225600000\n`,
  );
});

test("spaces, commas, equals signs and backslashes in ids are escaped, nothing else is", () => {
  const id = "a b,c=d\\e\"f'g😀é";
  const out = new IlpBuffer();
  encodeReading(out, new SeriesNames(naming(() => id, "T-1_x")), 0, 1_767_225_600_000, 0, 0, 0, 0);
  const escaped = latin("a\\ b\\,c\\=d\\\\e\"f'g😀é");
  assert.ok(text(out).startsWith(`readings,tenant=T-1_x,meter=${escaped} value=`), text(out));
});

const time = fc.oneof(
  fc.integer({ min: 946_684_800_000, max: 253_402_300_799_999 }),
  fc.integer({ min: 0, max: 99 }).map((day) => 1_000_000_000_000 + day * 100_000_000),
  fc.integer({ min: 0, max: 99 }).map((day) => 1_000_000_000_000 + day * 100_000_000 - 1),
);
const number = fc.double();
const whole = fc.oneof(fc.nat({ max: 2 ** 32 - 1 }), fc.constantFrom(0, 9, 10, 99, 100, 999_999_999, 1_000_000_000, 2 ** 32 - 1));
const row = fc.record({
  meter: fc.nat({ max: 5000 }),
  ts: time,
  value: fc.double({ noNaN: true }),
  delta: number,
  rev: whole,
  flags: fc.nat({ max: 2 ** 24 - 1 }),
  period: fc.option(fc.nat({ max: 2 }), { nil: null }),
  min: number,
  max: number,
});

function field(name: string, value: number): string {
  return Number.isNaN(value) ? "" : `,${name}=${double(value)}`;
}

test("any rows in any order are what a plain encoder writes, while buffers and caches grow", () => {
  const ids = (meter: number) => `m${meter}`.padEnd(1 + (meter % 97), " =,\\x");
  const escaped = (id: string) =>
    id.replaceAll("\\", "\\\\").replaceAll(" ", "\\ ").replaceAll(",", "\\,").replaceAll("=", "\\=");
  fc.assert(
    fc.property(fc.array(row, { maxLength: 30 }), (rows) => {
      const out = new IlpBuffer(16);
      const series = new SeriesNames(naming(ids));
      let wanted = "";
      for (const { meter, ts, value, delta, rev, flags, period, min, max } of rows) {
        const names = `tenant=acme,meter=${latin(escaped(ids(meter)))}`;
        if (period === null) {
          encodeReading(out, series, meter, ts, value, delta, rev, flags);
          wanted += `readings,${names} value=${double(value)},rev=${rev}i${field("delta", delta)},flags=${flags}i ${ts}\n`;
        } else {
          encodePeriod(out, series, meter, period, ts, delta, min, max, value, rev, flags);
          const values = `${field("value", delta)}${field("min", min)}${field("max", max)}`;
          wanted += `consumption,${names},period=${PERIODS[period]} coverage=${double(value)}${values},readings=${rev}i,flags=${flags}i ${ts}\n`;
        }
      }
      assert.equal(text(out), wanted);
      assert.equal(out.rows, rows.length);
    }),
  );
});

test("names that fill several chunks of the cache stay apart", () => {
  const ids = (meter: number) => `${meter}-`.padEnd(128, "é");
  const series = new SeriesNames(naming(ids));
  const out = new IlpBuffer();
  for (let meter = 0; meter < 12_000; meter++) {
    out.reset();
    encodeReading(out, series, meter, 1_767_225_600_000, 0, 0, 0, 0);
  }
  assert.ok(series.chunks.length > 2, "the cache has grown");
  for (const meter of [0, 1, 3999, 4000, 7999, 11_999]) {
    out.reset();
    encodeReading(out, series, meter, 1_767_225_600_000, 0, 0, 0, 0);
    assert.ok(text(out).startsWith(`readings,tenant=acme,meter=${latin(ids(meter))} value=`), `meter ${meter}`);
  }
});
