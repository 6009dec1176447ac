import assert from "node:assert/strict";
import fc from "fast-check";
import { ExchangeInfo, Kind } from "../../engine/base/entries.js";
import { Flag } from "../../engine/base/flags.js";
import type { HistoryRange, MeterHistory } from "../../engine/store/interface.js";
import { hostile } from "./conformance-ids.js";
import { always, HOUR, long, type OpenStore, reading, T0, unit, written } from "./rows.js";
import type { TestNames } from "./test-names.js";

/** Of a reading value, rev, flags and delta; of an exchange final, start and rev. */
type Row = [ts: number, a: number, b: number, c: number, delta?: number];

const no = Number.NaN;

/** A history as it must be, from rows. */
function history(meter: number, readings: readonly Row[], exchanges: readonly Row[] = []): MeterHistory {
  const column = (rows: readonly Row[], index: 0 | 1 | 2 | 3) => rows.map((row) => row[index]);
  const delta = readings.map((row) => row[4] ?? 1);
  return {
    meter,
    readings: {
      ts: column(readings, 0),
      value: column(readings, 1),
      rev: column(readings, 2),
      delta,
      flags: column(readings, 3),
    },
    exchanges: { ts: column(exchanges, 0), final: column(exchanges, 1), start: column(exchanges, 2), rev: column(exchanges, 3) },
  };
}

function ever(meter: number): HistoryRange {
  return { meter, ...always };
}

/** The rows of a history, whole; a bound lies exactly on a row, one millisecond before it and after it. */
export async function exactHistories(open: OpenStore, names: TestNames): Promise<void> {
  const m1 = names.meterNumber("acme", "m1");
  const other = names.meterNumber("other", "m1");
  await written(
    open,
    unit((w) => {
      w.reading(Kind.READING, m1, T0 + 2 * HOUR, 1 / 3, 0.25, 4_294_967_295, Flag.RESET | Flag.CONFLICT);
      w.reading(Kind.READING, m1, T0, 100, no, 0, Flag.FIRST);
      w.reading(Kind.REWRITE, m1, T0 + HOUR, -7.5, 0, 3, 0);
      w.reading(Kind.READING, other, T0, 5, 1, 1, 2);
      w.period(m1, 1, T0, 1, no, no, 1, 1, 0);
      w.exchange(m1, T0 + HOUR, 501.5, 10, 7, 0);
      w.exchange(m1, T0, no, no, 4_294_967_295, ExchangeInfo.WITHDRAWN);
      w.exchange(other, T0 + 1, 0, 0, 0, 0);
    }),
  );
  const first: Row = [T0, 100, 0, Flag.FIRST, no];
  const second: Row = [T0 + HOUR, -7.5, 3, 0, 0];
  const third: Row = [T0 + 2 * HOUR, 1 / 3, 4_294_967_295, Flag.RESET | Flag.CONFLICT, 0.25];
  const withdrawn: Row = [T0, no, no, 4_294_967_295];
  const exchanged: Row = [T0 + HOUR, 501.5, 10, 7];
  const between = async (from: number, to: number) => (await open.sink.history([{ meter: m1, from, to }]))[0];
  const all = history(m1, [first, second, third], [withdrawn, exchanged]);
  assert.deepEqual(await between(T0, T0 + 2 * HOUR), all, "both ends are included");
  assert.deepEqual(await between(T0 + 1, T0 + 2 * HOUR - 1), history(m1, [second], [exchanged]));
  assert.deepEqual(await between(T0 + HOUR, T0 + HOUR), history(m1, [second], [exchanged]));
  assert.deepEqual(await between(T0, T0), history(m1, [first], [withdrawn]));
  assert.deepEqual(await between(T0 + 1, T0 + HOUR - 1), history(m1, []));
  assert.deepEqual(await between(T0 + HOUR, T0), history(m1, []), "a range that ends before it begins holds nothing");
  for (const [from, to] of [
    [0, 8.64e15],
    [-8.64e15, 8.64e15],
    [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
  ] as const) {
    assert.deepEqual(await between(from, to), all);
  }
  const ofOther = history(other, [[T0, 5, 1, 2]], [[T0 + 1, 0, 0, 0]]);
  assert.deepEqual(await open.sink.history([ever(other), ever(m1)]), [ofOther, all]);
  assert.deepEqual(await open.sink.history([]), []);
}

export async function nothingToTell(open: OpenStore, names: TestNames): Promise<void> {
  const [m1, unknown, stranger] = [
    names.meterNumber("acme", "m1"),
    names.meterNumber("acme", "never seen"),
    names.meterNumber("never seen", "m1"),
  ];
  const asked = [ever(m1), ever(unknown), ever(stranger)];
  const nothing = [m1, unknown, stranger].map((meter) => history(meter, []));
  assert.deepEqual(await open.sink.history(asked), nothing, "from a store that was never written");
  await written(
    open,
    unit((w) => w.reading(Kind.READING, m1, T0, 1, 1, 0, 0)),
  );
  assert.deepEqual(await open.sink.history(asked), [history(m1, [[T0, 1, 0, 0]]), ...nothing.slice(1)]);
  assert.deepEqual(await open.sink.history([{ meter: m1, from: T0 + 1, to: T0 + HOUR }]), [history(m1, [])]);
}

/** What is only an input has no row, whatever its numbers look like. */
export async function inputsOnly(open: OpenStore, names: TestNames): Promise<void> {
  const meter = names.meterNumber("acme", "m1");
  await written(
    open,
    unit((w) => {
      w.reading(Kind.READING, meter, T0, 10, 1, 1, 0);
      w.exchange(meter, T0, 5, 6, 1, 0);
    }),
    unit((w) => {
      w.reading(Kind.LATE, meter, T0, 99, no, 9, Flag.SPIKE);
      w.reading(Kind.LATE, meter, T0 - HOUR, 99, no, 0, 0);
      w.reading(Kind.INPUT, meter, T0, 10, no, 1, 0);
      w.exchange(meter, T0, 98, 99, 9, ExchangeInfo.NO_ROW | ExchangeInfo.LATE);
      w.exchange(meter, T0, no, no, 9, ExchangeInfo.NO_ROW | ExchangeInfo.WITHDRAWN);
      w.exchange(meter, T0 - HOUR, 1, 2, 0, ExchangeInfo.NO_ROW);
      w.mended(meter, T0, T0 + HOUR, 2);
      w.state(meter, [1, 2, no]);
      w.reading(Kind.REWRITE, meter, T0 + HOUR, 11, 1, 0, 0);
      w.exchange(meter, T0 + HOUR, 7, 8, 0, ExchangeInfo.LATE);
    }),
  );
  assert.deepEqual(await open.store.readings("acme", "m1", always, 10), [reading(T0, 10, 1, 1), reading(T0 + HOUR, 11, 1)]);
  const readings: Row[] = [
    [T0, 10, 1, 0],
    [T0 + HOUR, 11, 0, 0],
  ];
  const exchanges: Row[] = [
    [T0, 5, 6, 1],
    [T0 + HOUR, 7, 8, 0],
  ];
  assert.deepEqual(await open.sink.history([ever(meter)]), [history(meter, readings, exchanges)]);
}

/** More rows than one answer brings, many of them at the same moments, so that an answer ends in the middle of one. */
export async function longHistories(open: OpenStore, names: TestNames): Promise<void> {
  const meters = Array.from({ length: 7 }, (_, i) => names.meterNumber("acme", `m${i}`));
  const count = 4000;
  await written(
    open,
    unit((w) => {
      for (let i = 0; i < count; i++) {
        for (const [m, meter] of meters.entries()) w.reading(Kind.READING, meter, T0 + i * 60_000, i + m / 8, 1, i, m);
      }
      for (let i = 0; i < count; i += 400) w.exchange(meters[3]!, T0 + i * 60_000, i, i + 1, 0, 0);
    }),
  );
  const rows = (m: number) => Array.from({ length: count }, (_, i): Row => [T0 + i * 60_000, i + m / 8, i, m]);
  const exchanges = Array.from({ length: count / 400 }, (_, i): Row => [T0 + i * 400 * 60_000, i * 400, i * 400 + 1, 0]);
  const wanted = meters.map((meter, m) => history(meter, rows(m), m === 3 ? exchanges : []));
  assert.deepEqual(await open.sink.history(meters.map(ever)), wanted);
}

/** Ranges of one call are answered each for itself, near each other or years apart, several of one meter, overlapping too. */
export async function manyRanges(open: OpenStore, names: TestNames): Promise<void> {
  const day = 24 * HOUR;
  const meters = Array.from({ length: 12 }, (_, i) => names.meterNumber(i % 3 === 0 ? "other" : "acme", `m${i}`));
  const times = Array.from({ length: 40 }, (_, i) => T0 + (i < 20 ? i * HOUR : (i - 20) * 30 * day));
  const rowOf = (meter: number, i: number): Row => [times[i]!, meter * 100 + i, i, meter];
  await written(
    open,
    unit((w) => {
      for (const meter of meters) {
        for (const i of times.keys()) {
          const [ts, value, rev, flags] = rowOf(meter, i);
          w.reading(Kind.READING, meter, ts, value, 1, rev, flags);
        }
      }
    }),
  );
  // The 20th time is the first one again: its row replaced the other.
  const standing = [...times.keys()].filter((i) => i !== 0).sort((a, b) => times[a]! - times[b]!);
  const bound = fc.constantFrom(...times, T0 - day, T0 + 1, T0 + 17 * day, T0 + 3000 * day);
  const range = fc.record({ meter: fc.constantFrom(...meters), from: bound, to: bound });
  await fc.assert(
    fc.asyncProperty(fc.array(range, { minLength: 1, maxLength: 12 }), async (ranges) => {
      const wanted = ranges.map(({ meter, from, to }) =>
        history(
          meter,
          standing.map((i) => rowOf(meter, i)).filter(([ts]) => ts >= from && ts <= to),
        ),
      );
      assert.deepEqual(await open.sink.history(ranges), wanted);
    }),
    { numRuns: 15 },
  );
}

/** Names that mean something to SQL, too long together for one statement. */
export async function oddNames(open: OpenStore, names: TestNames): Promise<void> {
  const ids = [...hostile, ...Array.from({ length: 60 }, (_, i) => long(`m ${i} ',=\\😀"`))];
  const tenants = ["acme", long("t ',=\\😀").slice(0, 64)];
  const meters = tenants.flatMap((tenant) => ids.map((id) => names.meterNumber(tenant, id)));
  await written(
    open,
    unit((w) => {
      for (const meter of meters) {
        w.reading(Kind.READING, meter, T0, meter, 1, 0, 0);
        w.exchange(meter, T0, meter, 1, 0, 0);
      }
    }),
  );
  const wanted = meters.map((meter) => history(meter, [[T0, meter, 0, 0]], [[T0, meter, 1, 0]]));
  assert.deepEqual(await open.sink.history(meters.map(ever)), wanted);
}

/** No row of a write that was answered `ok` is missing, and the last one of an identity stands, however soon it is asked for. */
export async function seenAtOnce(open: OpenStore, names: TestNames): Promise<void> {
  const meter = names.meterNumber("acme", "m1");
  for (let i = 1; i <= 15; i++) {
    const batch = unit((w) => {
      w.reading(Kind.REWRITE, meter, T0, i, 1, 0, i);
      w.reading(Kind.READING, meter, T0 + i, i, 1, 0, 0);
      w.exchange(meter, T0, i, i, i, 0);
    });
    assert.ok((await open.sink.write([batch])).ok);
    const later = Array.from({ length: i }, (_, k): Row => [T0 + k + 1, k + 1, 0, 0]);
    assert.deepEqual(await open.sink.history([ever(meter)]), [history(meter, [[T0, i, 0, i], ...later], [[T0, i, i, i]])]);
  }
}

/** A write goes on while a history is read; a history knows all or nothing of one row. */
export async function besideWrites(open: OpenStore, names: TestNames): Promise<void> {
  const meter = names.meterNumber("acme", "m1");
  const batch = (i: number) => unit((w) => w.reading(Kind.READING, meter, T0 + i, i, 1, i, i));
  await written(open, batch(0));
  for (let i = 1; i <= 10; i++) {
    const [outcome, [told]] = await Promise.all([open.sink.write([batch(i)]), open.sink.history([ever(meter)])]);
    assert.ok(outcome.ok);
    const rows = (count: number) =>
      history(
        meter,
        Array.from({ length: count }, (_, k): Row => [T0 + k, k, k, k]),
      );
    const count = told?.readings.ts.length ?? 0;
    assert.ok(count === i || count === i + 1, `${count} of ${i} or ${i + 1} rows`);
    assert.deepEqual(told, rows(count));
  }
}
