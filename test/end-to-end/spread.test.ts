import assert from "node:assert/strict";
import { test } from "node:test";
import { Datalogger } from "../../engine/client/datalogger.js";
import { createTenant, startEngineProcess } from "../support/engine.js";
import { temporaryDirectory, until } from "../support/servers.js";
import { ask, readingsOf } from "./api.js";

const START_MS = Date.UTC(2026, 0, 1);
const DATALOGGERS = 8;

test("a client spread over shards keeps each meter with the datalogger that sent it first, over restarts too", {
  timeout: 120_000,
}, async (t) => {
  const acme = createTenant("acme", { shards: 3 });
  const dataDir = temporaryDirectory("spread");
  // In the last life it is spread over fewer.
  for (const [life, over] of [3, 3, 2].entries()) {
    const config = { dataDir, shards: 3, tenants: [{ ...acme.config, shards: over }] };
    const engine = await startEngineProcess({ config });
    t.after(() => engine.kill9());
    await engine.ready();
    const rejected: string[] = [];
    const fleet = Array.from(
      { length: DATALOGGERS },
      (_, n) =>
        new Datalogger({
          url: engine.wsUrl,
          token: acme.tokens.admin,
          datalogger: `dl-${n}`,
          format: n % 2 === 0 ? "binary" : "text",
          onReject: ({ code, meter }) => rejected.push(`${n} ${meter} ${code}`),
        }),
    );
    t.after(() => Promise.all(fleet.map((datalogger) => datalogger.close())));
    // One after another, so that it is known who comes first; each sends its own meter and one that the first has.
    for (const [n, datalogger] of fleet.entries()) {
      await datalogger.connect();
      await datalogger.send([
        { meter: `own-${n}`, ts: START_MS + life * 1000, value: n },
        { meter: "shared", ts: START_MS + life * 100_000 + n * 1000, value: life * 100 + n },
      ]);
      await datalogger.drained();
    }
    assert.deepEqual(
      rejected,
      Array.from({ length: DATALOGGERS - 1 }, (_, n) => `${n + 1} shared meter_elsewhere`),
    );
    for (const datalogger of fleet) await datalogger.close();
    await until(
      "the store has what was taken",
      20_000,
      async () => (await readingsOf(engine.url, acme.tokens.admin, "shared")).length === life + 1,
    );
    const { body } = await ask(engine.url, "/v1/meters", acme.tokens.admin);
    assert.deepEqual(
      (body as { meter: string }[]).map(({ meter }) => meter),
      [...Array.from({ length: DATALOGGERS }, (_, n) => `own-${n}`), "shared"],
    );
    if (life === 0) await engine.kill9();
    else assert.equal(await engine.stop(), 0);
  }
});
