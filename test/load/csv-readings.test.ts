import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { columnsOf, parseTs, splitLine } from "../../engine/load/csv.js";
import { CsvReadings } from "../../engine/load/csv-readings.js";
import { DecimalSum } from "../../engine/load/decimal-sum.js";

const HOUR_MS = 3_600_000;
const T0 = Date.UTC(2020, 3, 1, 1);

function readingsOf(lines: string[], as: "counter" | "interval" = "counter") {
  const csv = new CsvReadings({ meter: "m", as, intervalMs: HOUR_MS });
  return lines.flatMap((line) => csv.take(line));
}

test("energy by the hour becomes a register that is read at each hour's end and once before the first", () => {
  assert.deepEqual(
    readingsOf(["start,energy", "2020-04-01T01:00:00Z,0.1001", "2020-04-01T02:00:00Z,0.2002", "2020-04-01T03:00:00Z,1e-4"]),
    [
      { meter: "m", ts: T0, value: 0 },
      { meter: "m", ts: T0 + HOUR_MS, value: 0.1001 },
      { meter: "m", ts: T0 + 2 * HOUR_MS, value: 0.3003 },
      { meter: "m", ts: T0 + 3 * HOUR_MS, value: 0.3004 },
    ],
  );
});

test("after a gap the register is read at the start again, each meter has its own", () => {
  const lines = ["start,energy,meter", "2020-04-01T01:00:00Z,1,a", "2020-04-01T01:00:00Z,5,b", "2020-04-01T04:00:00+01:00,2,a"];
  assert.deepEqual(readingsOf(lines), [
    { meter: "a", ts: T0, value: 0 },
    { meter: "a", ts: T0 + HOUR_MS, value: 1 },
    { meter: "b", ts: T0, value: 0 },
    { meter: "b", ts: T0 + HOUR_MS, value: 5 },
    { meter: "a", ts: T0 + 2 * HOUR_MS, value: 1 },
    { meter: "a", ts: T0 + 3 * HOUR_MS, value: 3 },
  ]);
});

test("as intervals, energy is sent as it stands, at its end", () => {
  assert.deepEqual(readingsOf(["start,energy", "2020-04-01T01:00:00Z,0.078"], "interval"), [
    { meter: "m", ts: T0 + HOUR_MS, value: 0.078 },
  ]);
});

test("readings are taken by their columns' names, quotes and line ends included", () => {
  assert.deepEqual(
    readingsOf(["\uFEFFvalue, ts ,note", '1.5,1585702800000,"a ""b"", c"', "", "2e-3,2020-04-01T02:00:00+01:00,"]),
    [
      { meter: "m", ts: T0, value: 1.5 },
      { meter: "m", ts: T0, value: 0.002 },
    ],
  );
  assert.deepEqual(readingsOf(["meter,ts,value", '"a,b",1585702800000,1']), [{ meter: "a,b", ts: T0, value: 1 }]);
});

test("a row without a value is passed over and counted", () => {
  const csv = new CsvReadings({ meter: "m", as: "counter", intervalMs: HOUR_MS });
  for (const line of ["ts,value", "1585702800000,", "1585702800000,4"]) csv.take(line);
  assert.deepEqual([csv.rows, csv.empty], [2, 1]);
});

const faulty: [string, string[], RegExp][] = [
  ["a number that is none", ["ts,value", "1585702800000,4,", "1585702800000,x"], /^line 3: "x" is not a number/],
  ["an infinite value", ["ts,value", "1585702800000,Infinity"], /^line 2/],
  ["a local time", ["ts,value", "2020-04-01T01:00:00,1"], /^line 2: the time "2020-04-01T01:00:00" is neither/],
  ["a date that is none", ["ts,value", "2020-13-01T01:00:00Z,1"], /^line 2: the time/],
  [
    "energy that is none",
    ["start,energy", "2020-04-01T01:00:00Z,1", "2020-04-01T02:00:00Z,1,5", "2020-04-01T03:00:00Z,0x1"],
    /^line 4: "0x1"/,
  ],
  [
    "intervals that overlap",
    ["start,energy", "2020-04-01T01:00:00Z,1", "2020-04-01T01:30:00Z,1"],
    /^line 3: the interval begins before/,
  ],
];
for (const [what, lines, message] of faulty) {
  test(`${what} is refused with its line`, () => {
    assert.throws(() => readingsOf(lines), { code: "csv_row", message });
  });
}

test("a file whose columns are not known is refused", () => {
  assert.throws(() => columnsOf("time;value"), { code: "csv_header" });
  assert.throws(() => columnsOf("2020-04-01T01:00:00Z,1"), { code: "csv_header" });
});

test("fields come back as they were quoted", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.string().filter((field) => !/[\r\n]/.test(field)),
        { minLength: 1 },
      ),
      (fields) => {
        const line = fields.map((field) => `"${field.replaceAll('"', '""')}"`).join(",");
        assert.deepEqual(splitLine(line), fields);
      },
    ),
  );
});

test("a time is epoch milliseconds or carries its offset", () => {
  assert.equal(parseTs("1585702800000"), T0);
  assert.equal(parseTs("2020-04-01 03:30:00.250+02:30"), T0 + 250);
  assert.ok(Number.isNaN(parseTs("2020-04-01")));
});

test("sums of decimals are exact, whatever their digits and signs", () => {
  const decimal = fc.record({ units: fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }), scale: fc.integer({ min: 0, max: 9 }) });
  fc.assert(
    fc.property(fc.array(decimal), (numbers) => {
      const sum = new DecimalSum();
      let nano = 0n;
      for (const { units, scale } of numbers) {
        const digits = String(units < 0n ? -units : units).padStart(scale + 1, "0");
        const point = digits.length - scale;
        sum.add(`${units < 0n ? "-" : ""}${digits.slice(0, point)}${scale > 0 ? `.${digits.slice(point)}` : ""}`);
        nano += units * 10n ** BigInt(9 - scale);
      }
      const [whole = "", fraction = ""] = sum.toString().split(".");
      assert.equal(BigInt(`${whole}${fraction.padEnd(9, "0")}`), nano);
      assert.equal(sum.toNumber(), Number(sum.toString()));
    }),
  );
});

test("a thousand tenths are a hundred, and exponents are understood", () => {
  const sum = new DecimalSum();
  for (let i = 0; i < 1000; i++) sum.add("0.1");
  assert.equal(sum.toNumber(), 100);
  for (const text of ["1.5e-3", "+2E2", ".5", "-0.0015"]) sum.add(text);
  assert.equal(sum.toString(), "300.5000");
  for (const text of ["", ".", "1.2.3", "NaN", "1e9999"]) assert.throws(() => sum.add(text), { code: "number_invalid" });
});
