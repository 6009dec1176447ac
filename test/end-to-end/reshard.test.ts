import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { defaultSettings } from "../../engine/base/settings.js";
import { Datalogger } from "../../engine/client/datalogger.js";
import { rowsOf } from "../reference/meter-rows.js";
import { createTenant, type RunningEngine, startEngineProcess } from "../support/engine.js";
import { questDbSkip, startQuestDb } from "../support/questdb.js";
import { temporaryDirectory, until } from "../support/servers.js";
import { ask } from "./api.js";
import { type Expected, rowsAreShown } from "./shown-rows.js";

const START_MS = Date.UTC(2026, 0, 1);
const QUARTER_MS = 900_000;
const EACH = 4;
const PER_LIFE = 30;
const settings = defaultSettings("UTC");
const rules = [{ id: "high", on: "value", meters: "*-0", op: ">", threshold: 25, clear: 20 }];
const meters = [{ match: "*" }];

/** One register that counts on, a little late here and there, and falls back under the rule's threshold in the last life. */
function readingsOfLife(n: number, life: number): { ts: number; value: number }[] {
  const inputs = Array.from({ length: PER_LIFE }, (_, i) => {
    const at = life * PER_LIFE + i;
    return { ts: START_MS + at * QUARTER_MS, value: life === 2 && i > 5 ? i / 2 : at + n };
  });
  // The last one of an hour comes when the next hour is there already.
  [inputs[7], inputs[20]] = [inputs[20]!, inputs[7]!];
  return inputs;
}

for (const type of ["duckdb", "questdb"] as const) {
  const skip = type === "questdb" ? questDbSkip() : false;
  test(`1, 3 and then 2 shards go on with the same state (${type})`, { timeout: 180_000, skip }, async (t) => {
    const clients = [
      createTenant("acme", { shards: 3, rules, meters, timezone: "UTC" }),
      createTenant("zeta", { rules, meters, timezone: "UTC" }),
    ];
    const dataDir = temporaryDirectory("reshard");
    const questDb = type === "questdb" ? await startQuestDb() : null;
    if (questDb !== null) t.after(() => questDb.kill());
    const store = questDb === null ? { type } : { type, http: questDb.httpUrl };
    const sent = new Map<string, { ts: number; value: number }[]>();
    let engine: RunningEngine | null = null;
    for (const [life, shards] of [1, 3, 2].entries()) {
      engine = await startEngineProcess({ config: { dataDir, shards, store, tenants: clients.map(({ config }) => config) } });
      const { kill9 } = engine;
      t.after(() => kill9());
      await engine.ready(60_000);
      const folder = life === 0 ? dataDir : join(dataDir, `layout-${life}`);
      const found = readdirSync(folder).filter((name) => name.startsWith("shard-"));
      assert.deepEqual(
        found,
        Array.from({ length: shards }, (_, i) => `shard-${i}`),
      );
      if (life > 0) assert.ok(!existsSync(join(dataDir, life === 1 ? "shard-0" : "layout-1")), "the old shards are still there");
      for (const client of clients) {
        for (let n = 0; n < EACH; n++) {
          const wsUrl = engine.wsUrl;
          const datalogger = new Datalogger({ url: wsUrl, token: client.tokens.ingest, datalogger: `dl-${n}`, format: "binary" });
          await datalogger.connect();
          const meter = `m-${n}`;
          const inputs = readingsOfLife(n, life);
          for (let at = 0; at < inputs.length; at += 3)
            await datalogger.send(inputs.slice(at, at + 3).map((input) => ({ meter, ...input })));
          await datalogger.drained();
          await datalogger.close();
          const key = `${client.config["id"] as string}/${meter}`;
          sent.set(key, [...(sent.get(key) ?? []), ...inputs]);
        }
      }
      // The store has perhaps not everything then: that is for the move to see to.
      if (life === 0) await engine.kill9();
      else if (life === 1) assert.equal(await engine.stop(), 0);
    }
    const { url } = engine!;
    for (const client of clients) {
      const id = client.config["id"] as string;
      const expected: Expected[] = Array.from({ length: EACH }, (_, n) => ({
        ...{ meter: `m-${n}`, settings, rows: rowsOf(settings, sent.get(`${id}/m-${n}`)!) },
      }));
      await rowsAreShown(url, client.tokens.read, expected, 30_000);
      // Begun in the first life and over in the last: one incident, told as one.
      await until("the incident's end is stored", 20_000, async () => {
        const { body } = await ask(url, "/v1/alerts", client.tokens.read);
        const incidents = body as { meter: string; until: string | null }[];
        assert.deepEqual(
          incidents.map(({ meter }) => meter),
          ["m-0"],
        );
        return incidents[0]!.until !== null;
      });
    }
    assert.equal(await engine!.stop(), 0);
  });
}
