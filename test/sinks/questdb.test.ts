import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTcpServer, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { Sender } from "@questdb/nodejs-client";
import { type EntryWriter, Kind, PERIODS } from "../../engine/base/entries.js";
import type { StoreOutcome } from "../../engine/store/interface.js";
import { QuestDbStore } from "../../engine/store/questdb.js";
import { connectionString } from "../../engine/store/questdb-client.js";
import { QuestDbConnection } from "../../engine/store/questdb-http.js";
import { ensureTables, tableStates } from "../../engine/store/questdb-tables.js";
import { TABLE_NAMES } from "../../engine/store/schema.js";
import { QuestDbSink } from "../../workers/sinks/questdb.js";
import { unit } from "../store/rows.js";
import { TestNames } from "../store/test-names.js";
import { questDbSkip, type RunningQuestDb, startQuestDb } from "../support/questdb.js";
import { freePorts, until } from "../support/servers.js";
import { COLUMNS } from "./columns.js";

const T0 = 1_767_225_600_000;
const skip = questDbSkip();
let server: RunningQuestDb;
let connection: QuestDbConnection;

before(async () => {
  if (skip !== false) return;
  server = await startQuestDb({ env: { QDB_DEV_MODE_ENABLED: "true" } });
  connection = new QuestDbConnection(at(server.httpUrl));
});
after(async () => {
  await connection?.close();
  await server?.kill();
});

function at(http: string) {
  return { http, username: null, password: null };
}

async function emptyTables(): Promise<void> {
  for (const name of TABLE_NAMES) await connection.query(`DROP TABLE IF EXISTS ${name}`);
  await ensureTables(connection);
}

async function applied(): Promise<void> {
  await until("all is applied", 30_000, async () =>
    (await tableStates(connection)).every((state) => state.writerTxn >= state.sequencerTxn),
  );
}

function kindOf(outcome: StoreOutcome): string {
  return outcome.ok ? "ok" : outcome.kind;
}

/** What a healthy server tells of our tables and their columns. */
function healthy(request: IncomingMessage): string {
  const states = TABLE_NAMES.map((name) => [name, `${name}~1`, true, false, 1, 1, "", "boot"]);
  return JSON.stringify({ dataset: request.url?.includes("table_columns") === true ? COLUMNS : states });
}

/** A server that answers SQL as a healthy QuestDB would and writes as `write` says. */
async function standIn(write: (request: IncomingMessage, response: ServerResponse) => void) {
  const http = createServer((request, response) => {
    request.resume();
    if (request.url?.startsWith("/write") === true) request.on("end", () => write(request, response));
    else response.end(healthy(request));
  });
  const closedSockets: Socket[] = [];
  http.on("connection", (socket) => socket.once("close", () => closedSockets.push(socket)));
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const { port } = http.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    closedSockets,
    close: () =>
      new Promise((resolve) => {
        http.closeAllConnections();
        http.close(resolve);
      }),
  };
}

const timeouts = { connectMs: 500, answerMs: 300 };

async function outcomeAgainst(write: (request: IncomingMessage, response: ServerResponse) => void): Promise<StoreOutcome> {
  const fake = await standIn(write);
  const names = new TestNames();
  const sink = new QuestDbSink({ address: at(fake.url), names, timeouts });
  try {
    return await sink.write([unit((w) => w.reading(Kind.READING, names.meterNumber("acme", "m"), T0, 1, 1, 0, 0))]);
  } finally {
    await sink.close();
    await fake.close();
  }
}

test("nobody listens: unavailable, so the batch may be sent again at once", async (t) => {
  const [port] = await freePorts(1);
  const names = new TestNames();
  const sink = new QuestDbSink({ address: at(`http://127.0.0.1:${port}`), names, timeouts });
  t.after(() => sink.close());
  const outcome = await sink.write([unit((w) => w.reading(Kind.READING, names.meterNumber("acme", "m"), T0, 1, 1, 0, 0))]);
  assert.equal(kindOf(outcome), "unavailable");
  assert.match(outcome.ok ? "" : outcome.message, /ECONNREFUSED.*Is it running/);
});

test("a server that takes a write and never answers: doubtful after the time-out, and its socket is closed", async (t) => {
  const fake = await standIn(() => undefined);
  t.after(() => fake.close());
  const names = new TestNames();
  const sink = new QuestDbSink({ address: at(fake.url), names, timeouts });
  t.after(() => sink.close());
  const outcome = await sink.write([unit((w) => w.reading(Kind.READING, names.meterNumber("acme", "m"), T0, 1, 1, 0, 0))]);
  assert.equal(kindOf(outcome), "doubtful");
  await until("the hung socket is closed", 5000, () => fake.closedSockets.length >= 1);
});

test("after a doubtful answer the socket is closed too, though the server would have kept it", async (t) => {
  const fake = await standIn((_, response) => response.writeHead(500).end("{}"));
  t.after(() => fake.close());
  const names = new TestNames();
  const sink = new QuestDbSink({ address: at(fake.url), names, timeouts });
  t.after(() => sink.close());
  const outcome = await sink.write([unit((w) => w.reading(Kind.READING, names.meterNumber("acme", "m"), T0, 1, 1, 0, 0))]);
  assert.equal(kindOf(outcome), "doubtful");
  await until("the socket is closed", 5000, () => fake.closedSockets.length >= 1);
});

test("a connection that is cut after the write: doubtful", async () => {
  assert.equal(kindOf(await outcomeAgainst((_, response) => response.destroy())), "doubtful");
});

test("a write is sent once, whatever comes back but a refusal", async () => {
  for (const status of [500, 503, 504]) {
    let writes = 0;
    await outcomeAgainst((_, response) => {
      writes++;
      response.writeHead(status).end("{}");
    });
    assert.equal(writes, 1, `status ${status}`);
  }
});

test("answers are told apart: refused with its line, unavailable, doubtful", async () => {
  const answering = (status: number, body: string) => outcomeAgainst((_, response) => response.writeHead(status).end(body));
  assert.equal(kindOf(await answering(204, "")), "ok");
  const refused = await answering(400, '{"code":"invalid","message":"bad line","line":7}');
  assert.equal(kindOf(refused), "refused");
  assert.match(refused.ok ? "" : refused.message, /bad line/);
  assert.equal(kindOf(await answering(413, "too large")), "refused");
  assert.equal(kindOf(await answering(401, "Unauthorized")), "unavailable");
  assert.equal(kindOf(await answering(503, "busy")), "unavailable");
  assert.equal(kindOf(await answering(429, "busy")), "unavailable");
  assert.equal(kindOf(await answering(500, '{"message":"write error: readings, errno: 28","line":1}')), "doubtful");
  assert.equal(kindOf(await answering(500, '{"message":"write error: readings, errno: -1, error: x","line":1}')), "refused");
  assert.equal(kindOf(await answering(302, "")), "doubtful");
});

test("a server that accepts connections and says nothing at all is unavailable: nothing was sent to it", async (t) => {
  const sockets: Socket[] = [];
  const mute = createTcpServer((socket) => sockets.push(socket.on("error", () => undefined)));
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    mute.close();
  });
  const { port } = mute.address() as { port: number };
  const names = new TestNames();
  const sink = new QuestDbSink({ address: at(`http://127.0.0.1:${port}`), names, timeouts });
  t.after(() => sink.close());
  const outcome = await sink.write([unit((w) => w.reading(Kind.READING, names.meterNumber("acme", "m"), T0, 1, 1, 0, 0))]);
  assert.equal(kindOf(outcome), "unavailable");
});

test("of one batch the worst outcome counts, and a meter always takes the same connection", async (t) => {
  const portsOfMeter = new Map<string, Set<number>>();
  let failing = "";
  const http = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      if (request.url?.startsWith("/write") !== true) {
        response.end(healthy(request));
        return;
      }
      const body = Buffer.concat(pieces).toString("latin1");
      for (const [, meter = ""] of body.matchAll(/meter=(m\d+)/g)) {
        const ports = portsOfMeter.get(meter) ?? new Set();
        portsOfMeter.set(meter, ports.add(request.socket.remotePort ?? 0));
      }
      response.writeHead(failing !== "" && body.startsWith(failing) ? 400 : 204).end();
    });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    http.closeAllConnections();
    http.close();
  });
  const names = new TestNames();
  const sink = new QuestDbSink({ address: at(`http://127.0.0.1:${(http.address() as { port: number }).port}`), names, timeouts });
  t.after(() => sink.close());
  const entries = unit((w) => {
    for (let i = 0; i < 10; i++) {
      const meter = names.meterNumber("acme", `m${i}`);
      w.reading(Kind.READING, meter, T0, 1, 1, 0, 0);
      w.period(meter, 1, T0, 1, 1, 1, 1, 1, 0);
    }
  });
  for (let i = 0; i < 3; i++) assert.equal(kindOf(await sink.write([entries])), "ok");
  assert.equal(portsOfMeter.size, 10);
  for (const [meter, ports] of portsOfMeter) assert.equal(ports.size, 1, meter);
  assert.equal(new Set([...portsOfMeter.values()].flatMap((ports) => [...ports])).size, 2);
  failing = "consumption";
  assert.equal(kindOf(await sink.write([entries])), "refused");
});

test("a faulty line refuses the request, says which, and leaves none of its rows", { skip }, async () => {
  await emptyTables();
  const outcome = await connection.write(
    Buffer.from(`readings,tenant=acme,meter=m value=1,rev=0i,flags=0i ${T0}\nreadings,tenant=acme,meter=m value="x" ${T0 + 1}\n`),
    "ms",
  );
  assert.equal(outcome.ok ? "ok" : outcome.kind, "refused");
  assert.equal(!outcome.ok && outcome.kind === "refused" ? outcome.line : 0, 2);
  await applied();
  assert.deepEqual(await connection.query("SELECT count() FROM readings"), [[0]]);
});

test("among many rows of one identity in one batch the last stands", { skip }, async (t) => {
  await emptyTables();
  const names = new TestNames();
  const sink = new QuestDbSink({ address: at(server.httpUrl), names });
  t.after(() => sink.close());
  const last = new Map<string, number>();
  const entries = unit((w) => {
    for (let i = 0; i < 30_000; i++) {
      const meter = names.meterNumber("acme", `m${(i * 7919) % 7}`);
      const ts = T0 + ((i * 104_729) % 500) * 60_000;
      w.reading(Kind.READING, meter, ts, i, i, 0, 0);
      last.set(`m${(i * 7919) % 7} ${ts}`, i);
    }
  });
  assert.equal(kindOf(await sink.write([entries])), "ok");
  await applied();
  const rows = await connection.query('SELECT meter, cast(ts AS LONG) / 1000, "value" FROM readings');
  assert.deepEqual(new Map(rows.map(([meter, ts, value]) => [`${String(meter)} ${String(ts)}`, value])), last);
  assert.equal(rows.length, last.size);
});

const trickyIds = ["plain", "a b", "a,b", "a=b", 'a"b', "a\\b", "\\", "\\ ", "😀", "é,=\\ \"'"];

test("our encoder and the official client bring the same rows into the store", { skip }, async (t) => {
  const no = Number.NaN;
  const values = [0, -0.5, 1 / 3, 1e300, 5e-324, 123456.789];
  const write = (w: EntryWriter, names: TestNames) => {
    for (const [i, id] of trickyIds.entries()) {
      const meter = names.meterNumber("acme", id);
      for (const [j, value] of values.entries()) {
        w.reading(Kind.READING, meter, T0 + j * 1234, value, j % 2 === 0 ? no : value, i * 1000, j);
        w.period(meter, j % 3, T0 + j * 3_600_000, j % 2 === 0 ? no : value, no, value, j / 8, i, j);
      }
    }
  };
  const dump = async () => [
    await connection.query("SELECT * FROM readings ORDER BY meter, ts"),
    await connection.query("SELECT * FROM consumption ORDER BY meter, ts, period"),
  ];

  await emptyTables();
  const names = new TestNames();
  const sink = new QuestDbSink({ address: at(server.httpUrl), names });
  t.after(() => sink.close());
  assert.equal(kindOf(await sink.write([unit((w) => write(w, names))])), "ok");
  await applied();
  const ours = await dump();

  await emptyTables();
  const sender = await Sender.fromConfig(connectionString(at(server.httpUrl)));
  for (const [i, id] of trickyIds.entries()) {
    for (const [j, value] of values.entries()) {
      sender
        .table("readings")
        .symbol("tenant", "acme")
        .symbol("meter", id)
        .floatColumn("value", value)
        .intColumn("rev", i * 1000);
      if (j % 2 !== 0) sender.floatColumn("delta", value);
      await sender.intColumn("flags", j).at(T0 + j * 1234, "ms");
      sender
        .table("consumption")
        .symbol("tenant", "acme")
        .symbol("meter", id)
        .symbol("period", PERIODS[j % 3]);
      if (j % 2 !== 0) sender.floatColumn("value", value);
      sender
        .floatColumn("max", value)
        .floatColumn("coverage", j / 8)
        .intColumn("readings", i);
      await sender.intColumn("flags", j).at(T0 + j * 3_600_000, "ms");
    }
  }
  await sender.flush();
  await sender.close();
  await applied();
  const theirs = await dump();
  assert.equal(ours[0]?.length, trickyIds.length * values.length);
  assert.deepEqual(ours, theirs);
});

test("a suspended table holds positions back, and they move on once it is resumed", { skip }, async (t) => {
  await emptyTables();
  const names = new TestNames();
  const sink = new QuestDbSink({ address: at(server.httpUrl), names, healthEveryMs: 0 });
  t.after(() => sink.close());
  const entries = unit((w) => w.reading(Kind.READING, names.meterNumber("acme", "m"), T0, 1, 1, 0, 0));
  assert.equal(kindOf(await sink.write([entries])), "ok");
  // A write that the server is still applying would resume the table.
  await applied();
  await connection.query("ALTER TABLE readings SUSPEND WAL");
  const outcome = await sink.write([entries]);
  assert.equal(kindOf(outcome), "unavailable");
  assert.match(outcome.ok ? "" : outcome.message, /readings is suspended.*ALTER TABLE readings RESUME WAL/);
  await connection.query("ALTER TABLE readings RESUME WAL");
  await until("the sink takes batches again", 10_000, async () => (await sink.write([entries])).ok);
});

test("a table that was dropped is created again with its keys, and the loss is told", { skip }, async (t) => {
  await emptyTables();
  const names = new TestNames();
  const sink = new QuestDbSink({ address: at(server.httpUrl), names, healthEveryMs: 0 });
  t.after(() => sink.close());
  const alerts = unit((w) => w.reading(Kind.READING, names.meterNumber("acme", "m"), T0, 1, 1, 0, 0));
  assert.equal(kindOf(await sink.write([alerts])), "ok");
  await connection.query("DROP TABLE consumption");
  const outcome = await sink.write([alerts]);
  assert.deepEqual(outcome.ok ? outcome : [outcome.kind, outcome.again], ["unavailable", "all"]);
  assert.match(outcome.ok ? "" : outcome.message, /table consumption was dropped/);
  assert.equal(kindOf(await sink.write([alerts])), "ok");
  const store = new QuestDbStore(at(server.httpUrl));
  await store.check();
  await store.close();
});

test("a table without its keys is named until it is put right", { skip }, async (t) => {
  await emptyTables();
  const names = new TestNames();
  const sink = new QuestDbSink({ address: at(server.httpUrl), names, healthEveryMs: 0 });
  t.after(() => sink.close());
  const entries = unit((w) => w.reading(Kind.READING, names.meterNumber("acme", "m"), T0, 1, 1, 0, 0));
  assert.equal(kindOf(await sink.write([entries])), "ok");
  await connection.query("ALTER TABLE readings DEDUP DISABLE");
  await applied();
  const outcome = await sink.write([entries]);
  assert.equal(kindOf(outcome), "unavailable");
  assert.match(outcome.ok ? "" : outcome.message, /readings has lost its DEDUP keys/);
  await connection.query("ALTER TABLE readings DEDUP ENABLE UPSERT KEYS(ts, tenant, meter)");
  await applied();
  const back = await sink.write([entries]);
  assert.equal(back.ok ? "" : back.again, "all", "what was written meanwhile is in doubt");
  assert.equal(kindOf(await sink.write([entries])), "ok");
});

test("a server that dies under a sink and comes back goes on; that it may have lost rows is told once", { skip }, async (t) => {
  let own = await startQuestDb();
  const setup = new QuestDbConnection(at(own.httpUrl));
  t.after(async () => {
    await setup.close();
    await own.kill();
  });
  await ensureTables(setup);
  const names = new TestNames();
  const sink = new QuestDbSink({ address: at(own.httpUrl), names, healthEveryMs: 0 });
  t.after(() => sink.close());
  const write = (i: number) =>
    sink.write([unit((w) => w.reading(Kind.READING, names.meterNumber("acme", "m"), T0 + i, i, 1, 0, 0))]);
  assert.equal(kindOf(await write(0)), "ok");
  await own.kill();
  const down = await write(1);
  assert.ok(!down.ok && down.kind !== "refused", `down: ${kindOf(down)}`);
  assert.equal(kindOf(await write(1)), "unavailable");
  own = await startQuestDb({ dataDir: own.dataDir, port: own.port });
  const back = await write(1);
  assert.deepEqual(back.ok ? back : [back.kind, back.again], ["unavailable", "all"]);
  assert.equal(kindOf(await write(1)), "ok");
  const rows = await until("both rows are there", 10_000, async () => {
    const found = await setup.query('SELECT "value" FROM readings ORDER BY ts');
    return found.length === 2 && found;
  });
  assert.deepEqual(rows, [[0], [1]]);
});

test("a second batch while one is under way is a fault of the caller", async (t) => {
  const names = new TestNames();
  const sink = new QuestDbSink({ address: at("http://127.0.0.1:9"), names, timeouts });
  t.after(() => sink.close());
  const first = sink.write([]);
  await assert.rejects(sink.write([]), /invariant broken: a sink was given a batch/);
  await first;
});
