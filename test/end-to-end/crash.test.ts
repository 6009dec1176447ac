import { after, before, type TestContext, test } from "node:test";
import { createTenant, type RunningEngine, startEngineProcess } from "../support/engine.js";
import { questDbSkip, type RunningQuestDb, startQuestDb } from "../support/questdb.js";
import { Random } from "../support/random.js";
import { freePorts, until } from "../support/servers.js";
import { Fleet } from "./fleet.js";

const CRASHES = 4;
/** Readings that are acked between two crashes, at most. */
const MOST_BETWEEN = 4000;

const skip = questDbSkip();
let questDb: RunningQuestDb;
before(async () => {
  if (skip === false) questDb = await startQuestDb();
});
after(() => questDb?.kill());

/** The engine under load is killed again and again; its dataloggers find it again on the same port. */
async function crashes(t: TestContext, shards: number): Promise<void> {
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  t.diagnostic(`SEED=${seed}`);
  const random = new Random(seed);
  const [port] = await freePorts(1);
  const tenants = [createTenant(`large-${shards}`, { shards }), createTenant(`small-${shards}`), createTenant(`tiny-${shards}`)];
  const config = {
    ...{ shards, listen: { host: "127.0.0.1", port }, tenants: tenants.map((tenant) => tenant.config) },
    store: { type: "questdb", http: questDb.httpUrl },
  };
  let engine: RunningEngine = await startEngineProcess({ config });
  t.after(() => engine.kill9());
  const fleet = new Fleet(
    engine.wsUrl,
    [
      { tenant: tenants[0]!, dataloggers: 4 },
      { tenant: tenants[1]!, dataloggers: 2 },
      { tenant: tenants[2]!, dataloggers: 1 },
    ],
    random,
  );
  fleet.start();
  for (let crash = 0; crash < CRASHES; crash++) {
    // One in four dies while it is still coming up; nobody is acked anything then.
    const wanted = random.chance(0.25) ? 0 : fleet.ackedReadings + 1 + random.int(MOST_BETWEEN);
    await until(`${wanted} readings are acked`, 30_000, () => fleet.ackedReadings >= wanted);
    await engine.kill9();
    engine = await startEngineProcess({ config: { ...config, dataDir: engine.dataDir } });
  }
  const wanted = fleet.ackedReadings + MOST_BETWEEN;
  await until("the fleet is heard again", 30_000, () => fleet.ackedReadings >= wanted);
  await fleet.drained();
  await fleet.stored(engine);
  t.diagnostic(`${fleet.ackedReadings} readings over ${CRASHES} crashes`);
}

for (const shards of [1, 3]) {
  test(
    `kill -9 under load, ${shards} shard${shards > 1 ? "s" : ""}: what was acked is there, once, with its delta`,
    { skip },
    (t) => crashes(t, shards),
  );
}
