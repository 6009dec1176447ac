import assert from "node:assert/strict";
import { test } from "node:test";
import { createTenant, startEngineProcess } from "../support/engine.js";
import { questDbSkip, startQuestDb } from "../support/questdb.js";
import { until } from "../support/servers.js";
import { allPages, ask, type ShownReading } from "./api.js";
import { Wire } from "./wire.js";

const START = Date.UTC(2026, 0, 1);
const PER_FRAME = 500;
const IN_FLIGHT = 8;

function frame(seq: number): object {
  const first = (seq - 1) * PER_FRAME;
  return { seq, readings: Array.from({ length: PER_FRAME }, (_, i) => ["m", START + (first + i) * 1000, first + i]) };
}

/** A client's frames are taken one after the other, so many times, while those of another are not. */
const OTHERS_FRAMES = 20;

test("while the store is away a client that fills the journal has to wait and others do not; all is taken once the store is back", {
  skip: questDbSkip(),
}, async () => {
  const acme = createTenant("acme");
  const other = createTenant("other");
  const store = await startQuestDb();
  const engine = await startEngineProcess({
    config: {
      ...{ shards: 1, tenants: [acme.config, other.config], journal: { maxBytes: "1MiB", keep: "0s" } },
      store: { type: "questdb", http: store.httpUrl },
    },
  });
  await engine.ready();
  const wire = await Wire.open(engine.wsUrl, acme.tokens.ingest, "d1");
  const acked = () => wire.acks.at(-1)?.seq ?? 0;
  let sent = 0;
  const send = () => {
    while (sent - acked() < IN_FLIGHT) wire.send(frame(++sent));
  };
  send();
  await wire.acked(1);
  await store.stop();
  const neighbour = await Wire.open(engine.wsUrl, other.tokens.ingest, "d1");
  let others = 0;
  await until("nothing more is taken of who sent most", 60_000, async () => {
    send();
    const before = acked();
    for (const last = others + OTHERS_FRAMES; others < last; ) {
      neighbour.send({ seq: ++others, readings: [["m", START + others * 1000, others]] });
      await neighbour.acked(others);
    }
    return acked() === before && sent - acked() === IN_FLIGHT;
  });
  const { body } = await ask(engine.url, "/v1/meters/m", other.tokens.read);
  assert.equal((body as { last: { value: number } }).last.value, others);
  const held = acked();

  const again = await startQuestDb({ dataDir: store.dataDir, port: store.port });
  await until("what waited is acked, and as much again", 60_000, () => {
    send();
    return acked() >= held + 100;
  });
  await wire.acked(sent);
  assert.equal(wire.closed, null);
  const path = `/v1/meters/m/readings?limit=10000`;
  const last = START + (sent * PER_FRAME - 1) * 1000;
  await until("the last reading is stored", 30_000, async () => {
    const { body } = await ask(engine.url, `${path}&from=${last}`, acme.tokens.read);
    return (body as unknown[]).length === 1;
  });
  const rows = await allPages<ShownReading>(engine.url, path, acme.tokens.read);
  assert.deepEqual(
    rows.map(({ ts, value, delta }) => [Date.parse(ts), value, delta]),
    Array.from({ length: sent * PER_FRAME }, (_, i) => [START + i * 1000, i, i === 0 ? null : 1]),
  );
  const othersPath = "/v1/meters/m/readings?limit=10000";
  const othersRows = await allPages<ShownReading>(engine.url, othersPath, other.tokens.read);
  assert.deepEqual(
    othersRows.map(({ value }) => value),
    Array.from({ length: others }, (_, i) => i + 1),
  );
  neighbour.close();
  wire.close();
  assert.equal(await engine.stop(), 0);
  await again.stop();
});
