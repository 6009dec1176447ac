import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { MessageChannel } from "node:worker_threads";
import { ExchangeInfo, Kind } from "../../engine/base/entries.js";
import { DuckDbFile } from "../../engine/store/duckdb.js";
import { DuckDbRemoteStore } from "../../engine/store/duckdb-remote.js";
import serve from "../../workers/duckdb-thread.js";
import { DuckDbSink } from "../../workers/sinks/duckdb.js";
import { temporaryDirectory, until } from "../support/servers.js";
import { type StoreKind, storeConformance } from "./conformance.js";
import { unit } from "./rows.js";
import { TestNames } from "./test-names.js";

const directory = temporaryDirectory("duckdb");
let files = 0;

function newPath(): string {
  return join(directory, `${++files}.duckdb`);
}

function started(path: string): { store: DuckDbRemoteStore; ended: Promise<void> } {
  const { port1, port2 } = new MessageChannel();
  return { store: new DuckDbRemoteStore(port2), ended: serve({ port: port1, path }) };
}

const readingsColumns = "ts TIMESTAMP, tenant VARCHAR, meter VARCHAR, value DOUBLE, rev BIGINT, delta DOUBLE, flags INTEGER";

const duckDb: StoreKind = {
  name: "DuckDB",
  unwritable: [`CREATE TABLE readings (${readingsColumns}, mine INTEGER NOT NULL, PRIMARY KEY (ts, tenant, meter))`],
  misfits: [
    {
      what: "a column has another type",
      sql: [
        `CREATE TABLE readings (${readingsColumns.replace("flags INTEGER", "flags BIGINT")}, PRIMARY KEY (ts, tenant, meter))`,
      ],
      says: /table readings does not fit: column flags is BIGINT, needed is INTEGER/,
    },
    {
      what: "a column is missing",
      sql: [`CREATE TABLE readings (${readingsColumns.replace(", rev BIGINT", "")}, PRIMARY KEY (ts, tenant, meter))`],
      says: /table readings does not fit: column rev is missing, needed is BIGINT/,
    },
    {
      what: "it has no key",
      sql: [`CREATE TABLE readings (${readingsColumns})`],
      says: /rows are identified by nothing, needed is \(ts, tenant, meter\)/,
    },
    {
      what: "it has another key",
      sql: [`CREATE TABLE readings (${readingsColumns}, PRIMARY KEY (ts, meter))`],
      says: /rows are identified by \(ts, meter\), needed is \(ts, tenant, meter\)/,
    },
  ],
  async open(names, sql = []) {
    const path = newPath();
    const before = await DuckDbFile.open(path);
    for (const statement of sql) await before.query(statement, []);
    await before.close();
    const { store, ended } = started(path);
    // The other tables are needed for writing even where one does not fit.
    if (sql.length > 0) await store.prepare().catch(() => undefined);
    const sink = new DuckDbSink(store.connectShard(), names);
    return {
      ...{ store, sink },
      settled: () => Promise.resolve(),
      async close() {
        await sink.close();
        await store.close();
        await ended;
      },
    };
  },
};

storeConformance(duckDb, false);

test("DuckDB: exchanges keep their registers and revisions, and none when withdrawn", async () => {
  const names = new TestNames();
  const path = newPath();
  const { store, ended } = started(path);
  await store.prepare();
  const sink = new DuckDbSink(store.connectShard(), names);
  const meter = names.meterNumber("acme", "m1");
  const entries = unit((w) => {
    w.exchange(meter, 1_767_225_600_000, 501.5, 10, 1, 0);
    w.exchange(meter, 1_767_225_600_001, 501.5, 10, 4_294_967_295, ExchangeInfo.WITHDRAWN);
  });
  assert.deepEqual(await sink.write([entries]), { ok: true });
  await sink.close();
  await store.close();
  await ended;
  const file = await DuckDbFile.open(path);
  assert.deepEqual(
    await file.query('SELECT epoch_ms(ts)::DOUBLE, tenant, meter, "final", "start", rev::DOUBLE FROM exchanges ORDER BY ts', []),
    [
      [1_767_225_600_000, "acme", "m1", 501.5, 10, 1],
      [1_767_225_600_001, "acme", "m1", null, null, 4_294_967_295],
    ],
  );
  await file.close();
});

test("DuckDB: the identity and the rows outlive a restart; another file has another identity", async () => {
  const names = new TestNames();
  const path = newPath();
  const first = started(path);
  await first.store.prepare();
  const identity = await first.store.identity();
  const sink = new DuckDbSink(first.store.connectShard(), names);
  const meter = names.meterNumber("acme", "m1");
  assert.deepEqual(await sink.write([unit((w) => w.reading(Kind.READING, meter, 1000, 1, 1, 0, 0))]), { ok: true });
  await first.store.close();
  await first.ended;
  assert.equal(await outcomeKind(sink, meter), "unavailable");

  const second = started(path);
  await second.store.prepare();
  assert.equal(await second.store.identity(), identity);
  sink.attach(second.store.connectShard());
  assert.deepEqual(await sink.write([unit((w) => w.reading(Kind.READING, meter, 2000, 2, 1, 0, 0))]), { ok: true });
  const rows = await second.store.readings("acme", "m1", { from: 0, to: 1e12 }, 10);
  assert.deepEqual(
    rows.map((row) => row.value),
    [1, 2],
  );
  await sink.close();
  await second.store.close();
  await second.ended;

  const other = started(newPath());
  await other.store.prepare();
  assert.notEqual(await other.store.identity(), identity);
  await other.store.close();
  await other.ended;
  await assert.rejects(other.store.check(), { code: "store_unavailable" });
});

async function outcomeKind(sink: DuckDbSink, meter: number): Promise<string> {
  const outcome = await sink.write([unit((w) => w.reading(Kind.READING, meter, 1, 1, 1, 0, 0))]);
  return outcome.ok ? "ok" : outcome.kind;
}

test("DuckDB: two shards number their own meters, and a port that closes disturbs nobody", async () => {
  const { store, ended } = started(newPath());
  await store.prepare();
  const [namesA, namesB] = [new TestNames(), new TestNames()];
  const a = new DuckDbSink(store.connectShard(), namesA);
  const b = new DuckDbSink(store.connectShard(), namesB);
  const [meterA, meterB] = [namesA.meterNumber("acme", "a"), namesB.meterNumber("acme", "b")];
  assert.equal(meterA, meterB);
  const write = (sink: DuckDbSink, meter: number, ts: number) =>
    sink.write([unit((w) => w.reading(Kind.READING, meter, ts, ts, 1, 0, 0))]);
  assert.deepEqual(await Promise.all([write(a, meterA, 1), write(b, meterB, 2)]), [{ ok: true }, { ok: true }]);
  await a.close();
  assert.deepEqual(await write(b, meterB, 3), { ok: true });
  const values = async (id: string) => (await store.readings("acme", id, { from: 0, to: 100 }, 10)).map((row) => row.value);
  assert.deepEqual(await values("a"), [1]);
  assert.deepEqual(await values("b"), [2, 3]);
  await b.close();
  await store.close();
  await ended;
});

test("DuckDB: a history ends with its thread or its sink, and is told again by the thread that follows", async () => {
  const names = new TestNames();
  const path = newPath();
  const first = started(path);
  await first.store.prepare();
  const sink = new DuckDbSink(first.store.connectShard(), names);
  const meters = ["a", "b"].map((id) => names.meterNumber("acme", id));
  const ranges = meters.map((meter) => ({ meter, from: 0, to: 1e12 }));
  const batch = unit((w) => {
    for (let i = 0; i < 10_000; i++) for (const meter of meters) w.reading(Kind.READING, meter, i, i + meter, 1, 0, 0);
  });
  assert.deepEqual(await sink.write([batch]), { ok: true });
  const told = await sink.history(ranges);
  assert.deepEqual(
    told.map(({ readings }) => readings.value),
    meters.map((meter) => Array.from({ length: 10_000 }, (_, i) => i + meter)),
  );

  const [under] = await Promise.allSettled([sink.history(ranges), first.store.close()]);
  if (under.status === "rejected") assert.equal((under.reason as { code?: string }).code, "store_unavailable");
  else assert.deepEqual(under.value, told);
  await first.ended;
  await assert.rejects(sink.history(ranges), { code: "store_unavailable" });

  const second = started(path);
  await second.store.prepare();
  sink.attach(second.store.connectShard());
  assert.deepEqual(await sink.history(ranges), told);
  const cut = sink.history(ranges);
  assert.throws(() => void sink.history(ranges), /invariant broken: a sink was asked for a history/);
  sink.attach(second.store.connectShard());
  await assert.rejects(cut, { code: "store_unavailable" });
  assert.deepEqual(await sink.history(ranges), told, "a piece of the history that was cut off is in no other");
  const closed = sink.history(ranges);
  await Promise.all([assert.rejects(closed, { code: "store_unavailable" }), sink.close()]);
  await second.store.close();
  await second.ended;
});

test("DuckDB: a file that is no database is told as unavailable", async () => {
  const { store, ended } = started(fileURLToPath(import.meta.url));
  await Promise.all([
    assert.rejects(ended, { code: "store_unavailable" }),
    assert.rejects(store.prepare(), { code: "store_unavailable" }),
  ]);
});

test("DuckDB: what was answered survives kill -9 of the process", async () => {
  const path = newPath();
  const child = spawn(process.execPath, [fileURLToPath(new URL("./duckdb-crash-child.js", import.meta.url)), path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const gone = new Promise((resolve) => child.once("exit", resolve));
  let acknowledged = 0;
  createInterface({ input: child.stdout }).on("line", (line) => {
    acknowledged = Number(line);
  });
  await until("the child was told of 40 batches", 30_000, () => acknowledged >= 40 || child.exitCode !== null);
  child.kill("SIGKILL");
  await gone;
  const { store, ended } = started(path);
  await store.prepare();
  const rows = await store.readings("acme", "m1", { from: 0, to: 1e12 }, 10_000);
  assert.ok(acknowledged >= 40, `the child reached ${acknowledged} batches`);
  assert.ok(rows.length >= acknowledged, `${rows.length} rows are there, ${acknowledged} were acknowledged`);
  assert.deepEqual(
    rows.map((row) => row.value),
    rows.map((_, i) => i),
  );
  await store.close();
  await ended;
});
