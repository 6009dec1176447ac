import assert from "node:assert/strict";
import type { EntryWriter } from "../../engine/base/entries.js";
import { Flag } from "../../engine/base/flags.js";
import type { MeterPeriods } from "../../engine/store/interface.js";
import { always, HOUR, type OpenStore, T0, unit, written } from "./rows.js";
import type { TestNames } from "./test-names.js";

type Row = [
  ts: number,
  period: number,
  value: number,
  min: number,
  max: number,
  coverage: number,
  readings: number,
  flags: number,
];

const no = Number.NaN;

/** What a store tells as rows; periods that begin together come in any order. */
function rowsOf({ consumption }: MeterPeriods): Row[] {
  const { ts, period, value, min, max, coverage, readings, flags } = consumption;
  for (const column of Object.values(consumption)) assert.equal(column.length, ts.length);
  assert.deepEqual(
    ts,
    [...ts].sort((a, b) => a - b),
  );
  return ts
    .map((at, i): Row => [at, period[i]!, value[i]!, min[i]!, max[i]!, coverage[i]!, readings[i]!, flags[i]!])
    .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
}

function write(w: EntryWriter, meter: number, row: Row): void {
  const [ts, period, value, min, max, coverage, readings, flags] = row;
  w.period(meter, period, ts, value, min, max, coverage, readings, flags);
}

/** Rows of `consumption`, whole, every column of them; the ends of a range are included. */
export async function exactPeriods(open: OpenStore, names: TestNames): Promise<void> {
  const m1 = names.meterNumber("acme", "m1");
  const other = names.meterNumber("other", "m1");
  const unknown = names.meterNumber("acme", "never seen");
  const rows: Row[] = [
    [T0, 0, 0.1, no, no, 1, 1, 0],
    [T0, 1, 1 / 3, -7.25, 9.75, 0.5, 60, Flag.PARTIAL | Flag.ESTIMATED],
    [T0, 2, no, no, no, 0, 0, Flag.PARTIAL],
    [T0 + HOUR, 1, -0.25, 0, 0, 2 / 3, 4_000_000, Flag.CONFLICT],
    [T0 + 2 * HOUR, 1, 0, no, no, 1, 0, 0],
  ];
  const ofOther: Row = [T0, 1, 5, 1, 2, 1, 3, 4];
  await written(
    open,
    unit((w) => {
      for (const row of rows.toReversed()) write(w, m1, row);
      write(w, other, ofOther);
    }),
  );
  const between = async (from: number, to: number) => {
    const [told, ...more] = await open.sink.consumption([{ meter: m1, from, to }]);
    assert.equal(more.length, 0);
    assert.equal(told!.meter, m1);
    return rowsOf(told!);
  };
  assert.deepEqual(await between(T0, T0 + 2 * HOUR), rows);
  assert.deepEqual(await between(T0 + 1, T0 + 2 * HOUR - 1), [rows[3]]);
  assert.deepEqual(await between(T0 - HOUR, T0), rows.slice(0, 3));
  assert.deepEqual(await between(T0 + HOUR, T0), []);
  const ever = (meter: number) => ({ meter, ...always });
  const told = await open.sink.consumption([ever(other), ever(unknown), ever(m1)]);
  assert.deepEqual(told.map(rowsOf), [[ofOther], [], rows]);
  assert.deepEqual(
    told.map(({ meter }) => meter),
    [other, unknown, m1],
  );
  assert.deepEqual(await open.sink.consumption([]), []);
}

/** More rows than one answer brings, three of a meter at a moment. */
export async function longPeriods(open: OpenStore, names: TestNames): Promise<void> {
  const meters = Array.from({ length: 5 }, (_, i) => names.meterNumber("acme", `m${i}`));
  const count = 1000;
  const rows = (m: number) =>
    Array.from({ length: count }, (_, i) =>
      [0, 1, 2].map((period): Row => [T0 + i * 60_000, period, i + m / 8, i, i + 1, 1, i, m]),
    ).flat();
  await written(
    open,
    unit((w) => {
      for (const [m, meter] of meters.entries()) for (const row of rows(m)) write(w, meter, row);
    }),
  );
  const told = await open.sink.consumption(meters.map((meter) => ({ meter, ...always })));
  for (const [m, each] of told.entries()) assert.deepEqual(rowsOf(each), rows(m));
}

/** What a write that was answered before brought, in its last form, however soon it is asked for. */
export async function periodsAtOnce(open: OpenStore, names: TestNames): Promise<void> {
  const meter = names.meterNumber("acme", "m1");
  for (let i = 1; i <= 8; i++) {
    const row: Row = [T0, 2, i, no, no, 1, i, i];
    assert.ok((await open.sink.write([unit((w) => write(w, meter, row))])).ok);
    const [told] = await open.sink.consumption([{ meter, ...always }]);
    assert.deepEqual(rowsOf(told!), [row]);
  }
}
