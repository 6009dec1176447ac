import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createTenant, type RunningEngine, startEngineProcess } from "../support/engine.js";
import { until } from "../support/servers.js";
import { type Answer, ask } from "./api.js";

const START = Date.UTC(2026, 0, 1);
const acme = createTenant("acme", {
  limits: { dataloggers: 2 },
  meters: [{ match: "*", kind: "gauge" }],
  rules: [{ id: "high", meters: "swings", on: "value", op: ">", threshold: 5 }],
});
let engine: RunningEngine;

before(async () => {
  engine = await startEngineProcess({ config: { shards: 1, tenants: [acme.config] } });
  await engine.ready();
});
after(() => engine.stop());

function post(datalogger: string, readings: readonly unknown[]) {
  const init = { method: "POST", body: JSON.stringify(readings) };
  return ask(engine.url, `/v1/readings?datalogger=${datalogger}`, acme.tokens.ingest, init);
}

function get(path: string) {
  return ask(engine.url, path, acme.tokens.read);
}

test("posts count against a client's dataloggers as connections do; those that are known go on", async () => {
  for (const datalogger of ["d1", "d2", "d1"]) assert.equal((await post(datalogger, [["m0", START, 1]])).status, 200);
  const third = await post("d3", [["m0", START, 1]]);
  assert.deepEqual([third.status, third.code, third.headers.get("retry-after")], [429, "datalogger_limit", "60"]);
  assert.equal((await post("d2", [["m0", START, 1]])).status, 200);
});

test("meters are paged through by cursors, whether a client encodes them for the address or not", async () => {
  const ids = ["a b", "a%20b", "a/b", "ü&=+?", "😀", "z"];
  await post(
    "d1",
    ids.map((id) => [id, START, 1]),
  );
  const all = ((await get("/v1/meters?limit=1000")).body as { meter: string }[]).map(({ meter }) => meter);
  assert.ok(ids.every((id) => all.includes(id)));
  for (const encode of [encodeURIComponent, String]) {
    const seen: string[] = [];
    for (let cursor: string | null = ""; cursor !== null && seen.length <= all.length; ) {
      const page = await get(`/v1/meters?limit=1&cursor=${encode(cursor)}`);
      seen.push(...(page.body as { meter: string }[]).map(({ meter }) => meter));
      cursor = page.headers.get("meterstorm-next-cursor");
    }
    assert.deepEqual(seen, all);
  }
  assert.equal((await get("/v1/meters?cursor=a%20b")).code, "parameter_invalid");
});

test("of more alerts than a page holds the newest are shown, only those that were open in the range, and the others by pages", async () => {
  const count = 12_001;
  const at = (i: number) => START + i * 1000;
  await post(
    "d1",
    Array.from({ length: count }, (_, i) => ["swings", at(i), i % 2 === 0 ? 10 : 1]),
  );
  const newest = new Date(at(count - 1)).toISOString();
  await until("the newest incident", 30_000, async () => {
    const [found] = (await get("/v1/alerts?limit=1")).body as { ts: string; state: string }[];
    return found?.ts === newest && found.state === "firing";
  });
  const from = at(count - 4);
  const found = (await get(`/v1/alerts?from=${from}`)).body as { ts: string; resolved: string | null }[];
  assert.deepEqual(
    found.map(({ ts, resolved }) => [Date.parse(ts), resolved === null ? null : Date.parse(resolved)]),
    [
      [at(count - 3), at(count - 2)],
      [at(count - 1), null],
    ],
  );
  const first = (await get(`/v1/alerts?to=${at(1)}`)).body as { ts: string; resolved: string | null }[];
  assert.deepEqual(
    first.map(({ ts, resolved }) => [Date.parse(ts), resolved === null ? null : Date.parse(resolved)]),
    [[at(0), at(1)]],
    "a range that so many others came after",
  );
  const seen: number[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const page: Answer = await get(`/v1/alerts?limit=1000&cursor=${cursor}`);
    seen.unshift(...(page.body as { ts: string }[]).map(({ ts }) => Date.parse(ts)));
    cursor = page.headers.get("meterstorm-next-cursor");
  }
  assert.deepEqual(
    seen,
    Array.from({ length: (count + 1) / 2 }, (_, i) => at(2 * i)),
  );
});
