import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { claimDirectory } from "../../engine/data-directory.js";
import { type ConfigFile, createTenant, runEngineToEnd, startEngineProcess } from "../support/engine.js";
import { questDbSkip, startQuestDb } from "../support/questdb.js";
import { freePorts, temporaryDirectory, until } from "../support/servers.js";
import { ask, readingsOf } from "./api.js";
import { Wire } from "./wire.js";

const TS = Date.UTC(2026, 0, 1);

/** The engine refuses to start; its last words are for whoever has to mend it. */
async function refuses(
  config: ConfigFile | string,
  expected: { code: string; says: RegExp[] },
  args: string[] = [],
): Promise<void> {
  const { code, logs } = await runEngineToEnd({ config, args });
  assert.equal(code, 1, logs);
  const last = JSON.parse(logs.trimEnd().split("\n").at(-1) ?? "") as { level: number; code: string; msg: string };
  assert.equal(last.level, 60, logs);
  assert.equal(last.code, expected.code, logs);
  for (const words of expected.says) assert.match(last.msg, words);
}

test("a faulty configuration names each fault by its path, and nothing is started", async () => {
  const tenant = (settings: ConfigFile) => ({ tenants: [{ id: "acme", ...settings }] });
  await Promise.all([
    refuses("{ no json", { code: "config_invalid", says: [/meterstorm\.json is not a valid configuration/] }),
    refuses({}, { code: "config_unreadable", says: [/absent\.json/] }, ["--config", "absent.json"]),
    refuses(
      { shards: 0, ack: "maybe", ...tenant({ timezone: "Mars/Olympus" }) },
      {
        code: "config_invalid",
        says: [/^shards: found 0/m, /^ack: found "maybe"/m, /^tenants\[0\]\.timezone: found "Mars\/Olympus"/m],
      },
    ),
  ]);
  await Promise.all([
    refuses(
      { datadir: "x", store: { type: "questdb", http: "ftp://x" }, tenants: [{ id: "acme" }] },
      {
        code: "config_invalid",
        says: [/^datadir: found the unknown name.*Did you mean "dataDir"/m, /^store\.http: found/m],
      },
    ),
    refuses(tenant({ meters: [{ match: "*", kind: "clock" }], rules: [{ id: "r", on: "value", op: "=", threshold: 1 }] }), {
      code: "config_invalid",
      says: [/^tenants\[0\]\.meters\[0\]\.kind: found "clock"/m, /^tenants\[0\]\.rules\[0\]\.op: found "="/m],
    }),
    refuses(
      { tenants: [{ id: "acme", keys: [{ id: "k", sha256: "secret", role: "read" }] }, { id: "acme" }] },
      { code: "config_invalid", says: [/^tenants\[0\]\.keys\[0\]\.sha256: found /m, /^tenants\[1\]\.id: found/m] },
    ),
  ]);
});

test("a port that is taken, and a data directory that is used, stop the newcomer and not the one that has them", async (t) => {
  const acme = createTenant("acme");
  const first = await startEngineProcess({ config: { shards: 1, tenants: [acme.config] } });
  t.after(() => first.kill9());
  await first.ready();
  const wire = await Wire.open(first.wsUrl, acme.tokens.ingest, "dl");
  const port = Number(new URL(first.url).port);
  await Promise.all([
    refuses(
      { listen: { host: "127.0.0.1", port }, tenants: [acme.config] },
      { code: "port_taken", says: [new RegExp(`127\\.0\\.0\\.1:${port}`), /listen\.port/] },
    ),
    refuses(
      { dataDir: first.dataDir, tenants: [acme.config] },
      { code: "data_dir_in_use", says: [new RegExp(first.dataDir), new RegExp(`process ${first.pid}`)] },
    ),
  ]);
  wire.send({ seq: 1, readings: [["m", TS, 1]] });
  await wire.acked(1);
  assert.equal(await first.stop(), 0);
});

test("settings of a meter with rows change from an instant behind them on; any other change is refused and says which one would do", async (t) => {
  const acme = createTenant("acme");
  const dataDir = join(temporaryDirectory("settings"), "data");
  const hour = 3_600_000;
  const configOf = (...meters: object[]) => ({ dataDir, shards: 1, tenants: [{ ...acme.config, meters }] });
  const live = async (meters: object[], seq: number, readings: [string, number, number][]) => {
    const engine = await startEngineProcess({ config: configOf(...meters) });
    t.after(() => engine.kill9());
    await engine.ready();
    const wire = await Wire.open(engine.wsUrl, acme.tokens.ingest, "dl");
    wire.send({ seq, readings });
    await wire.acked(seq);
    return engine;
  };
  const before = { match: "*", maxRate: 40, periods: ["hour"] };
  const first = await live([before], 1, [
    ["m", TS, 1],
    ["m", TS + hour, 2],
  ]);
  assert.equal(await first.stop(), 0);

  const other = { ...before, multiplier: 10 };
  const newest = /reach up to 2026-01-01T01:00:00\.000Z/;
  const allowed = /"from": "2026-01-01T01:00:00\.001Z" or later/;
  await refuses(configOf(other), {
    code: "settings_changed",
    says: [/meter "m" of acme/, /multiplier was 1 and is 10/, newest, allowed],
  });
  await refuses(configOf(before, { ...other, from: TS + hour }), { code: "settings_changed", says: [newest, allowed] });
  await refuses(configOf(before, { ...other, from: "2025-12-31T00:00:00Z" }), {
    code: "settings_changed",
    says: [newest, allowed],
  });

  const dated = { ...other, from: "2026-01-01T02:30:00+01:00" };
  const second = await live([before, dated], 2, [["m", TS + 2 * hour, 4]]);
  const { deltas, consumption, changes } = await until("the rows are there", 20_000, async () => {
    const rows = await readingsOf(second.url, acme.tokens.read, "m");
    const answer = await ask(second.url, "/v1/meters/m/consumption?period=hour", acme.tokens.read);
    const periods = answer.body as { ts: string; value: number }[];
    const meter = (await ask(second.url, "/v1/meters/m", acme.tokens.read)).body as { changes: { from: string }[] };
    const found = { deltas: rows.map(({ delta }) => delta), consumption: periods, changes: meter.changes };
    return rows.length === 3 && periods.length === 3 && found;
  });
  assert.deepEqual(deltas, [null, 1, 20]);
  // The hour is cut where the settings change; what was counted before is shown by those of then.
  assert.deepEqual(
    consumption.map(({ ts, value }) => [ts, value]),
    [
      ["2026-01-01T00:00:00.000Z", 1],
      ["2026-01-01T01:00:00.000Z", 1],
      ["2026-01-01T01:30:00.000Z", 10],
    ],
  );
  assert.deepEqual(
    changes.map(({ from }) => from),
    ["2026-01-01T01:30:00.000Z"],
  );
  assert.equal(await second.stop(), 0);

  await refuses(configOf(before), {
    code: "settings_changed",
    says: [/meter "m"/, /"from": "2026-01-01T02:00:00\.001Z" or later/],
  });
  const third = await live([before, { ...dated, unit: "kWh" }], 3, [["m", TS + 3 * hour, 5]]);
  assert.equal(await third.stop(), 0);
});

test("a data directory that cannot be one is refused with its path", async () => {
  const folder = temporaryDirectory("no-data");
  const file = join(folder, "file");
  writeFileSync(file, "somebody's notes");
  const tenants = [{ id: "acme" }];
  const damaged = join(folder, "damaged");
  mkdirSync(damaged);
  writeFileSync(join(damaged, "engine.json"), '{"format":1,"shar');
  await Promise.all([
    refuses({ dataDir: file, tenants }, { code: "data_dir_unwritable", says: [new RegExp(file), /dataDir/] }),
    refuses({ dataDir: join(file, "below"), tenants }, { code: "data_dir_unwritable", says: [new RegExp(file), /dataDir/] }),
    refuses({ dataDir: "/dev/null/below", tenants }, { code: "data_dir_unwritable", says: [/\/dev\/null\/below/, /dataDir/] }),
    refuses({ dataDir: damaged, tenants }, { code: "data_dir_format", says: [new RegExp(join(damaged, "engine.json"))] }),
  ]);
});

test("a lock that an engine left behind is taken over, even when its process number is in use again", async (t) => {
  const acme = createTenant("acme");
  const dataDir = join(temporaryDirectory("locked"), "data");
  mkdirSync(dataDir);
  const lock = join(dataDir, "engine.pid");
  const tenants = [acme.config];
  writeFileSync(lock, String(process.pid));
  await refuses({ dataDir, tenants }, { code: "data_dir_in_use", says: [new RegExp(`process ${process.pid}`)] });
  for (const left of ["", "4194303", "4194303 17", `${process.pid} 17`]) {
    writeFileSync(lock, left);
    const engine = await startEngineProcess({ config: { dataDir, shards: 1, tenants } });
    t.after(() => engine.kill9());
    assert.equal(await engine.stop(), 0, left);
  }
  // In a container every engine may be process 1: the number of the one before is then that of the next.
  writeFileSync(lock, String(process.pid));
  const claim = claimDirectory(dataDir, 1, {});
  assert.throws(() => claimDirectory(dataDir, 1, {}), { code: "data_dir_in_use" });
  claim.release();
  claimDirectory(dataDir, 1, {}).release();
});

test("a store whose table has another shape is refused with the table's name, and left as it is", {
  skip: questDbSkip(),
}, async (t) => {
  const questDb = await startQuestDb();
  t.after(() => questDb.kill());
  const query = (sql: string) =>
    fetch(`${questDb.httpUrl}/exec?query=${encodeURIComponent(sql)}`).then((answer) => answer.json());
  await query("CREATE TABLE consumption (ts TIMESTAMP, meter SYMBOL, kwh DOUBLE) TIMESTAMP(ts) PARTITION BY DAY WAL");
  await query("INSERT INTO consumption VALUES ('2026-01-01T00:00:00Z', 'm', 5)");
  const acme = createTenant("acme");
  await refuses(
    { store: { type: "questdb", http: questDb.httpUrl }, tenants: [acme.config] },
    { code: "store_schema", says: [/table consumption does not fit/, /RENAME TABLE/] },
  );
  const left = await until("the row can be read", 20_000, async () => {
    const { dataset } = (await query("SELECT meter, kwh FROM consumption")) as { dataset: unknown[] };
    return dataset.length > 0 && dataset;
  });
  assert.deepEqual(left, [["m", 5]]);
});

test("an engine whose store is not there yet says so, waits, and goes on when it comes", { skip: questDbSkip() }, async (t) => {
  const [port] = await freePorts(1);
  const acme = createTenant("acme");
  const engine = await startEngineProcess({
    config: { shards: 1, store: { type: "questdb", http: `http://127.0.0.1:${port}` }, tenants: [acme.config] },
  });
  t.after(() => engine.kill9());
  const waiting = await until("readyz names the store", 20_000, async () => {
    const answer = await ask(engine.url, "/readyz", null);
    return JSON.stringify(answer.body).includes(String(port)) && answer;
  });
  assert.equal(waiting.status, 503);
  const { ready, reasons } = waiting.body as { ready: boolean; reasons: string[] };
  assert.equal(ready, false);
  assert.match(reasons.join("\n"), new RegExp(`store: .*127\\.0\\.0\\.1:${port}`));
  assert.equal((await ask(engine.url, "/healthz", null)).status, 200);
  const asked = await ask(engine.url, "/v1/meters", acme.tokens.read);
  assert.equal(asked.status, 503);
  const posted = await ask(engine.url, "/v1/readings?datalogger=dl", acme.tokens.ingest, { method: "POST", body: "[]" });
  assert.deepEqual([posted.status, posted.code], [503, "shard_down"]);

  // A datalogger that comes meanwhile is welcome once there is somebody to welcome it.
  const early = Wire.open(engine.wsUrl, acme.tokens.ingest, "early");
  early.catch(() => undefined);
  const questDb = await startQuestDb({ port: port! });
  t.after(() => questDb.kill());
  await engine.ready();
  const wire = await early;
  wire.send({ seq: 1, readings: [["early", TS, 1]] });
  await wire.acked(1);
  await until(
    "the reading is stored",
    20_000,
    async () => (await readingsOf(engine.url, acme.tokens.read, "early")).length === 1,
  );
  assert.equal(await engine.stop(), 0);
  assert.deepEqual(wire.closed, { code: 1001, reason: "shutting down", error: null, message: "" });
});
