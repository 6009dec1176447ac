import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { MessageChannel } from "node:worker_threads";
import { type EntryWriter, Kind, PERIODS } from "../../engine/base/entries.js";
import { rejectCodeIndex } from "../../engine/base/errors.js";
import { DuckDbFile } from "../../engine/store/duckdb.js";
import { DuckDbStore } from "../../engine/store/duckdb-reads.js";
import { DuckDbRemoteStore } from "../../engine/store/duckdb-remote.js";
import type { StoreOutcome } from "../../engine/store/interface.js";
import serve from "../../workers/duckdb-thread.js";
import { DuckDbSink } from "../../workers/sinks/duckdb.js";
import { DuckDbWriter } from "../../workers/sinks/duckdb-writer.js";
import { FEW_ROWS } from "../../workers/sinks/isolate.js";
import { always, T0, unit } from "../store/rows.js";
import { TestNames } from "../store/test-names.js";
import { temporaryDirectory } from "../support/servers.js";

const directory = temporaryDirectory("duckdb-refused");
const columns = "ts TIMESTAMP, tenant VARCHAR, meter VARCHAR, value DOUBLE, rev BIGINT, delta DOUBLE, flags INTEGER";
const key = "PRIMARY KEY (ts, tenant, meter)";
let files = 0;

/** A store whose tables were made in part by somebody else, and what writes to it. */
async function opened(...sql: string[]) {
  const file = await DuckDbFile.open(join(directory, `${++files}.duckdb`));
  for (const statement of sql) await file.query(statement, []);
  await file.ensureTables();
  const names = new TestNames();
  const writer = new DuckDbWriter(file);
  return {
    ...{ file, names, store: new DuckDbStore(file, () => "") },
    write: (...units: Uint8Array[]) => writer.write(names, Buffer.concat(units)),
    meter: names.meterNumber("acme", "m1"),
  };
}

type Opened = Awaited<ReturnType<typeof opened>>;

/** One reading a second, with these values. */
function readings(meter: number, values: readonly number[], delta = 1): Uint8Array {
  return unit((w) => {
    values.forEach((value, i) => void w.reading(Kind.READING, meter, T0 + i * 1000, value, delta, 0, 0));
  });
}

async function values({ store }: Opened): Promise<number[]> {
  return (await store.readings("acme", "m1", always, 10_000)).map(({ value }) => value);
}

function refusedTexts(outcome: StoreOutcome): string[] {
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.message);
  return (outcome.refused ?? []).map(({ table, isReading, text }) => `${table} ${isReading} ${text}`);
}

function messageIn(outcome: StoreOutcome): string {
  assert.ok(!outcome.ok);
  assert.equal(outcome.kind, "refused");
  return outcome.message;
}

test("rows that a table's constraint refuses are kept in rejected, all others are stored, and sending it again changes nothing", async (t) => {
  const open = await opened(
    `CREATE TABLE readings (${columns.replace("value DOUBLE", "value DOUBLE CHECK (value < 900)")}, ${key})`,
  );
  t.after(() => open.file.close());
  const wanted = Array.from({ length: 500 }, (_, i) => (i % 200 === 7 ? 1_000 + i : i));
  const datalogger = open.names.dataloggerNumber("globex", "roof");
  const more = (w: EntryWriter): void => {
    w.period(open.meter, PERIODS.indexOf("hour"), T0, 1, 2, 3, 1, 4, 0);
    w.reject(datalogger, rejectCodeIndex("ts_future"), T0, 5, 0, "m9", Buffer.from("{}"));
  };
  for (const _ of ["first", "again"]) {
    const texts = refusedTexts(await open.write(readings(open.meter, wanted), unit(more)));
    assert.equal(texts.length, 3);
    assert.match(texts[0]!, /^readings true the store refuses a row of readings of client acme by itself.*"value":1007/);
    assert.deepEqual(
      await values(open),
      wanted.filter((value) => value < 900),
    );
    assert.equal((await open.store.consumption("acme", "m1", "hour", always, 10)).length, 1);
    assert.equal((await open.store.rejected("globex", always, 10)).length, 1);
    const rejected = await open.store.rejected("acme", always, 10);
    assert.deepEqual(
      rejected.map(({ ts, seq, meter, code }) => ({ ts, seq, meter, code })),
      Array.from({ length: 3 }, () => ({ ts: T0, seq: 1, meter: "m1", code: "row_refused" })),
    );
    const raws = rejected.map(({ raw }) => JSON.parse(raw) as Record<string, unknown>);
    assert.deepEqual(
      raws.find(({ value }) => value === 1_207),
      {
        table: "readings",
        why: 'Constraint Error: CHECK constraint failed on table readings with expression CHECK(("value" < 900))',
        ...{ meter: "m1", ts: new Date(T0 + 207_000).toISOString(), value: 1_207, rev: 0, delta: 1, flags: 0 },
      },
    );
  }
});

test("a row of a time that DuckDB has no number for is refused by itself", async (t) => {
  const open = await opened();
  t.after(() => open.file.close());
  const outcome = await open.write(
    unit((w) => {
      w.reading(Kind.READING, open.meter, T0, 1, 1, 0, 0);
      w.reading(Kind.REWRITE, open.meter, 1e17, 2, 1, 0, 0);
    }),
  );
  assert.match(refusedTexts(outcome).join(), /^readings false .*Conversion Error: .*out of range/);
  assert.deepEqual(await values(open), [1]);
});

test("of a column that must not be NULL the rows that have no value for it are refused, alone in their batch too", async (t) => {
  const open = await opened(`CREATE TABLE readings (${columns.replace("delta DOUBLE", "delta DOUBLE NOT NULL")}, ${key})`);
  t.after(() => open.file.close());
  assert.equal(refusedTexts(await open.write(readings(open.meter, [1], Number.NaN))).length, 1);
  assert.deepEqual(refusedTexts(await open.write(readings(open.meter, [2, 3]))), []);
  assert.deepEqual(await values(open), [2, 3]);
});

test("a table that refuses one row after the other is to blame itself, from some row on, and takes all once it is put right", async (t) => {
  const open = await opened(`CREATE TABLE readings (${columns.replace("delta DOUBLE", "delta DOUBLE NOT NULL")}, ${key})`);
  t.after(() => open.file.close());
  for (let i = 0; i < FEW_ROWS; i++) {
    assert.equal(refusedTexts(await open.write(readings(open.meter, [i], Number.NaN))).length, 1);
  }
  const one = readings(open.meter, [FEW_ROWS], Number.NaN);
  assert.match(messageIn(await open.write(one)), /NOT NULL constraint failed: readings.delta.*so many rows of table readings/);
  assert.deepEqual(await values(open), []);
  await open.file.query("ALTER TABLE readings ALTER COLUMN delta DROP NOT NULL", []);
  assert.deepEqual(refusedTexts(await open.write(one)), []);
  assert.deepEqual(await values(open), [FEW_ROWS]);
});

test("more rows of a batch than are believed, or all of it: nothing is taken and nothing kept", async (t) => {
  const open = await opened(
    `CREATE TABLE readings (${columns.replace("value DOUBLE", "value DOUBLE CHECK (value < 900)")}, ${key})`,
  );
  t.after(() => open.file.close());
  const many = Array.from({ length: 100 }, (_, i) => (i % 5 === 0 ? 1_000 : i));
  for (const wanted of [many, [1_000, 1_000]]) {
    assert.match(messageIn(await open.write(readings(open.meter, wanted))), /CHECK constraint.*so many rows of table readings/);
    assert.deepEqual(await values(open), []);
    assert.deepEqual(await open.store.rejected("acme", always, 10), []);
  }
});

test("what a table refuses of every row is never blamed on one", async (t) => {
  const open = await opened(`CREATE TABLE readings (${columns}, mine INTEGER NOT NULL, ${key})`);
  t.after(() => open.file.close());
  assert.match(messageIn(await open.write(readings(open.meter, [1]))), /NOT NULL constraint failed: readings.mine$/);
  await open.file.query("DROP TABLE readings", []);
  assert.match(messageIn(await open.write(readings(open.meter, [1]))), /Catalog Error: .*readings does not exist/);
  await open.file.query(`CREATE TABLE readings (${columns})`, []);
  assert.match(messageIn(await open.write(readings(open.meter, [1]))), /Binder Error: .*UNIQUE\/PRIMARY KEY/);
  assert.deepEqual(await open.store.rejected("acme", always, 10), []);
  await open.file.query("DROP TABLE readings", []);
  await open.file.ensureTables();
  assert.deepEqual(refusedTexts(await open.write(readings(open.meter, [1]))), []);
  assert.deepEqual(await values(open), [1]);
});

test("where rejected does not take what is to be kept, nothing is taken", async (t) => {
  const open = await opened(
    `CREATE TABLE readings (${columns.replace("value DOUBLE", "value DOUBLE CHECK (value < 900)")}, ${key})`,
    "CREATE TABLE rejected (ts TIMESTAMP, tenant VARCHAR, datalogger VARCHAR, seq BIGINT, index BIGINT, meter VARCHAR, code VARCHAR CHECK (code = 'ts_future'), raw VARCHAR, PRIMARY KEY (tenant, datalogger, seq, index, code, ts))",
  );
  t.after(() => open.file.close());
  assert.match(messageIn(await open.write(readings(open.meter, [1, 1_000]))), /table rejected/);
  assert.deepEqual(await values(open), []);
});

test("a refused row is told to its shard, with whoever sent it", async () => {
  const path = join(directory, `${++files}.duckdb`);
  const before = await DuckDbFile.open(path);
  await before.query(
    `CREATE TABLE readings (${columns.replace("value DOUBLE", "value DOUBLE CHECK (value < 900)")}, ${key})`,
    [],
  );
  await before.close();
  const { port1, port2 } = new MessageChannel();
  const store = new DuckDbRemoteStore(port2);
  const ended = serve({ port: port1, path });
  await store.prepare();
  const names = new TestNames();
  assert.equal(names.dataloggerNumber("acme", "roof"), 0);
  const sink = new DuckDbSink(store.connectShard(), names);
  const outcome = await sink.write([readings(names.meterNumber("acme", "m1"), [1, 1_000, 3])]);
  assert.equal(refusedTexts(outcome).length, 1);
  const kept = await store.rejected("acme", always, 10);
  assert.deepEqual(
    kept.map(({ datalogger, seq, meter, code }) => ({ datalogger, seq, meter, code })),
    [{ datalogger: "roof", seq: 1, meter: "m1", code: "row_refused" }],
  );
  await sink.close();
  await store.close();
  await ended;
});
