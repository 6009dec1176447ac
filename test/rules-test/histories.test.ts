import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiHistory } from "../../engine/rules-test/api-history.js";
import type { History } from "../../engine/rules-test/history.js";
import { openStoreHistory } from "../../engine/rules-test/store-history.js";
import { createTenant, startEngineProcess } from "../support/engine.js";
import { questDbSkip, startQuestDb } from "../support/questdb.js";
import { until } from "../support/servers.js";

const T0 = Date.UTC(2026, 2, 1);
const MINUTE_MS = 60_000;
const ALL = { from: 0, to: Date.UTC(2200, 0, 1) };
/** More than one page of them. */
const METERS = Array.from({ length: 1030 }, (_, i) => `m-${String(i).padStart(4, "0")}`);
const ODD = "it's “odd” %2F";

/** What a history says of the meter whose register was exchanged, and of all. */
async function told(history: History) {
  const readings = await history.readings("acme", ODD, ALL, 100);
  const first = await history.readings("acme", ODD, { from: T0 + MINUTE_MS, to: T0 + 3 * MINUTE_MS }, 1);
  const exchanges = await history.exchanges("acme", ODD, readings);
  return { meters: await history.meters("acme"), readings, first, exchanges };
}

for (const store of ["duckdb", "questdb"] as const) {
  test(`a store and the engine before it tell the same history: ${store}`, {
    skip: store === "questdb" && questDbSkip(),
  }, async (t) => {
    const questDb = store === "questdb" ? await startQuestDb() : null;
    t.after(() => questDb?.kill());
    const address = questDb === null ? { type: "duckdb" } : { type: "questdb", http: questDb.httpUrl };
    const tenant = createTenant("acme", { meters: [{ match: "*", maxRate: 40_000, decimals: 2 }] });
    const other = createTenant("other");
    const engine = await startEngineProcess({ config: { shards: 1, store: address, tenants: [tenant.config, other.config] } });
    t.after(() => engine.kill9());
    await engine.ready();
    const post = async (token: string, readings: object[]) => {
      const headers = { authorization: `Bearer ${token}` };
      const answer = await fetch(`${engine.url}/v1/readings?datalogger=d`, {
        method: "POST",
        headers,
        body: JSON.stringify(readings),
      });
      assert.deepEqual(await answer.json(), { accepted: readings.length, rejected: [] });
    };
    await post(
      tenant.tokens.ingest,
      METERS.map((meter) => ({ meter, ts: T0, value: 1 })),
    );
    await post(other.tokens.ingest, [{ meter: "of another client", ts: T0, value: 1 }]);
    await post(tenant.tokens.ingest, [
      { meter: ODD, ts: T0, value: 100 },
      { meter: ODD, ts: T0 + MINUTE_MS, value: 101.25, rev: 3 },
      { meter: ODD, ts: T0 + 90_000, exchange: { final: 101.5, start: 7.25 } },
      { meter: ODD, ts: T0 + 2 * MINUTE_MS, value: 7.75 },
      { meter: ODD, ts: T0 + 3 * MINUTE_MS, value: 8 },
    ]);
    const api = new ApiHistory(engine.url, tenant.tokens.read);
    t.after(() => api.close());
    await until("everything is stored", 60_000, async () => (await api.readings("acme", ODD, ALL, 100)).length === 4);
    const byApi = await told(api);
    assert.equal(await engine.stop(), 0);
    const stored = await openStoreHistory({
      dataDir: engine.dataDir,
      store: questDb === null ? { type: "duckdb" } : { type: "questdb", http: questDb.httpUrl, username: null, password: null },
    });
    const byStore = await told(stored).finally(() => stored.close());
    assert.deepEqual(byApi, byStore);
    assert.deepEqual(byStore.meters, [ODD, ...METERS]);
    assert.deepEqual(byStore.exchanges, [{ ts: T0 + 90_000, final: 101.5, start: 7.25, rev: 0 }]);
    assert.deepEqual(
      byStore.readings.map(({ ts, value, rev, delta }) => [(ts - T0) / MINUTE_MS, value, rev, delta]),
      [
        [0, 100, 0, null],
        [1, 101.25, 3, 1.25],
        [2, 7.75, 0, 0.75],
        [3, 8, 0, 0.25],
      ],
    );
    assert.deepEqual(byStore.first, [byStore.readings[1]]);
  });
}
