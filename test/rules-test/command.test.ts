import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type RulesTestArguments, runRulesTest } from "../../engine/commands/rules.js";
import { DuckDbFile } from "../../engine/store/duckdb.js";
import { Receiver } from "../notify/receiver.js";
import { type ConfigFile, createTenant, startEngineProcess } from "../support/engine.js";
import { temporaryDirectory, until } from "../support/servers.js";

const NOW = Date.UTC(2026, 3, 10);
const HOT = { id: "hot", meters: "temp-*", on: "value", op: ">", threshold: 30 };
const LOAD = { id: "night-load", meters: "main-*", on: "rate", op: ">", threshold: 4, severity: "critical", for: "1h" };

interface Ran {
  code: number;
  out: string[];
  err: string[];
}

/** Runs the command on a configuration with these clients. */
async function run(
  tenants: readonly ConfigFile[],
  given: Partial<RulesTestArguments> = {},
  dataDir = temporaryDirectory("rules"),
): Promise<Ran> {
  const config = join(temporaryDirectory("config"), "meterstorm.json");
  writeFileSync(config, JSON.stringify({ dataDir, tenants }));
  const [out, err]: [string[], string[]] = [[], []];
  const io = { out: (line: string) => out.push(line), err: (line: string) => err.push(line) };
  const code = await runRulesTest({ config, meter: "*", ...given }, io, NOW);
  return { code, out, err };
}

const acme = createTenant("acme", {
  timezone: "Europe/Madrid",
  rules: [HOT, LOAD],
  meters: [
    { match: "temp-*", kind: "gauge" },
    { match: "*", maxRate: 40 },
  ],
});
const quiet = createTenant("quiet");

/** A store with readings of acme, as an engine leaves it. */
async function storeWith(readings: readonly (readonly [meter: string, ts: string, value: number])[]): Promise<string> {
  const dataDir = temporaryDirectory("store");
  const file = await DuckDbFile.open(join(dataDir, "meterstorm.duckdb"));
  await file.ensureTables();
  const column = (pick: (row: (typeof readings)[number]) => string | number) => readings.map(pick);
  const columns = [
    column(([, ts]) => Date.parse(ts)),
    ...[column(() => "acme"), column(([meter]) => meter), column(([, , value]) => value)],
    ...[column(() => 0), column(() => 0), column(() => 0)],
  ];
  assert.deepEqual(await file.merge([{ table: "readings", columns, rows: readings.length }]), { ok: true });
  await file.close();
  return dataDir;
}

test("what cannot be run is said in words, with a code and the exit code 1", async () => {
  const cases: [Partial<RulesTestArguments>, RegExp, ConfigFile[]?][] = [
    [{ config: "/nowhere/meterstorm.json" }, /^config_unreadable: cannot read the configuration \/nowhere/],
    [{ tenant: "acm" }, /^rules_options: the configuration has no client "acm"; it has "acme", "quiet"$/],
    [{ rule: "night" }, /^rules_options: there is no rule "night"; there are "hot", "night-load"$/],
    [{ tenant: "quiet" }, /^rules_options: there are no rules; write one into/],
    [{}, /^rules_options: there are no rules; write one into/, [quiet.config]],
    [{ from: "yesterday" }, /^rules_options: --from is "yesterday"; give an instant/],
    [{ to: "2026-03-01T00:00" }, /^rules_options: --to is "2026-03-01T00:00"; give an instant/],
    [{ from: "2026-03-02", to: "2026-03-02" }, /^rules_options: --from \(2026-03-01T23:00:00.000Z\) must lie before --to/],
    [{ to: "1970-01-01" }, /^rules_options: --from .* must lie before --to \(1970-01-01/],
    [{ from: "2150-01-01" }, /^rules_options: --from .* must lie before --to/],
    [{ from: "2026-05-01" }, /^rules_options: --from .* must lie before --to \(2026-04-10T00:00:00.000Z, now at the latest\)$/],
    [
      { url: "http://127.0.0.1:1", token: "quiet.k.secret", tenant: "acme" },
      /^rules_options: the token is of the client "quiet"/,
    ],
    [{}, /^history_missing: .*meterstorm\.duckdb does not exist: no engine has stored anything in this dataDir/],
  ];
  for (const [given, message, tenants] of cases) {
    const { code, out, err } = await run(tenants ?? [acme.config, quiet.config], given);
    assert.equal(err.length, 1, `${JSON.stringify(given)}: ${err.join("\n")}`);
    assert.match(err[0]!, message);
    assert.deepEqual([code, out], [1, []]);
  }
});

test("a configuration with a fault is refused with the fault", async () => {
  const { code, err } = await run([createTenant("acme", { rules: [{ ...HOT, threshold: "high" }] }).config]);
  assert.equal(code, 1);
  assert.match(err.join("\n"), /^config_invalid: .*\n.*tenants\[0\]\.rules\[0\]\.threshold/);
});

test("a store that cannot be read ends with 2", async () => {
  const away = await run([acme.config], { url: "http://127.0.0.1:1", token: "acme.k.secret" });
  assert.equal(away.code, 2);
  assert.match(away.err.join(), /^store_unavailable: http:\/\/127\.0\.0\.1:1 did not answer/);
});

test("an address at which no engine answers is said, and is no history without incidents", async (t) => {
  const receiver = await Receiver.start();
  t.after(() => receiver.stop());
  const answers: [status: number, body: string][] = [
    [404, "nothing here"],
    [200, "<html>"],
    [200, "{}"],
    [200, '[{"meter":"temp-1"}]'],
    [200, "[null]"],
  ];
  for (const [status, body] of answers) {
    receiver.answer = (_, response) => response.writeHead(status).end(body);
    const url = `http://127.0.0.1:${receiver.port}`;
    const { code, out, err } = await run([acme.config], { url, token: "acme.k.secret" });
    assert.deepEqual([code, out], [1, []], body);
    assert.match(err.join(), /^history_refused: http:\/\/127\.0\.0\.1:\d+ does not answer \/v1\/meters\S* as an engine does/);
  }
});

test("incidents are printed with when, how long, which meter, how grave and by what value, and a sum for each rule", async () => {
  const dataDir = await storeWith([
    ["temp-1", "2026-03-28T10:00:00Z", 20],
    ["temp-1", "2026-03-28T23:30:00Z", 31.5],
    ["temp-1", "2026-03-29T03:00:00Z", 12],
    ["temp-2", "2026-03-29T04:00:00Z", 40],
    ["main-1", "2026-03-28T20:00:00Z", 100],
    ["main-1", "2026-03-28T21:00:00Z", 105],
    ["main-1", "2026-03-28T22:00:00Z", 111],
    ["main-1", "2026-03-28T23:00:00Z", 112],
    ["main-1", "2026-03-28T23:30:00Z", 112],
  ]);
  const range = { from: "2026-03-28", to: "2026-03-30" };
  assert.deepEqual(await run([acme.config, quiet.config], range, dataDir), {
    code: 0,
    err: [],
    out: [
      "acme, 2026-03-28 00:00 +01:00 to 2026-03-30 00:00 +02:00 (Europe/Madrid): 3 meters, 9 readings, 3 incidents",
      "",
      "opened                   resolved                 lasted      meter   rule        severity  value",
      "2026-03-28 23:00 +01:00  2026-03-29 00:00 +01:00  1 h         main-1  night-load  critical  6 > 4",
      "2026-03-29 00:30 +01:00  2026-03-29 05:00 +02:00  3 h 30 min  temp-1  hot         warning   31.5 > 30",
      "2026-03-29 06:00 +02:00  still open               18 h        temp-2  hot         warning   40 > 30",
      "",
      "rule        incidents  meters  open at the end  longest",
      "hot                 2       2                1  18 h",
      "night-load          1       1                0  1 h",
    ],
  });
  const { out } = await run([acme.config], { ...range, rule: "hot", meter: "*-1", json: true }, dataDir);
  const [report] = JSON.parse(out.join("\n")) as [Record<string, unknown> & { incidents: Record<string, unknown>[] }];
  const { incidents, ...rest } = report;
  assert.deepEqual(rest, {
    ...{ tenant: "acme", from: "2026-03-27T23:00:00.000Z", to: "2026-03-29T22:00:00.000Z", meters: 1, readings: 3, refused: 0 },
    rules: [{ id: "hot", incidents: 1, meters: 1, firing: 0, longestMs: 12_600_000 }],
  });
  const { incident, ...known } = incidents[0]!;
  assert.match(String(incident), /^[0-9a-f]{16}$/);
  const [ts, resolved] = ["2026-03-28T23:30:00.000Z", "2026-03-29T03:00:00.000Z"];
  assert.deepEqual(known, {
    ...{ rule: "hot", meter: "temp-1", ts, resolved, worst: "warning", value: 31.5, threshold: 30, before: false },
    durationMs: 12_600_000,
    transitions: [
      { ts, state: "firing", severity: "warning", value: 31.5, threshold: 30 },
      { ts: resolved, state: "resolved", severity: "warning", value: 12, threshold: 30 },
    ],
  });
});

test("a store that cannot be opened, be it that an engine has it open, is said with whom to ask instead", async () => {
  const dataDir = await storeWith([]);
  writeFileSync(join(dataDir, "meterstorm.duckdb"), "not a database");
  const { code, err } = await run([acme.config], {}, dataDir);
  assert.equal(code, 2);
  assert.match(
    err.join(),
    /^store_unavailable: DuckDB could not open .* If an engine runs on it, ask that one instead, with --url and --token$/s,
  );
});

test("the file is only read, also with a log beside it that a killed engine left; while an engine holds it, that is said", async (t) => {
  const engine = await startEngineProcess({ config: { shards: 1, tenants: [acme.config] } });
  t.after(() => engine.kill9());
  await engine.ready();
  const ask = async (path: string, token: string, init: RequestInit = {}) =>
    (await fetch(`${engine.url}${path}`, { headers: { authorization: `Bearer ${token}` }, ...init })).json();
  const body = JSON.stringify([{ meter: "temp-1", ts: NOW - 1000, value: 31 }]);
  await ask("/v1/readings?datalogger=d", acme.tokens.ingest, { method: "POST", body });
  await until("the reading is stored", 20_000, async () => {
    const rows = (await ask("/v1/meters/temp-1/readings", acme.tokens.read)) as unknown[];
    return rows.length === 1;
  });
  const held = await run([acme.config], {}, engine.dataDir);
  assert.deepEqual([held.code, held.out], [2, []]);
  const words = `store_unavailable: an engine, the process ${engine.pid}, has ${engine.dataDir}/meterstorm.duckdb open and lets nobody else read it`;
  assert.deepEqual(held.err, [`${words}; ask that engine, with --url and --token`]);

  await engine.kill9();
  const files = () =>
    readdirSync(engine.dataDir)
      .filter((name) => name.startsWith("meterstorm.duckdb"))
      .map((name) => join(engine.dataDir, name))
      .map((path) => [path, statSync(path).mtimeMs, readFileSync(path).toString("base64")]);
  const before = files();
  assert.equal(before.length, 2, "there is a log");
  const { code, out } = await run([acme.config], {}, engine.dataDir);
  assert.equal(code, 0);
  assert.match(out[0]!, /1 meter, 1 reading, 1 incident$/);
  assert.deepEqual(files(), before);
});
