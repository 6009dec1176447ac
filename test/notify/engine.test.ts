import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { AlertTransition } from "../../engine/base/alert-transition.js";
import { createTenant, type RunningEngine, startEngineProcess } from "../support/engine.js";
import { Random } from "../support/random.js";
import { freePorts, until } from "../support/servers.js";
import { documentedCheck } from "./docs.js";
import { Receiver } from "./receiver.js";

const START_MS = Date.UTC(2026, 0, 5);
const METERS = ["hall-1", "hall-2", "hall-3"];
const BATCHES = 12;
/** Readings of a meter in a batch: each other one is above the threshold. */
const PER_BATCH = 10;
const CRASHES = 3;
const SECRET = "what both sides know";

interface Body extends AlertTransition {
  heldBack: number;
}

function batch(number: number): { meter: string; ts: number; value: number }[] {
  return METERS.flatMap((meter) =>
    Array.from({ length: PER_BATCH }, (_, i) => {
      const n = number * PER_BATCH + i;
      return { meter, ts: START_MS + n * 1000, value: n % 2 === 0 ? 20 + n : 5 };
    }),
  );
}

/** Until it is acked: an engine that was killed may have had it. */
async function post(engine: () => RunningEngine, token: string, number: number): Promise<void> {
  await until(`batch ${number} is acked`, 30_000, async () => {
    const init = { method: "POST", headers: { authorization: `Bearer ${token}` }, body: JSON.stringify(batch(number)) };
    const answer = await fetch(`${engine().url}/v1/readings?datalogger=dl`, { ...init, signal: AbortSignal.timeout(5000) });
    return answer.status === 200;
  });
}

test("each transition reaches a webhook though the engine is killed, once by its key, and signed", {
  timeout: 120_000,
}, async (t) => {
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  t.diagnostic(`SEED=${seed}`);
  const random = new Random(seed);
  const receiver = await Receiver.start();
  after(() => receiver.stop());
  receiver.answer = (_, response) => response.writeHead(receiver.received.length % 60 === 7 ? 503 : 204).end();
  const [port, deadPort] = await freePorts(2);
  const hook = (url: string) => ({ url, secret: SECRET, allowPrivate: true, perMinute: 6000 });
  const acme = createTenant("acme", {
    meters: [{ match: "*", kind: "gauge" }],
    rules: [{ id: "hot", meters: "*", on: "value", op: ">", threshold: 10, severity: "warning" }],
    webhooks: [hook(`http://127.0.0.1:${deadPort}/`), hook(receiver.url)],
  });
  const config = { listen: { host: "127.0.0.1", port }, shards: 1, tenants: [acme.config] };
  let engine = await startEngineProcess({ config });
  t.after(() => engine.kill9());
  await engine.ready();

  const crashAt = new Set(Array.from({ length: CRASHES }, () => 1 + random.int(BATCHES - 2)));
  for (let number = 0; number < BATCHES; number++) {
    const posting = post(() => engine, acme.tokens.ingest, number);
    if (crashAt.has(number)) {
      const wanted = receiver.received.length + random.int(20);
      await until("some more have come", 2000, () => receiver.received.length >= wanted).catch(() => undefined);
      await engine.kill9();
      engine = await startEngineProcess({ config: { ...config, dataDir: engine.dataDir } });
      await engine.ready();
    }
    await posting;
  }

  const expected = METERS.flatMap((meter) =>
    Array.from({ length: BATCHES * PER_BATCH }, (_, n) => {
      const ts = new Date(START_MS + n * 1000).toISOString();
      return `${meter} ${n % 2 === 0 ? "firing" : "resolved"} ${ts} ${n % 2 === 0 ? 20 + n : 5}`;
    }),
  );
  const said = (): Map<string, Body> => new Map(receiver.received.map(({ body }) => [JSON.parse(body).key, JSON.parse(body)]));
  await until("all have come", 60_000, () => said().size >= expected.length);
  const bodies = [...said().values()];
  assert.deepEqual(bodies.map(({ meter, state, ts, value }) => `${meter} ${state} ${ts} ${value}`).sort(), expected.sort());
  for (const meter of METERS) {
    const times = bodies.filter((body) => body.meter === meter).map(({ ts }) => ts);
    assert.deepEqual(times, [...times].sort(), "a key that comes for the first time is newer than all before it");
  }
  const isGenuine = await documentedCheck();
  for (const { headers, body, seconds } of receiver.received) {
    assert.ok(isGenuine(SECRET, String(headers["meterstorm-signature"]), body, seconds));
    const { key, tenant, rule, severity, threshold, heldBack, incident, state, ts } = JSON.parse(body) as Body;
    assert.deepEqual(
      { tenant, rule, severity, threshold, heldBack },
      { ...{ tenant: "acme", rule: "hot", severity: "warning" }, threshold: 10, heldBack: 0 },
    );
    assert.equal(key, `${incident}-${state}-warning-${Date.parse(ts)}`);
    assert.equal(headers["idempotency-key"], key);
  }
  t.diagnostic(`${receiver.received.length} requests for ${expected.length} transitions over ${crashAt.size} crashes`);
  const metrics = await (await fetch(`${engine.url}/metrics`)).text();
  assert.match(metrics, /^meterstorm_webhook_waiting\{tenant="acme"\} [1-9]/m, "for the one that is away");
  assert.equal(await engine.stop(), 0);
});
