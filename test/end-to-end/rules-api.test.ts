import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createTenant, type RunningEngine, runEngineToEnd, startEngineProcess } from "../support/engine.js";
import { AlertListener } from "./alert-listener.js";
import { type Answer, ask } from "./api.js";
import { Wire } from "./wire.js";

const TS = Date.UTC(2026, 0, 1);
const plain = { for: "0s", keepFiring: "0s", schedule: null };
const configured = {
  id: "configured",
  meters: "*",
  on: "value",
  op: ">",
  threshold: 100,
  clear: null,
  ...plain,
  severity: "warning",
};
const acme = createTenant("acme", { meters: [{ match: "*", kind: "gauge", decimals: 1 }], rules: [configured] });
const other = createTenant("other");
const config = { shards: 1, tenants: [acme.config, other.config] };
let engine: RunningEngine;
let seq = 0;

before(async () => {
  engine = await startEngineProcess({ config });
  await engine.ready();
});
after(() => engine.kill9());

function rules(token: string, path = "", init: RequestInit = {}): Promise<Answer> {
  return ask(engine.url, `/v1/rules${path}`, token, init);
}

function put(id: string, rule: unknown, token = acme.tokens.admin): Promise<Answer> {
  const body = typeof rule === "string" ? rule : JSON.stringify(rule);
  return rules(token, `/${encodeURIComponent(id)}`, { method: "PUT", body });
}

function remove(id: string, token = acme.tokens.admin): Promise<Answer> {
  return rules(token, `/${encodeURIComponent(id)}`, { method: "DELETE" });
}

/** "source id threshold" of each rule. */
async function list(): Promise<string[]> {
  const { body } = await rules(acme.tokens.read);
  return (body as { source: string; rule: { id: string; threshold: number } }[]).map(
    ({ source, rule }) => `${source} ${rule.id} ${rule.threshold}`,
  );
}

async function startAgain(file: object = config): Promise<void> {
  engine = await startEngineProcess({ config: { ...file, dataDir: engine.dataDir } });
  await engine.ready();
}

/** What is heard of the rules when the meter shows this and then nothing remarkable. */
async function firing(value: number): Promise<string[]> {
  const stream = await AlertListener.open(engine.wsUrl, { token: acme.tokens.read });
  const wire = await Wire.open(engine.wsUrl, acme.tokens.ingest, "dl");
  const first = wire.welcome.lastSeq + 1;
  const readings = [value, -1000].map((each) => ["m1", TS + seq++ * 1000, each]);
  const sentinels = [1e6, -1000].map((each) => ["sentinel", TS + seq++ * 1000, each]);
  wire.send({ seq: first, readings: [...readings, ...sentinels] });
  await wire.acked(first);
  const sentinel = () => stream.heard.some(({ rule, state }) => rule === "sentinel" && state === "resolved");
  for (let count = 1; !sentinel(); count++) await stream.hears(count);
  wire.close();
  await wire.ended();
  stream.socket.close();
  return stream.heard.filter(({ meter, state }) => meter === "m1" && state === "firing").map(({ rule }) => rule);
}

test("an admin puts a rule and it is in force with the next reading; who may only read sees it, nobody else", async () => {
  await put("sentinel", { id: "sentinel", meters: "sentinel", on: "value", op: ">", threshold: 1e5 });
  assert.deepEqual(await firing(50), []);
  const rule = { id: "hot / cold", on: "value", op: ">", threshold: 40, for: 0 };
  const { status, body } = await put("hot / cold", rule);
  const whole = { ...configured, id: "hot / cold", threshold: 40 };
  assert.deepEqual([status, body], [200, whole]);
  assert.deepEqual(await firing(50), ["hot / cold"]);
  assert.deepEqual((await rules(acme.tokens.read, "/hot%20%2F%20cold")).body, { source: "api", rule: whole });
  assert.deepEqual((await rules(acme.tokens.admin, "/configured")).body, { source: "configuration", rule: configured });
  assert.deepEqual((await rules(other.tokens.read)).body, []);
  assert.equal((await rules(other.tokens.read, "/configured")).code, "rule_unknown");
  for (const [answer, expected] of [
    [await rules(acme.tokens.ingest), 403],
    [await put("r", { ...rule, id: "r" }, acme.tokens.read), 403],
    [await remove("configured", acme.tokens.read), 403],
    [await put("r", rule, "acme.admin.wrong"), 401],
    [await remove("nothing"), 404],
    [await remove("configured", other.tokens.admin), 404],
    [await rules(acme.tokens.admin, "", { method: "PUT", body: "{}" }), 405],
    [await rules(acme.tokens.admin, "/r", { method: "POST" }), 405],
    [await rules(acme.tokens.admin, "/a/b"), 404],
    [await rules(acme.tokens.admin, "/%"), 404],
  ] as const)
    assert.equal(answer.status, expected, JSON.stringify(answer.body));
});

test("a rule with faults is refused with each of them and changes nothing", async () => {
  const listed = await list();
  const cases: [string, unknown, RegExp][] = [
    ["configured", { ...configured, op: "=", levels: 7 }, /^op: found "="/],
    ["configured", { ...configured, id: "another" }, /^id: found "another"; allowed: "configured", as in the address/],
    ["configured", "{", /^the rule: found the end of the file|^the rule: found/],
    ["configured", "[]", /./],
    ["silent", { id: "silent", on: "nodata" }, /^for: found nothing; allowed: how long no reading may come/],
    [
      "l",
      { id: "l", on: "value", op: ">", clear: 1, levels: [{ severity: "info", threshold: "x" }] },
      /^levels\[0\]\.threshold: /,
    ],
  ];
  for (const [id, rule, message] of cases) {
    const { status, body } = await put(id, rule);
    const { error } = body as { error: { code: string; message: string; faults: { path: string }[] } };
    assert.equal(status, 400, JSON.stringify(body));
    assert.equal(error.code, "rule_invalid");
    assert.match(error.message, message);
    assert.ok(error.faults.length > 0);
  }
  assert.equal((await put("long", `{"id":"long","x":"${"x".repeat(70_000)}"}`)).status, 413);
  assert.deepEqual(await list(), listed);
});

test("what was put and deleted stays so over a crash, until the file says something else of that rule", async () => {
  await put("configured", { ...configured, threshold: 20 });
  assert.deepEqual(await list(), ["api configured 20", "api sentinel 100000", "api hot / cold 40"]);
  await engine.kill9();
  await startAgain();
  assert.deepEqual(await list(), ["api configured 20", "api sentinel 100000", "api hot / cold 40"]);
  assert.deepEqual(await firing(30), ["configured"]);

  assert.equal((await remove("hot / cold")).status, 204);
  assert.equal((await remove("configured")).status, 204);
  assert.equal((await remove("configured")).status, 404, "twice");
  assert.deepEqual(await firing(1000), []);
  assert.match(await engine.reread(config), /is in force/);
  assert.deepEqual(await list(), ["deleted configured 100", "api sentinel 100000"], "the same file says nothing new");
  await engine.kill9();
  await startAgain();
  assert.deepEqual(await firing(1000), []);

  const edited = { ...acme.config, rules: [{ ...configured, threshold: 200 }] };
  const said = await engine.reread({ ...config, tenants: [edited, other.config] });
  assert.match(said, /says something else of the rule \\"configured\\" of acme/);
  assert.deepEqual(await list(), ["configuration configured 200", "api sentinel 100000"]);
  assert.deepEqual(await firing(1000), ["configured"]);
  await put("configured", { ...configured, threshold: 20 });
  await engine.stop();
  const removed = { ...acme.config, rules: [] };
  await startAgain({ ...config, tenants: [removed, other.config] });
  assert.deepEqual(await list(), ["api sentinel 100000"], "a start reads the file too");
  assert.doesNotMatch(readFileSync(join(engine.dataDir, "rules.json"), "utf8"), /configured/);
});

test("rules that cannot be read keep the engine from starting without them", async () => {
  await engine.stop();
  writeFileSync(join(engine.dataDir, "rules.json"), "damaged");
  const { code, logs } = await runEngineToEnd({ config: { ...config, dataDir: engine.dataDir } });
  assert.equal(code, 1);
  assert.match(logs, /"code":"rules_unreadable".*rules\.json.*Put it back from a copy, or remove it/);
});
