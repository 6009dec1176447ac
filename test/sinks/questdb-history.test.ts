import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import type { Clock } from "../../engine/base/clock.js";
import { Kind } from "../../engine/base/entries.js";
import type { HistoryRange } from "../../engine/store/interface.js";
import { QuestDbConnection } from "../../engine/store/questdb-http.js";
import { ensureTables, tableStates } from "../../engine/store/questdb-tables.js";
import { TABLE_NAMES } from "../../engine/store/schema.js";
import { QuestDbSink, type QuestDbSinkOptions } from "../../workers/sinks/questdb.js";
import { HOUR, T0, unit } from "../store/rows.js";
import { TestNames } from "../store/test-names.js";
import { questDbSkip, type RunningQuestDb, startQuestDb } from "../support/questdb.js";
import { freePorts, until } from "../support/servers.js";
import { COLUMNS } from "./columns.js";

const skip = questDbSkip();
let server: RunningQuestDb;

before(async () => {
  if (skip === false) server = await startQuestDb({ env: { QDB_DEV_MODE_ENABLED: "true" } });
});
after(() => server?.kill());

function at(http: string) {
  return { http, username: null, password: null };
}

const timeouts = { connectMs: 500, answerMs: 300 };
const ranges: HistoryRange[] = [{ meter: 0, from: T0 - HOUR, to: T0 + HOUR }];

/** A sink for the only meter `acme` `m`, whose number is 0. */
function sinkAt(http: string, options: Partial<QuestDbSinkOptions> = {}): QuestDbSink {
  const names = new TestNames();
  names.meterNumber("acme", "m");
  return new QuestDbSink({ address: at(http), names, ...options });
}

const oneReading = unit((w) => w.reading(Kind.READING, 0, T0, 1, 1, 0, 0));

interface StandIn {
  url: string;
  /** What the tables look like; a test changes it as it goes on. */
  state: { writerTxn: number; sequencerTxn: number; boot: string; suspended: boolean };
  /** Questions for the tables' states, and the other statements. */
  looks: number;
  statements: string[];
  /** Whether statements are answered at all. */
  answers: boolean;
  /** Called after a look at the tables, and before a statement is answered. */
  looked: () => void;
  asked: () => void;
  openSockets(): Promise<number>;
  close(): Promise<void>;
}

/** A server that tells of its tables as it is made to, takes every write and holds no row. */
async function standIn(): Promise<StandIn> {
  const http = createServer((request, response) => {
    request.resume();
    if (request.url?.startsWith("/write") === true) {
      request.on("end", () => response.writeHead(204).end());
      return;
    }
    const sql = new URL(request.url ?? "", "http://x").searchParams.get("query") ?? "";
    const { state } = fake;
    if (sql.includes("table_columns")) {
      response.end(JSON.stringify({ dataset: COLUMNS }));
      return;
    }
    if (sql.includes("wal_tables()")) {
      fake.looks++;
      const row = (name: string) => [
        name,
        `${name}~1`,
        true,
        state.suspended,
        state.writerTxn,
        state.sequencerTxn,
        "",
        state.boot,
      ];
      response.end(JSON.stringify({ dataset: TABLE_NAMES.map(row) }));
      fake.looked();
      return;
    }
    fake.statements.push(sql);
    fake.asked();
    if (fake.answers) response.end(JSON.stringify({ dataset: [] }));
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const { port } = http.address() as { port: number };
  const fake: StandIn = {
    url: `http://127.0.0.1:${port}`,
    state: { writerTxn: 1, sequencerTxn: 1, boot: "first", suspended: false },
    ...{ looks: 0, statements: [], answers: true, looked: () => undefined, asked: () => undefined },
    openSockets: () => new Promise((resolve) => http.getConnections((_, count) => resolve(count))),
    close: () =>
      new Promise((resolve) => {
        http.closeAllConnections();
        http.close(() => resolve());
      }),
  };
  return fake;
}

test("nobody listens: a history is refused as unavailable, at once", async (t) => {
  const [port] = await freePorts(1);
  const sink = sinkAt(`http://127.0.0.1:${port}`);
  t.after(() => sink.close());
  const beginMs = performance.now();
  await assert.rejects(sink.history(ranges), { code: "store_unavailable", message: /ECONNREFUSED.*Is it running/ });
  assert.ok(performance.now() - beginMs < 3000);
});

test("a history waits for what was accepted before it, and not for what came after", async (t) => {
  const fake = await standIn();
  t.after(() => fake.close());
  const sink = sinkAt(fake.url);
  t.after(() => sink.close());
  fake.state = { ...fake.state, writerTxn: 3, sequencerTxn: 7 };
  const history = sink.history(ranges);
  await until("it looks again and again", 5000, () => fake.looks >= 3);
  fake.state = { ...fake.state, writerTxn: 6, sequencerTxn: 100 };
  const seen = fake.looks;
  await until("it still waits", 5000, () => fake.looks >= seen + 2);
  assert.deepEqual(fake.statements, []);
  fake.state = { ...fake.state, writerTxn: 7 };
  await history;
  assert.equal(fake.statements.length, 2);
});

/** Time that passes only where somebody waits for it. */
function waitedTime(): Clock {
  let ms = 0;
  return {
    nowMs: () => ms,
    monotonicMs: () => ms,
    after(delayMs, task) {
      const handle = setImmediate(() => {
        ms += delayMs;
        task();
      });
      return { cancel: () => clearImmediate(handle) };
    },
  };
}

test("a server that applies nothing is given up, one that is slow is not", async (t) => {
  const fake = await standIn();
  t.after(() => fake.close());
  const clock = waitedTime();
  const sink = sinkAt(fake.url, { clock, stuckMs: 1000 });
  t.after(() => sink.close());
  fake.state = { ...fake.state, writerTxn: 1, sequencerTxn: 4 };
  await assert.rejects(sink.history(ranges), {
    code: "store_unavailable",
    message: /applied nothing for 1000 ms: 1 of 4 transactions of readings, 1 of 4 transactions of exchanges/,
  });
  const beginMs = clock.monotonicMs();
  assert.ok(beginMs >= 1000 && beginMs < 1500, `given up after ${beginMs} ms`);
  fake.state.sequencerTxn = 100;
  fake.looked = () => {
    fake.state.writerTxn++;
  };
  await sink.history(ranges);
  assert.ok(clock.monotonicMs() - beginMs > 10_000);
});

test("a server that does not answer a statement: unavailable after the time-out, and the socket is closed", async (t) => {
  const fake = await standIn();
  t.after(() => fake.close());
  const sink = sinkAt(fake.url, { timeouts });
  t.after(() => sink.close());
  fake.answers = false;
  await assert.rejects(sink.history(ranges), { code: "store_unavailable" });
  await until("the socket is closed", 5000, async () => (await fake.openSockets()) === 0);
  fake.answers = true;
  assert.deepEqual((await sink.history(ranges))[0]?.readings.ts, []);
});

test("a sink that is closed ends a history that waits, and leaves no socket behind", async (t) => {
  const fake = await standIn();
  t.after(() => fake.close());
  const waiting = sinkAt(fake.url);
  fake.state = { ...fake.state, writerTxn: 1, sequencerTxn: 2 };
  const history = waiting.history(ranges);
  await until("it waits for rows", 5000, () => fake.looks >= 8);
  await Promise.all([assert.rejects(history, { code: "store_unavailable" }), waiting.close()]);
  fake.state.writerTxn = 2;
  fake.answers = false;
  const asking = sinkAt(fake.url);
  const other = asking.history(ranges);
  await until("it asks for rows", 5000, () => fake.statements.length > 0);
  await Promise.all([assert.rejects(other, { code: "store_unavailable" }), asking.close()]);
  await until("all sockets are closed", 5000, async () => (await fake.openSockets()) === 0);
  await assert.rejects(asking.history(ranges), { code: "store_unavailable" });
  assert.equal(await fake.openSockets(), 0);
});

test("what a store may have lost is not taken for what never was", async (t) => {
  const fake = await standIn();
  t.after(() => fake.close());
  const sink = sinkAt(fake.url, { healthEveryMs: 0 });
  t.after(() => sink.close());
  const lost = { code: "store_unavailable", message: /may have lost rows: QuestDB was started again/ };
  fake.asked = () => {
    fake.state.boot = "second";
  };
  await assert.rejects(sink.history(ranges), lost, "between two statements");
  assert.ok((await sink.write([oneReading])).ok);
  fake.asked = () => undefined;
  fake.state.boot = "third";
  await assert.rejects(sink.history(ranges), lost, "after rows were written");
});

test("a second history while one is under way is a fault of the caller", async (t) => {
  const fake = await standIn();
  t.after(() => fake.close());
  const sink = sinkAt(fake.url);
  t.after(() => sink.close());
  const first = sink.history(ranges);
  await assert.rejects(sink.history(ranges), /invariant broken: a sink was asked for a history/);
  await first;
});

test("ranges near each other are asked for together, those of another time or tenant apart", async (t) => {
  const fake = await standIn();
  t.after(() => fake.close());
  const names = new TestNames();
  const day = 24 * HOUR;
  const meters = Array.from({ length: 500 }, (_, i) => names.meterNumber("acme", `m${i}`));
  const near = meters.map((meter, i) => ({ meter, from: T0 - i * 60_000, to: T0 + 2 * day }));
  const far = [{ meter: meters[0]!, from: T0 - 300 * day, to: T0 - 299 * day }];
  const others = [{ meter: names.meterNumber("other", "m0"), from: T0, to: T0 + day }];
  const sink = new QuestDbSink({ address: at(fake.url), names });
  t.after(() => sink.close());
  await sink.history([...near, ...far, ...others]);
  const asked = fake.statements.filter((sql) => sql.includes('"readings"'));
  assert.deepEqual(
    asked.map((sql) => [/"tenant" = '(\w+)'/.exec(sql)?.[1], sql.match(/'m\d+'/g)?.length]),
    [
      ["acme", 1],
      ["acme", 500],
      ["other", 1],
    ],
  );
  assert.equal(fake.statements.length, 2 * asked.length);
  assert.equal(fake.looks, 2);
});

test("a suspended table has no history until it is resumed", { skip }, async (t) => {
  const connection = new QuestDbConnection(at(server.httpUrl));
  const sink = sinkAt(server.httpUrl);
  t.after(() => Promise.all([connection.close(), sink.close()]));
  await ensureTables(connection);
  for (const table of ["readings", "exchanges"]) {
    assert.ok((await sink.write([oneReading])).ok);
    const [told] = await sink.history(ranges);
    assert.deepEqual(told?.readings, { ts: [T0], value: [1], rev: [0], delta: [1], flags: [0] });
    await until("all is applied, as a write that is not would resume the table", 30_000, async () =>
      (await tableStates(connection)).every((state) => state.writerTxn >= state.sequencerTxn),
    );
    await connection.query(`ALTER TABLE ${table} SUSPEND WAL`);
    const message = new RegExp(`table ${table} is suspended.*ALTER TABLE ${table} RESUME WAL`);
    await assert.rejects(sink.history(ranges), { code: "store_unavailable", message });
    await connection.query(`ALTER TABLE ${table} RESUME WAL`);
    assert.deepEqual(await until("it is told again", 10_000, () => sink.history(ranges).catch(() => false as const)), [told]);
  }
});

test("a server that dies under a history: unavailable, and told again once it is back and all was sent again", {
  skip,
}, async (t) => {
  let own = await startQuestDb();
  const setup = new QuestDbConnection(at(own.httpUrl));
  t.after(async () => {
    await setup.close();
    await own.kill();
  });
  await ensureTables(setup);
  const sink = sinkAt(own.httpUrl, { healthEveryMs: 0 });
  t.after(() => sink.close());
  assert.ok((await sink.write([oneReading])).ok);
  const before = await sink.history(ranges);
  const dying = Promise.allSettled([sink.history(ranges)]);
  await own.kill();
  const [under] = await dying;
  if (under?.status === "rejected") assert.equal((under.reason as { code?: string }).code, "store_unavailable");
  await assert.rejects(sink.history(ranges), { code: "store_unavailable" });
  own = await startQuestDb({ dataDir: own.dataDir, port: own.port });
  await assert.rejects(sink.history(ranges), { code: "store_unavailable", message: /may have lost rows/ });
  const outcome = await sink.write([]);
  assert.ok(!outcome.ok && outcome.again === "all");
  assert.ok((await sink.write([oneReading])).ok);
  assert.deepEqual(await sink.history(ranges), before);
});
