import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EntryWriter, Kind, UnitType } from "../../engine/base/entries.js";
import { rejectCodeIndex } from "../../engine/base/errors.js";
import { Flag } from "../../engine/base/flags.js";
import type { ReadingRow, Sink, Store } from "../../engine/store/interface.js";
import { TestNames } from "./test-names.js";

/** A store with its sink, opened for one test. */
export interface OpenStore {
  store: Store;
  sink: Sink;
  /** Resolves once everything that was written can be read. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** How the suite comes by a store of one kind. */
export interface StoreKind {
  name: string;
  /** An empty store, or one in which `sql` was run before; nothing is prepared yet. */
  open(names: TestNames, sql?: readonly string[]): Promise<OpenStore>;
  /** Tables that do not fit, each with what the error must say. */
  misfits: readonly { what: string; sql: readonly string[]; says: RegExp }[];
  /** A table `readings` that takes no reading, after which the sink must answer `refused`. */
  unwritable: readonly string[];
  /** How many random histories of late readings are tried. */
  histories: number;
}

const T0 = 1_767_225_600_000;
const HOUR = 3_600_000;
const always = { from: T0 - 1000 * HOUR, to: T0 + 1000 * HOUR };

/** The promises that every store keeps; the same for all of them. */
export function storeConformance(kind: StoreKind, skip: string | false): void {
  const check = (what: string, run: (open: OpenStore, names: TestNames) => Promise<void>) =>
    test(`${kind.name}: ${what}`, { skip }, async () => {
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
    test(`${kind.name}: a table is refused with what is needed when ${what}`, { skip }, async () => {
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

  test(`${kind.name}: a batch that the store refuses leaves no row behind`, { skip }, async () => {
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
  check("rows go to their own tenant, meter and period only", separation);
  check("a late reading is written unless a better one stands", lateCases);
  check("many late readings are resolved in one batch", manyLate);
  check("whatever the order of readings and late readings, what stands is decided by rev, then value", (open, names) =>
    lateHistories(open, names, kind.histories),
  );
  check("doubles, revisions and times come back to the last bit", exactNumbers);
}

/** One unit of entries as a sink is given it. */
export function unit(write: (writer: EntryWriter) => void): Uint8Array {
  const writer = new EntryWriter(1 << 12);
  writer.beginUnit(UnitType.FRAME, T0, 0, 1, 0, 0);
  write(writer);
  writer.endUnit(1);
  return writer.bytes().slice();
}

async function written(open: OpenStore, ...units: Uint8Array[]): Promise<void> {
  assert.deepEqual(await open.sink.write(units), { ok: true });
  await open.settled();
}

function reading(ts: number, value: number, delta: number | null, rev = 0, flags = 0): ReadingRow {
  return { ts, value, rev, delta, flags };
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
    w.exchange(m1, T0 + 3, 501.5, 10, 1, false);
    w.reject(logger, rejectCodeIndex("ts_future"), T0 + 4, 124, 3, "m9", new TextEncoder().encode('{"meter":"m9"}'));
    w.reject(logger, rejectCodeIndex("malformed"), T0 + 4, 125, 0, "", new Uint8Array([0xff, 0x22, 0x5c, 0x0a, 0x0d, 0x00, 0x41]));
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
  assert.deepEqual(alerts.map((row) => [row.state, row.value]), [["firing", 2], ["resolved", 3]]);
  assert.deepEqual((await store.rejected("acme", always, 10)).map((row) => row.raw), ["b"]);
}

/** 128 UTF-16 units that begin with `text`. */
function long(text: string): string {
  return text.repeat(Math.ceil(128 / text.length)).slice(0, 128);
}

const hostile = [
  ...["a b", "a,b", "a=b", 'a"b', "a\\b", "a'b", "😀", "é", " ", "\\", "''", '"', "\\ ", "\\,", "$1", "%27", "\u2028", "\ufeffa", "a\u00a0"].map(long),
  ...["' OR '1'='1", "'; DROP TABLE readings; --", "x' UNION SELECT * FROM alerts --", "m1\\", "\\'", "/*", "--", "null", "a", "A"],
];

async function hostileIds(open: OpenStore, names: TestNames): Promise<void> {
  const random = fc.sample(fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }), { numRuns: 60, seed: 7 });
  const visible = random.filter((id) => !/\p{Cc}/u.test(id));
  const ids = [...new Set([...hostile, ...visible])];
  assert.ok(ids.length > 60, "most random ids are tried");
  const logger = names.dataloggerNumber("acme", long('dl ",=\\😀'));
  const rule = names.ruleNumber(long("rule ',=\\ \""));
  const entries = unit((w) => {
    ids.forEach((id, i) => {
      const meter = names.meterNumber("acme", id);
      w.reading(Kind.READING, meter, T0, i, i / 8, 0, 0);
      w.period(meter, 2, T0, i, i, i, 1, i, 0);
      w.alert(meter, rule, T0, i, 0, true, 0, i, 0);
      w.reject(logger, 1, T0, 1, i, id, new TextEncoder().encode(id));
    });
  });
  await written(open, entries);
  const { store } = open;
  for (const [i, id] of ids.entries()) {
    assert.deepEqual(await store.readings("acme", id, always, 10), [reading(T0, i, i / 8)], JSON.stringify(id));
    assert.equal((await store.consumption("acme", id, "day", always, 10))[0]?.readings, i, JSON.stringify(id));
    const alerts = await store.alerts("acme", { ...always, meter: id, rule: names.rule(rule), limit: 10 });
    assert.deepEqual(alerts.map((row) => [row.meter, row.value]), [[id, i]]);
  }
  const rejected = await store.rejected("acme", always, 1000);
  assert.deepEqual(rejected.map((row) => [row.meter, row.raw]), ids.map((id) => [id, id]));
  assert.equal(rejected[0]?.datalogger, names.datalogger(logger).id);
  assert.deepEqual(await store.readings("' OR '1'='1", "a", always, 10), []);
  assert.deepEqual(await store.alerts("acme", { ...always, rule: "' OR ''='", limit: 10 }), []);
  // A half of a surrogate pair cannot be stored, and asking for it is not an error.
  assert.deepEqual(await store.readings("acme", "\ud800", always, 10), []);
  await store.check();
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
    assert.deepEqual(periods.map((row) => row.ts), rows.map((row) => row.ts));
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
        [["a", "m"], ["b", "m"], ["a", "M"], ["a", "m "]] as const
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
  assert.deepEqual((await store.consumption("b", "m", "hour", always, 10)).map((row) => row.value), [11]);
}

async function lateCases(open: OpenStore, names: TestNames): Promise<void> {
  const meter = names.meterNumber("acme", "m1");
  const at = (hours: number) => T0 - hours * HOUR;
  await written(
    open,
    unit((w) => {
      for (let i = 1; i <= 5; i++) w.reading(Kind.READING, meter, at(i), 10, 1, 2, Flag.FIRST);
    }),
  );
  await written(
    open,
    unit((w) => {
      w.reading(Kind.LATE, meter, at(0.5), 7, Number.NaN, 0, Flag.QUESTIONABLE);
      w.reading(Kind.LATE, meter, at(1), 10, Number.NaN, 9, Flag.SPIKE); // the same value changes nothing
      w.reading(Kind.LATE, meter, at(2), 11, Number.NaN, 1, Flag.SPIKE); // a lower rev
      w.reading(Kind.LATE, meter, at(3), 9, Number.NaN, 2, Flag.SPIKE); // an equal rev, a lower value
      w.reading(Kind.LATE, meter, at(4), 11, Number.NaN, 2, Flag.SPIKE); // an equal rev, a greater value
      w.reading(Kind.LATE, meter, at(5), 9, Number.NaN, 3, Flag.SPIKE); // a greater rev
      // Within one batch: after a row that the batch brings itself, and after each other.
      w.reading(Kind.READING, meter, at(6), 10, 1, 2, 0);
      w.reading(Kind.LATE, meter, at(6), 11, Number.NaN, 1, 0);
      w.reading(Kind.READING, meter, at(7), 10, 1, 0, 0);
      w.reading(Kind.LATE, meter, at(7), 11, Number.NaN, 1, Flag.SPIKE);
      w.reading(Kind.LATE, meter, at(8), 5, Number.NaN, 1, Flag.SPIKE);
      w.reading(Kind.LATE, meter, at(8), 6, Number.NaN, 0, 0);
      w.reading(Kind.LATE, meter, at(9), 5, Number.NaN, 1, 0);
      w.reading(Kind.REWRITE, meter, at(9), 4, 3, 0, Flag.RESET); // a decision of the kernels stands
    }),
  );
  assert.deepEqual(await open.store.readings("acme", "m1", always, 20), [
    reading(at(9), 4, 3, 0, Flag.RESET),
    reading(at(8), 5, null, 1, Flag.SPIKE),
    reading(at(7), 11, null, 1, Flag.SPIKE),
    reading(at(6), 10, 1, 2, 0),
    reading(at(5), 9, null, 3, Flag.SPIKE),
    reading(at(4), 11, null, 2, Flag.SPIKE),
    reading(at(3), 10, 1, 2, Flag.FIRST),
    reading(at(2), 10, 1, 2, Flag.FIRST),
    reading(at(1), 10, 1, 2, Flag.FIRST),
    reading(at(0.5), 7, null, 0, Flag.QUESTIONABLE),
  ]);
}

async function manyLate(open: OpenStore, names: TestNames): Promise<void> {
  const meters = Array.from({ length: 40 }, (_, i) => names.meterNumber(i % 2 === 0 ? "acme" : "other", long(`m ${i} ',=\\😀`)));
  const times = Array.from({ length: 50 }, (_, i) => T0 - i * HOUR);
  await written(
    open,
    unit((w) => {
      for (const meter of meters) for (const ts of times) w.reading(Kind.READING, meter, ts, 10, 1, 1, 0);
    }),
  );
  await written(
    open,
    unit((w) => {
      for (const [m, meter] of meters.entries()) {
        for (const [t, ts] of times.entries()) w.reading(Kind.LATE, meter, ts, 20, Number.NaN, (m + t) % 3, 0);
      }
    }),
  );
  for (const [m, meter] of meters.entries()) {
    const rows = await open.store.readings(names.tenantOfMeter(meter), names.meter(meter), always, 100);
    const wanted = times.map((ts, t) => ((m + t) % 3 === 0 ? reading(ts, 10, 1, 1) : reading(ts, 20, null, (m + t) % 3)));
    assert.deepEqual(rows, wanted.reverse());
  }
}

interface Step {
  late: boolean;
  meter: number;
  hour: number;
  value: number;
  rev: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  late: fc.boolean(),
  meter: fc.nat({ max: 1 }),
  hour: fc.nat({ max: 2 }),
  value: fc.nat({ max: 2 }),
  rev: fc.nat({ max: 2 }),
});

/** The rule in its plainest form, over one map. */
async function lateHistories(open: OpenStore, names: TestNames, runs: number): Promise<void> {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(step, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 3 }), async (batches) => {
      const tenant = `t${run++}`;
      const model = new Map<string, ReadingRow>();
      for (const batch of batches) {
        const entries = unit((w) => {
          for (const { late, meter, hour, value, rev } of batch) {
            const ts = T0 + hour * HOUR;
            w.reading(late ? Kind.LATE : Kind.READING, names.meterNumber(tenant, `m${meter}`), ts, value, late ? Number.NaN : 1, rev, 0);
            const key = `${meter} ${ts}`;
            const old = model.get(key);
            const loses = old !== undefined && (old.value === value || old.rev > rev || (old.rev === rev && old.value > value));
            if (!late || !loses) model.set(key, reading(ts, value, late ? null : 1, rev));
          }
        });
        assert.deepEqual(await open.sink.write([entries]), { ok: true });
      }
      await open.settled();
      for (const meter of [0, 1]) {
        const wanted = [...model].filter(([key]) => key.startsWith(`${meter} `)).map(([, row]) => row);
        const rows = await open.store.readings(tenant, `m${meter}`, always, 100);
        assert.deepEqual(rows, wanted.sort((a, b) => a.ts - b.ts));
      }
    }),
    { numRuns: runs },
  );
}

async function exactNumbers(open: OpenStore, names: TestNames): Promise<void> {
  const meter = names.meterNumber("acme", "m1");
  const double = fc.double({ noNaN: true, noDefaultInfinity: true });
  const sample = fc.sample(fc.record({ value: double, delta: double, rev: fc.nat({ max: 2 ** 32 - 1 }), flags: fc.nat({ max: 2047 }) }), {
    numRuns: 400,
    seed: 11,
  });
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
