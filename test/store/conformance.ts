import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Kind } from "../../engine/base/entries.js";
import { rejectCodeIndex } from "../../engine/base/errors.js";
import { Flag } from "../../engine/base/flags.js";
import type { Store } from "../../engine/store/interface.js";
import {
  besideWrites,
  exactHistories,
  inputsOnly,
  longHistories,
  manyRanges,
  nothingToTell,
  oddNames,
  seenAtOnce,
} from "./conformance-history.js";
import { hostileIds } from "./conformance-ids.js";
import { incidentsAtOneInstant, incidentsBehindOthers, incidentsByPages } from "./conformance-incidents.js";
import { exactPeriods, longPeriods, periodsAtOnce } from "./conformance-periods.js";
import { always, HOUR, type OpenStore, reading, T0, unit, written } from "./rows.js";
import { TestNames } from "./test-names.js";

/** How the suite comes by a store of one kind. */
export interface StoreKind {
  name: string;
  /** An empty store, or one in which `sql` was run before; nothing is prepared yet. */
  open(names: TestNames, sql?: readonly string[]): Promise<OpenStore>;
  /** Tables that do not fit, each with what the error must say. */
  misfits: readonly { what: string; sql: readonly string[]; says: RegExp }[];
  /** A table `readings` that takes no reading, after which the sink must answer `refused`. */
  unwritable: readonly string[];
}

/** The promises that every store keeps; the same for all of them. */
export function storeConformance(kind: StoreKind, skip: string | false): void {
  const check = (what: string, run: (open: OpenStore, names: TestNames) => Promise<void>) =>
    void test(`${kind.name}: ${what}`, { skip }, async () => {
      const names = new TestNames();
      const open = await kind.open(names);
      try {
        await open.store.prepare();
        await run(open, names);
      } finally {
        await open.close();
      }
    });

  check("tables are created once and checked again without harm", async ({ store }) => {
    await store.prepare();
    await store.check();
    assert.deepEqual(await store.readings("acme", "m1", always, 10), []);
    assert.deepEqual(await store.consumption("acme", "m1", "day", always, 10), []);
    assert.deepEqual(await store.alerts("acme", { ...always, limit: 10 }), []);
    assert.deepEqual(await store.rejected("acme", always, 10), []);
  });

  check("a store keeps its identity", async ({ store }) => {
    const identity = await store.identity();
    assert.match(identity, /^[a-z]+:[0-9a-f-]{36}/);
    assert.equal(await store.identity(), identity);
  });

  for (const { what, sql, says } of kind.misfits) {
    void test(`${kind.name}: a table is refused with what is needed when ${what}`, { skip }, async () => {
      const open = await kind.open(new TestNames(), sql);
      try {
        await assert.rejects(open.store.prepare(), (error: Error & { code?: string }) => {
          assert.equal(error.code, "store_schema");
          assert.match(error.message, says);
          return true;
        });
      } finally {
        await open.close();
      }
    });
  }

  void test(`${kind.name}: a batch that the store refuses leaves no row behind`, { skip }, async () => {
    const names = new TestNames();
    const open = await kind.open(names, kind.unwritable);
    try {
      const meter = names.meterNumber("acme", "m1");
      const outcome = await open.sink.write([
        unit((w) => {
          w.reading(Kind.READING, meter, T0, 1, 1, 0, 0);
          w.reading(Kind.READING, meter, T0 + 1, 2, 1, 0, 0);
        }),
      ]);
      assert.equal(outcome.ok ? "ok" : outcome.kind, "refused");
      await open.settled();
      assert.deepEqual(await open.store.readings("acme", "m1", always, 10), []);
    } finally {
      await open.close();
    }
  });

  check("entries of every kind become exactly their rows", everyKind);
  check("NULL is kept apart from zero", nulls);
  check("a batch that is sent again changes nothing, and the last row of an identity stands", lastStands);
  check("ids come back exactly as they were sent, and never act as SQL", hostileIds);
  check("ranges are half-open, limits hold, rows come by time", rangesAndLimits);
  check("alerts are filtered by state, meter and rule", alertFilters);
  check("incidents are found however many transitions came since, and by when they were open", incidentsBehindOthers);
  check("incidents come page by page, the newest first", incidentsByPages);
  check("incidents of one instant are kept apart", incidentsAtOneInstant);
  check("rows go to their own tenant, meter and period only", separation);
  check("what is only an input leaves no row", inputsOnly);
  check("a history is exactly the rows between its ends, both included", exactHistories);
  check("a meter without rows, or unknown to the store, has an empty history", nothingToTell);
  check("a history may be longer than what one statement brings", longHistories);
  check("ranges of one call are answered each for itself", manyRanges);
  check("histories are told of meters with any legal names", oddNames);
  check("a history holds what a write that was answered before brought, at once", seenAtOnce);
  check("a history may be asked for beside a write", besideWrites);
  check("rows of consumption are told whole, for the ranges asked for", exactPeriods);
  check("rows of consumption may be more than what one statement brings", longPeriods);
  check("rows of consumption hold what a write that was answered before brought, at once", periodsAtOnce);
  check("doubles, revisions and times come back to the last bit", exactNumbers);
}

async function everyKind(open: OpenStore, names: TestNames): Promise<void> {
  const m1 = names.meterNumber("acme", "m1");
  const m2 = names.meterNumber("acme", "m2");
  const rule = names.ruleNumber("night load");
  const logger = names.dataloggerNumber("acme", "dl 1");
  const first = unit((w) => {
    w.name(3, m1, 0, "m1");
    w.reading(Kind.READING, m1, T0, 100, Number.NaN, 0, Flag.FIRST);
    w.reading(Kind.INPUT, m1, T0 + 5, 1, Number.NaN, 0, 0);
    w.reading(Kind.READING, m2, T0, 7.25, 0.5, 4_294_967_295, Flag.ROLLOVER | Flag.CONFLICT);
    w.period(m1, 1, T0, 12.5, Number.NaN, Number.NaN, 0.75, 4, Flag.PARTIAL);
    w.period(m1, 0, T0, 3, 1, 5, 1, 2, 0);
    w.stored(17);
  });
  const second = unit((w) => {
    w.reading(Kind.REWRITE, m1, T0 - HOUR, 99, 1, 3, Flag.SPIKE);
    w.period(m1, 2, T0 - HOUR, -1.5, -2, 0, 0, 0, Flag.ESTIMATED);
    w.alert(m1, rule, T0 + 1, 41.5, 40, true, 2, 0x89abcdef, 0x01234567);
    w.alert(m1, rule, T0 + 2, Number.NaN, 30, false, 0, 5, 0);
    w.alert(m1, rule, T0 + 3, Number.NaN, Number.NaN, true, 1, 6, 0);
    w.exchange(m1, T0 + 3, 501.5, 10, 1, 0);
    w.reject(logger, rejectCodeIndex("ts_future"), T0 + 4, 124, 3, "m9", new TextEncoder().encode('{"meter":"m9"}'));
    w.reject(
      logger,
      rejectCodeIndex("malformed"),
      T0 + 4,
      125,
      0,
      "",
      new Uint8Array([0xff, 0x22, 0x5c, 0x0a, 0x0d, 0x00, 0x41]),
    );
  });
  await written(open, first, second);
  const { store } = open;
  assert.deepEqual(await store.readings("acme", "m1", always, 10), [
    reading(T0 - HOUR, 99, 1, 3, Flag.SPIKE),
    reading(T0, 100, null, 0, Flag.FIRST),
  ]);
  assert.deepEqual(await store.readings("acme", "m2", always, 10), [
    reading(T0, 7.25, 0.5, 4_294_967_295, Flag.ROLLOVER | Flag.CONFLICT),
  ]);
  assert.deepEqual(await store.consumption("acme", "m1", "hour", always, 10), [
    { ts: T0, period: "hour", value: 12.5, min: null, max: null, coverage: 0.75, readings: 4, flags: Flag.PARTIAL },
  ]);
  assert.deepEqual(await store.consumption("acme", "m1", "quarter", always, 10), [
    { ts: T0, period: "quarter", value: 3, min: 1, max: 5, coverage: 1, readings: 2, flags: 0 },
  ]);
  assert.deepEqual(await store.consumption("acme", "m1", "day", always, 10), [
    { ts: T0 - HOUR, period: "day", value: -1.5, min: -2, max: 0, coverage: 0, readings: 0, flags: Flag.ESTIMATED },
  ]);
  const shared = { meter: "m1", rule: "night load" };
  assert.deepEqual(await store.alerts("acme", { ...always, limit: 10 }), [
    { ...shared, ts: T0 + 1, incident: "0123456789abcdef", state: "firing", severity: "critical", value: 41.5, threshold: 40 },
    { ...shared, ts: T0 + 2, incident: "0000000000000005", state: "resolved", severity: "info", value: null, threshold: 30 },
    { ...shared, ts: T0 + 3, incident: "0000000000000006", state: "firing", severity: "warning", value: null, threshold: null },
  ]);
  assert.deepEqual(await store.rejected("acme", always, 10), [
    { ts: T0 + 4, datalogger: "dl 1", seq: 124, index: 3, meter: "m9", code: "ts_future", raw: '{"meter":"m9"}' },
    { ts: T0 + 4, datalogger: "dl 1", seq: 125, index: 0, meter: "", code: "malformed", raw: '\ufffd"\\\n\r\0A' },
  ]);
}

async function nulls(open: OpenStore, names: TestNames): Promise<void> {
  const meter = names.meterNumber("acme", "m1");
  const no = Number.NaN;
  await written(
    open,
    unit((w) => {
      w.reading(Kind.READING, meter, T0, 0, no, 0, 0);
      w.reading(Kind.READING, meter, T0 + 1, 0, 0, 0, 0);
      w.period(meter, 1, T0, no, no, no, 0, 0, 0);
      w.period(meter, 1, T0 + HOUR, 0, 0, 0, 0, 0, 0);
      w.period(meter, 1, T0 + 2 * HOUR, no, 1, no, 1, 0, 0);
    }),
  );
  const row = { period: "hour", readings: 0, flags: 0 };
  assert.deepEqual(await open.store.readings("acme", "m1", always, 10), [reading(T0, 0, null), reading(T0 + 1, 0, 0)]);
  assert.deepEqual(await open.store.consumption("acme", "m1", "hour", always, 10), [
    { ...row, ts: T0, value: null, min: null, max: null, coverage: 0 },
    { ...row, ts: T0 + HOUR, value: 0, min: 0, max: 0, coverage: 0 },
    { ...row, ts: T0 + 2 * HOUR, value: null, min: 1, max: null, coverage: 1 },
  ]);
}

async function lastStands(open: OpenStore, names: TestNames): Promise<void> {
  const m1 = names.meterNumber("acme", "m1");
  const logger = names.dataloggerNumber("acme", "dl");
  const rule = names.ruleNumber("r");
  const batch = unit((w) => {
    w.reading(Kind.READING, m1, T0, 1, 1, 0, 0);
    w.period(m1, 1, T0, 1, 1, 1, 1, 1, 1);
    w.reading(Kind.READING, m1, T0 + 1, 5, 5, 0, 0);
    w.reading(Kind.REWRITE, m1, T0, 2, Number.NaN, 1, Flag.CONFLICT);
    w.period(m1, 1, T0, Number.NaN, Number.NaN, Number.NaN, 0.5, 2, 2);
    for (const value of [1, 2]) w.alert(m1, rule, T0, value, 1, true, 1, 9, 0);
    w.alert(m1, rule, T0, 3, 1, false, 1, 9, 0);
    for (const raw of ["a", "b"]) w.reject(logger, 1, T0, 1, 1, "x", new TextEncoder().encode(raw));
  });
  const after = unit((w) => w.reading(Kind.READING, m1, T0 + 1, 6, 6, 0, 0));
  await written(open, batch);
  await written(open, batch, after);
  await written(open, batch, after);
  const { store } = open;
  assert.deepEqual(await store.readings("acme", "m1", always, 10), [
    reading(T0, 2, null, 1, Flag.CONFLICT),
    reading(T0 + 1, 6, 6),
  ]);
  assert.deepEqual(await store.consumption("acme", "m1", "hour", always, 10), [
    { ts: T0, period: "hour", value: null, min: null, max: null, coverage: 0.5, readings: 2, flags: 2 },
  ]);
  const alerts = await store.alerts("acme", { ...always, limit: 10 });
  assert.deepEqual(
    alerts.map((row) => [row.state, row.value]),
    [
      ["firing", 2],
      ["resolved", 3],
    ],
  );
  assert.deepEqual(
    (await store.rejected("acme", always, 10)).map((row) => row.raw),
    ["b"],
  );
}

async function rangesAndLimits(open: OpenStore, names: TestNames): Promise<void> {
  const meter = names.meterNumber("acme", "m1");
  const times = [3, 1, 2, 0, 4].map((i) => T0 + i * HOUR);
  await written(
    open,
    unit((w) => {
      for (const ts of times) w.reading(Kind.READING, meter, ts, 1, 1, 0, 0);
      for (const ts of times) w.period(meter, 1, ts, 1, 1, 1, 1, 1, 0);
    }),
  );
  const hours = async (from: number, to: number, limit: number) => {
    const rows = await open.store.readings("acme", "m1", { from, to }, limit);
    const periods = await open.store.consumption("acme", "m1", "hour", { from, to }, limit);
    assert.deepEqual(
      periods.map((row) => row.ts),
      rows.map((row) => row.ts),
    );
    return rows.map((row) => (row.ts - T0) / HOUR);
  };
  assert.deepEqual(await hours(T0, T0 + 5 * HOUR, 100), [0, 1, 2, 3, 4]);
  assert.deepEqual(await hours(T0 + HOUR, T0 + 3 * HOUR, 100), [1, 2]);
  assert.deepEqual(await hours(T0 + HOUR + 0.5, T0 + 3 * HOUR + 0.5, 100), [2, 3]);
  assert.deepEqual(await hours(T0 + HOUR + 1, T0 + 3 * HOUR + 1, 100), [2, 3]);
  assert.deepEqual(await hours(T0, T0 + 5 * HOUR, 2), [0, 1]);
  assert.deepEqual(await hours(T0, T0 + 5 * HOUR, 0), []);
  assert.deepEqual(await hours(T0, T0, 100), []);
  assert.deepEqual(await hours(-8.64e15, 8.64e15, 100), [0, 1, 2, 3, 4]);
}

async function alertFilters(open: OpenStore, names: TestNames): Promise<void> {
  const [m1, m2] = [names.meterNumber("acme", "m1"), names.meterNumber("acme", "m2")];
  const [r1, r2] = [names.ruleNumber("r1"), names.ruleNumber("r2")];
  await written(
    open,
    unit((w) => {
      w.alert(m1, r1, T0, 1, 0, true, 1, 1, 0);
      w.alert(m1, r1, T0 + 1, 2, 0, false, 1, 1, 0);
      w.alert(m2, r1, T0 + 2, 3, 0, true, 1, 2, 0);
      w.alert(m2, r2, T0 + 3, 4, 0, true, 1, 3, 0);
      w.alert(names.meterNumber("other", "m1"), r1, T0, 5, 0, true, 1, 4, 0);
    }),
  );
  const values = async (filter: Partial<Parameters<Store["alerts"]>[1]>) =>
    (await open.store.alerts("acme", { ...always, limit: 10, ...filter })).map((row) => row.value);
  assert.deepEqual(await values({}), [1, 2, 3, 4]);
  assert.deepEqual(await values({ state: "firing" }), [1, 3, 4]);
  assert.deepEqual(await values({ state: "resolved" }), [2]);
  assert.deepEqual(await values({ meter: "m1" }), [1, 2]);
  assert.deepEqual(await values({ rule: "r1" }), [1, 2, 3]);
  assert.deepEqual(await values({ rule: "r1", meter: "m2", state: "firing" }), [3]);
  assert.deepEqual(await values({ from: T0 + 1, to: T0 + 3 }), [2, 3]);
  assert.deepEqual(await values({ limit: 1 }), [1]);
}

async function separation(open: OpenStore, names: TestNames): Promise<void> {
  await written(
    open,
    unit((w) => {
      for (const [i, [tenant, id]] of (
        [
          ["a", "m"],
          ["b", "m"],
          ["a", "M"],
          ["a", "m "],
        ] as const
      ).entries()) {
        const meter = names.meterNumber(tenant, id);
        w.reading(Kind.READING, meter, T0, i, i, 0, 0);
        for (const period of [0, 1, 2]) w.period(meter, period, T0, i * 10 + period, 0, 0, 1, 1, 0);
      }
    }),
  );
  const { store } = open;
  const value = async (tenant: string, id: string) => (await store.readings(tenant, id, always, 10)).map((row) => row.value);
  assert.deepEqual(await value("a", "m"), [0]);
  assert.deepEqual(await value("b", "m"), [1]);
  assert.deepEqual(await value("a", "M"), [2]);
  assert.deepEqual(await value("a", "m "), [3]);
  assert.deepEqual(await value("b", "M"), []);
  assert.deepEqual(
    (await store.consumption("b", "m", "hour", always, 10)).map((row) => row.value),
    [11],
  );
}

async function exactNumbers(open: OpenStore, names: TestNames): Promise<void> {
  const meter = names.meterNumber("acme", "m1");
  const double = fc.double({ noNaN: true, noDefaultInfinity: true });
  const sample = fc.sample(
    fc.record({ value: double, delta: double, rev: fc.nat({ max: 2 ** 32 - 1 }), flags: fc.nat({ max: 2047 }) }),
    {
      numRuns: 400,
      seed: 11,
    },
  );
  const times = [946_684_800_000, 999_999_999_999, 1_000_000_000_000, 1_699_999_999_999, 1_700_000_000_000, 4_102_444_800_000];
  const all = sample.map((row, i) => ({ ...row, ts: i < times.length ? (times[i] ?? 0) : T0 + i * 977 }));
  const entries = unit((w) => {
    for (const { ts, value, delta, rev, flags } of all) w.reading(Kind.READING, meter, ts, value, delta, rev, flags);
  });
  await written(open, entries);
  const rows = await open.store.readings("acme", "m1", { from: 0, to: 5e12 }, 1000);
  // Zero has no sign in any store's answers.
  const wanted = all.map((row) => ({ ...row, value: row.value + 0, delta: row.delta + 0 })).sort((a, b) => a.ts - b.ts);
  assert.deepEqual(
    rows.map((row) => ({ ...row, value: row.value + 0, delta: (row.delta ?? Number.NaN) + 0 })),
    wanted,
  );
}
