import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ExchangeInfo, Kind } from "../../engine/base/entries.js";
import { QuestDbStore } from "../../engine/store/questdb.js";
import { QuestDbConnection } from "../../engine/store/questdb-http.js";
import { tableStates } from "../../engine/store/questdb-tables.js";
import { TABLE_NAMES } from "../../engine/store/schema.js";
import { QuestDbSink } from "../../workers/sinks/questdb.js";
import { questDbSkip, type RunningQuestDb, startQuestDb } from "../support/questdb.js";
import { freePorts, until } from "../support/servers.js";
import { type StoreKind, storeConformance } from "./conformance.js";
import { unit } from "./rows.js";
import { TestNames } from "./test-names.js";

const skip = questDbSkip();
let server: RunningQuestDb;
before(async () => {
  if (skip === false) server = await startQuestDb();
});
after(() => server?.kill());

function address() {
  return { http: server.httpUrl, username: null, password: null };
}

const readingsColumns = "ts TIMESTAMP, tenant SYMBOL, meter SYMBOL, value DOUBLE, rev LONG, delta DOUBLE, flags INT";
const keys = "DEDUP UPSERT KEYS(ts, tenant, meter)";

const questDb: StoreKind = {
  name: "QuestDB",
  unwritable: [
    `CREATE TABLE readings (${readingsColumns.replace("flags INT", "flags BOOLEAN")}) TIMESTAMP(ts) PARTITION BY DAY WAL ${keys}`,
    ...TABLE_NAMES.filter((name) => name !== "readings").map(
      (name) =>
        `CREATE TABLE ${name} (ts TIMESTAMP, tenant SYMBOL) TIMESTAMP(ts) PARTITION BY DAY WAL DEDUP UPSERT KEYS(ts, tenant)`,
    ),
  ],
  misfits: [
    {
      what: "a column has another type",
      sql: [
        `CREATE TABLE readings (${readingsColumns.replace("flags INT", "flags LONG")}) TIMESTAMP(ts) PARTITION BY DAY WAL ${keys}`,
      ],
      says: /table readings does not fit: column flags is LONG, needed is INT/,
    },
    {
      what: "a column is missing",
      sql: [`CREATE TABLE readings (${readingsColumns.replace(", rev LONG", "")}) TIMESTAMP(ts) PARTITION BY DAY WAL ${keys}`],
      says: /table readings does not fit: column rev is missing, needed is LONG/,
    },
    {
      what: "it has no DEDUP keys",
      sql: [`CREATE TABLE readings (${readingsColumns}) TIMESTAMP(ts) PARTITION BY DAY WAL`],
      says: /table readings does not fit: it has no DEDUP, needed is DEDUP UPSERT KEYS\(ts, tenant, meter\)/,
    },
    {
      what: "it has other DEDUP keys",
      sql: [`CREATE TABLE readings (${readingsColumns}) TIMESTAMP(ts) PARTITION BY DAY WAL DEDUP UPSERT KEYS(ts, meter)`],
      says: /rows are identified by \(ts, meter\), needed is \(ts, tenant, meter\)/,
    },
    {
      what: "it has another designated timestamp",
      sql: [`CREATE TABLE readings (${readingsColumns}, t2 TIMESTAMP) TIMESTAMP(t2) PARTITION BY DAY WAL DEDUP UPSERT KEYS(t2)`],
      says: /its designated timestamp is t2, needed is ts/,
    },
    {
      what: "it is not a WAL table",
      sql: [`CREATE TABLE readings (${readingsColumns}) TIMESTAMP(ts) PARTITION BY DAY BYPASS WAL`],
      says: /it is not a WAL table/,
    },
  ],
  async open(names, sql = []) {
    const connection = new QuestDbConnection(address());
    for (const name of TABLE_NAMES) await connection.query(`DROP TABLE IF EXISTS ${name}`);
    for (const statement of sql) await connection.query(statement);
    const store = new QuestDbStore(address());
    const sink = new QuestDbSink({ address: address(), names });
    return {
      ...{ store, sink },
      settled: () => settled(connection),
      async close() {
        await Promise.all([store.close(), sink.close(), connection.close()]);
      },
    };
  },
};

async function settled(connection: QuestDbConnection): Promise<void> {
  await until("QuestDB has applied all it accepted", 30_000, async () =>
    (await tableStates(connection)).every((state) => state.writerTxn >= state.sequencerTxn),
  );
}

storeConformance(questDb, skip);

test("QuestDB: readings and consumption are partitioned by day, the rest by month", { skip }, async () => {
  const { store, close } = await questDb.open(new TestNames());
  await store.prepare();
  const connection = new QuestDbConnection(address());
  const rows = await connection.query("SELECT table_name, partitionBy FROM tables() ORDER BY table_name");
  const ours = rows.filter(([name]) => (TABLE_NAMES as readonly unknown[]).includes(name));
  assert.deepEqual(ours, [
    ["alerts", "MONTH"],
    ["consumption", "DAY"],
    ["exchanges", "MONTH"],
    ["readings", "DAY"],
    ["rejected", "MONTH"],
  ]);
  await Promise.all([close(), connection.close()]);
});

test("QuestDB: exchanges keep their registers and revisions, and none when withdrawn", { skip }, async () => {
  const names = new TestNames();
  const { store, sink, settled: applied, close } = await questDb.open(names);
  await store.prepare();
  const meter = names.meterNumber("acme", "m1");
  const entries = unit((w) => {
    w.exchange(meter, 1_767_225_600_000, 501.5, 10, 1, 0);
    w.exchange(meter, 1_767_225_600_001, 501.5, 10, 4_294_967_295, ExchangeInfo.WITHDRAWN);
  });
  assert.ok((await sink.write([entries])).ok);
  await applied();
  const connection = new QuestDbConnection(address());
  const rows = await connection.query('SELECT cast(ts AS LONG) / 1000, tenant, meter, "final", "start", rev FROM exchanges');
  assert.deepEqual(rows, [
    [1_767_225_600_000, "acme", "m1", 501.5, 10, 1],
    [1_767_225_600_001, "acme", "m1", null, null, 4_294_967_295],
  ]);
  await Promise.all([close(), connection.close()]);
});

test("QuestDB: a store that does not listen is told as unavailable", { skip }, async () => {
  const [port] = await freePorts(1);
  const store = new QuestDbStore({ http: `http://127.0.0.1:${port}`, username: null, password: null });
  for (const call of [store.prepare(), store.check(), store.identity()])
    await assert.rejects(call, { code: "store_unavailable" });
  await store.close();
});

test("QuestDB: the identity outlives a restart and a table that is dropped; other data have another one", { skip }, async (t) => {
  let own = await startQuestDb();
  t.after(() => own.kill());
  const at = { http: own.httpUrl, username: null, password: null };
  const store = new QuestDbStore(at);
  await store.prepare();
  const identity = await store.identity();
  const names = new TestNames();
  const sink = new QuestDbSink({ address: at, names });
  const meter = names.meterNumber("acme", "m1");
  for (let i = 0; i < 20; i++) {
    const entries = unit((w) => w.reading(Kind.READING, meter, 1_767_225_600_000 + i, i, 1, 0, 0));
    assert.ok((await sink.write([entries])).ok);
  }
  await own.kill();
  own = await startQuestDb({ dataDir: own.dataDir, port: own.port });
  const connection = new QuestDbConnection(at);
  await settled(connection);
  assert.equal(await store.identity(), identity);
  const rows = await store.readings("acme", "m1", { from: 0, to: 2e12 }, 100);
  assert.deepEqual(
    rows.map((row) => row.value),
    Array.from({ length: 20 }, (_, i) => i),
  );
  await connection.query("DROP TABLE alerts");
  await store.prepare();
  assert.equal(await store.identity(), identity);
  await connection.query("DROP TABLE meterstorm_store");
  assert.notEqual(await store.identity(), identity);
  await Promise.all([store.close(), sink.close(), connection.close()]);
});

test("QuestDB: engines that start at once over an empty store agree on its identity, then and later", { skip }, async (t) => {
  const own = await startQuestDb();
  t.after(() => own.kill());
  const at = { http: own.httpUrl, username: null, password: null };
  const stores = Array.from({ length: 8 }, () => new QuestDbStore(at));
  const connection = new QuestDbConnection(at);
  const ask = () => Promise.all(stores.map((store) => store.identity()));
  for (let round = 0; round < 20; round++) {
    const said = new Set([...(await ask()), ...(await ask())]);
    assert.equal(said.size, 1, `round ${round}: ${[...said].join(", ")}`);
    await connection.query("DROP TABLE meterstorm_store");
  }
  await Promise.all([...stores, connection].map((each) => each.close()));
});
