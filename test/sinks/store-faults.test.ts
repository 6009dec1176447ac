import assert from "node:assert/strict";
import { cpSync, rmSync } from "node:fs";
import { after, before, beforeEach, test } from "node:test";
import { QuestDbConnection } from "../../engine/store/questdb-http.js";
import { ensureTables } from "../../engine/store/questdb-tables.js";
import { TABLE_NAMES } from "../../engine/store/schema.js";
import { QuestDbSink, type QuestDbSinkOptions } from "../../workers/sinks/questdb.js";
import { questDbSkip, type RunningQuestDb, startQuestDb } from "../support/questdb.js";
import { until } from "../support/servers.js";
import { type Fate, type StoreProxy, startStoreProxy } from "../support/store-proxy.js";
import { addressOf, FedStore, T0 } from "./fed-store.js";

const skip = questDbSkip();
let server: RunningQuestDb;
let proxy: StoreProxy;
let connection: QuestDbConnection;

before(async () => {
  if (skip !== false) return;
  server = await startQuestDb({ env: { QDB_DEV_MODE_ENABLED: "true" } });
  proxy = await startStoreProxy(server.port);
  connection = new QuestDbConnection(addressOf(server.httpUrl));
});
after(async () => {
  await connection?.close();
  await proxy?.close();
  await server?.kill();
});
beforeEach(async () => {
  if (skip !== false) return;
  proxy.onWrite = () => ({ do: "pass" });
  for (const name of TABLE_NAMES) await connection.query(`DROP TABLE IF EXISTS ${name}`);
  await ensureTables(connection);
});

function opened(options: Partial<QuestDbSinkOptions> = {}): Promise<FedStore> {
  return FedStore.open(proxy.url, server.httpUrl, options);
}

/** The next writes meet these fates, one each; all later ones pass. */
function fates(...list: Fate[]): void {
  proxy.onWrite = () => list.shift() ?? { do: "pass" };
}

test("an answer that is cut after every count of bytes is never taken for another one", { skip }, async (t) => {
  const fed = await opened({ settleMs: 0, healthEveryMs: 0 });
  t.after(() => fed.close());
  await fed.feedMore(1);
  await fed.whole();
  const whole = proxy.answerBytes;
  assert.ok(whole > 20);
  await fed.stop();
  const outcomes = new Map<number, string>();
  const sink = new QuestDbSink({ address: addressOf(proxy.url), names: fed.names, healthEveryMs: 60_000 });
  t.after(() => sink.close());
  for (let bytes = 0; bytes <= whole; bytes++) {
    await fed.feed([{ meter: "m", ts: T0, value: bytes, rev: bytes }]);
    const { pieces } = await fed.journal.read(fed.journal.durable - 80, 80);
    fates({ do: "cut", afterBytes: bytes });
    const outcome = await sink.write(pieces);
    outcomes.set(bytes, outcome.ok ? "ok" : outcome.kind);
    if (!outcome.ok) assert.ok((await sink.write(pieces)).ok, `after ${bytes} bytes`);
  }
  for (const [bytes, outcome] of outcomes) assert.equal(outcome, bytes < whole ? "doubtful" : "ok", `${bytes} of ${whole} bytes`);
  await until("the last revision is there", 5_000, async () => {
    const rows = await fed.query("SELECT rev FROM readings WHERE meter = 'm'");
    return rows.length === 1 && rows[0]?.[0] === whole;
  });
});

for (const [fault, fate, words] of [
  ["a 204 that is lost", { do: "swallow" }, /doubtful: no answer to a write/],
  ["a request that never arrives", { do: "hang" }, /doubtful: no answer to a write/],
  ["an answer of 500", { do: "answer", status: 500, body: "oh" }, /doubtful: QuestDB answered a write with 500/],
  ["an answer of 503", { do: "answer", status: 503, body: "busy" }, /unavailable: QuestDB answered 503/],
  ["half an answer", { do: "cut", afterBytes: 30 }, /doubtful: no answer to a write/],
] as const) {
  test(`${fault}: told, sent again, and every row stands once`, { skip }, async (t) => {
    const fed = await opened();
    t.after(() => fed.close());
    await fed.feedMore(10);
    await fed.whole();
    fates(fate, fate);
    await fed.feedMore(200);
    await fed.troubled(words);
    await fed.whole(5_000);
    assert.equal(fed.storedReadings, 210, "counted once");
  });
}

for (const [settleMs, stands] of [
  [2_500, "new"],
  [0, "old"],
] as const) {
  const outcome = stands === "new" ? "does not bring an old revision back" : "would bring it back if nobody waited for it";
  test(`a request that arrives long after it was given up ${outcome}`, { skip }, async (t) => {
    const fed = await opened({ settleMs, timeouts: { connectMs: 500, answerMs: 200 } });
    t.after(() => fed.close());
    const late = proxy.lateArrivals;
    fates({ do: "late", ms: 2_000 });
    await fed.feed([{ meter: "m", ts: T0, value: 1, rev: 0 }]);
    await fed.troubled(/doubtful: no answer to a write/);
    await fed.feed([{ meter: "m", ts: T0, value: 2, rev: 1 }]);
    if (stands === "new") assert.equal(fed.pump.position, 0, "stored stays where it was");
    await until("the late request has arrived", 5_000, () => proxy.lateArrivals > late);
    if (stands === "new") return await fed.whole();
    await until("the old row is back", 5_000, async () => (await fed.query("SELECT rev FROM readings"))[0]?.[0] === 0);
  });
}

/** Rows of meters that begin with `poison` are spoilt on their way. */
function spoilt(body: Buffer): Fate {
  const text = body.toString("latin1");
  return { do: "change", body: Buffer.from(text.replaceAll(/(meter=poison[^\n]*?,rev=)0i/g, "$10x"), "latin1") };
}

function poisonFrame(poison: number, rows: number) {
  return Array.from({ length: rows }, (_, i) => {
    const isPoison = i % 10 === 5 && i < poison * 10;
    return { meter: isPoison ? `poison${i}` : `m${i % 4}`, ts: T0 + i * 1000, value: i };
  });
}

for (const [how, write] of [
  ["the line that is named", spoilt],
  [
    "halves where no line is named",
    (body: Buffer): Fate => (body.includes("meter=poison") ? { do: "answer", status: 400, body: "no" } : { do: "pass" }),
  ],
] as const) {
  test(`rows that are refused by themselves are found by ${how}, kept in rejected, and their neighbours stored`, {
    skip,
  }, async (t) => {
    const fed = await opened();
    t.after(() => fed.close());
    proxy.onWrite = write;
    for (const meter of ["poison5", "poison15", "poison25"]) fed.refused.add(meter);
    await fed.feed(poisonFrame(3, 1_000));
    await fed.whole();
    assert.equal(fed.storedReadings, 997);
    assert.equal(fed.warnings.length, 3);
    const kept = () => fed.query("SELECT tenant, meter, code, seq, raw FROM rejected ORDER BY meter");
    const rows = await until("all are kept", 5_000, async () => (await kept()).length === 3 && (await kept()));
    assert.deepEqual(
      rows.map((row) => row.slice(0, 4)),
      ["poison15", "poison25", "poison5"].map((meter) => ["acme", meter, "row_refused", 1]),
    );
    const raw = JSON.parse(String(rows[0]![4])) as Record<string, unknown>;
    assert.equal(typeof raw["why"], "string");
    assert.deepEqual(
      { ...raw, why: "" },
      {
        ...{ table: "readings", why: "", meter: "poison15", ts: new Date(T0 + 15_000).toISOString() },
        ...{ value: 15, rev: 0, delta: 1, flags: 0 },
      },
    );
    // Sent again after a restart it comes to the same.
    await fed.stop();
    fed.start(0);
    await fed.feedMore(20);
    await fed.whole();
    assert.deepEqual(await kept(), rows);
  });
}

test("a row that is refused alone in its batch is kept as well, and the next ones go on", { skip }, async (t) => {
  const fed = await opened();
  t.after(() => fed.close());
  proxy.onWrite = spoilt;
  fed.refused.add("poison");
  await fed.feed([{ meter: "poison", ts: T0, value: 1 }]);
  await fed.whole();
  assert.equal(fed.storedReadings, 0);
  await fed.feedMore(10);
  await fed.whole();
});

test("more refused rows than a few are the table's trouble: nothing is dropped, and all come once it is over", {
  skip,
}, async (t) => {
  const fed = await opened();
  t.after(() => fed.close());
  proxy.onWrite = spoilt;
  await fed.feed(poisonFrame(30, 300));
  await fed.troubled(/refused: .*so many rows of table readings are refused/);
  assert.equal(fed.storedReadings, 0);
  assert.deepEqual(await fed.query("SELECT count() FROM rejected"), [[0]]);
  proxy.onWrite = () => ({ do: "pass" });
  await fed.whole();
  assert.equal(fed.storedReadings, 300);
});

for (const [fault, spoil, words, mend] of [
  ["suspended", "ALTER TABLE readings SUSPEND WAL", /readings is suspended.*RESUME WAL/, "ALTER TABLE readings RESUME WAL"],
  [
    ...["without its keys", "ALTER TABLE readings DEDUP DISABLE", /readings has lost its DEDUP keys.*DEDUP ENABLE/],
    "ALTER TABLE readings DEDUP ENABLE UPSERT KEYS(ts, tenant, meter)",
  ],
  [
    ...["with a column that refuses rows", "ALTER TABLE readings ALTER COLUMN value TYPE LONG"],
    ...[/refused: .*column value is LONG, needed is DOUBLE.*ALTER TABLE/, "ALTER TABLE readings ALTER COLUMN value TYPE DOUBLE"],
  ],
  [
    ...["with a column that spoils rows without a word", "ALTER TABLE readings ALTER COLUMN value TYPE SYMBOL"],
    ...[/refused: .*column value is SYMBOL, needed is DOUBLE/, "ALTER TABLE readings ALTER COLUMN value TYPE DOUBLE"],
  ],
  ["dropped", "DROP TABLE readings", null, null],
] as [string, string, RegExp | null, string | null][]) {
  test(`a table that is ${fault} under load: told, nothing moves past it, and all is there once it is put right`, {
    skip,
  }, async (t) => {
    const fed = await opened();
    t.after(() => fed.close());
    await fed.feedMore(100);
    await fed.whole();
    for (let round = 0; round < 40; round++) {
      await fed.feedMore(50);
      if (round === 10) await connection.query(spoil);
      if (words !== null) await fed.neverAhead();
    }
    if (words !== null) await fed.troubled(words);
    else
      await until("the loss is told", 5_000, () =>
        fed.troubles.some((each) => /may have lost rows.*readings was (dropped|replaced)/.test(each)),
      );
    await fed.feedMore(50);
    if (mend !== null) await connection.query(mend);
    await fed.whole(15_000);
    assert.equal(fed.storedReadings, 2_150, "counted once");
  });
}

test("a server that comes back with an older copy of its data gets all that is kept again, also by another process", {
  skip,
}, async (t) => {
  let text: string | null = null;
  const memory = {
    read: () => text,
    write: (written: string) => {
      text = written;
    },
  };
  const fed = await opened();
  t.after(() => fed.close());
  await fed.stop();
  fed.start(0, memory);
  await fed.feedMore(100);
  await fed.whole();
  const copy = `${server.dataDir}-copy`;
  t.after(() => rmSync(copy, { recursive: true, force: true }));
  const { dataDir, port } = server;
  await server.kill();
  cpSync(dataDir, copy, { recursive: true });
  server = await startQuestDb({ dataDir, port, env: { QDB_DEV_MODE_ENABLED: "true" } });
  await fed.feedMore(100);
  await fed.whole();
  const reached = fed.pump.position;

  await server.kill();
  await fed.troubled(/unavailable|doubtful/, 1).catch(() => undefined);
  await fed.pump.stop(0);
  await fed.sink.close();
  rmSync(dataDir, { recursive: true, force: true });
  cpSync(copy, dataDir, { recursive: true });
  server = await startQuestDb({ dataDir, port, env: { QDB_DEV_MODE_ENABLED: "true" } });
  fed.troubles.length = 0;
  fed.start(reached, memory);
  await until("the loss is told", 5_000, () => fed.troubles.some((each) => /may have lost rows.*started again/.test(each)));
  await until("all was sent again", 5_000, () => fed.pump.trouble === "" && fed.pump.position === reached);
  await fed.whole();
});
