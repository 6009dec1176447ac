import assert from "node:assert/strict";
import { test } from "node:test";
import { createTenant, type RunningEngine, startEngineProcess } from "../support/engine.js";
import { Random } from "../support/random.js";
import { freePorts, until } from "../support/servers.js";
import { Fleet } from "./fleet.js";
import { Wire } from "./wire.js";

const STOP_WITHIN_MS = 10_000;
const TS = Date.UTC(2026, 0, 1);

test("SIGTERM under load ends the engine with 0 within 10 s, and the next one goes on where it left off", async (t) => {
  const [port] = await freePorts(1);
  const tenants = [createTenant("acme"), createTenant("other")];
  const config = { shards: 2, listen: { host: "127.0.0.1", port }, tenants: tenants.map((tenant) => tenant.config) };
  let engine: RunningEngine = await startEngineProcess({ config });
  t.after(() => engine.kill9());
  await engine.ready();
  const fleet = new Fleet(
    engine.wsUrl,
    tenants.map((tenant) => ({ tenant, dataloggers: 3 })),
    new Random(1),
  );
  fleet.start();
  for (let stop = 0; stop < 2; stop++) {
    const wanted = fleet.ackedReadings + 2000;
    await until(`${wanted} readings are acked`, 30_000, () => fleet.ackedReadings >= wanted);
    const flood = await Flood.begin(engine, tenants[0]!.tokens.ingest);
    const begun = performance.now();
    const code = await engine.stop();
    const tookMs = performance.now() - begun;
    assert.equal(code, 0, engine.logs());
    assert.ok(tookMs < STOP_WITHIN_MS, `it took ${Math.round(tookMs)} ms`);
    const { code: closeCode, reason } = await flood.end();
    assert.deepEqual([closeCode, reason], [1001, "shutting down"]);
    engine = await startEngineProcess({ config: { ...config, dataDir: engine.dataDir } });
  }
  const wanted = fleet.ackedReadings + 2000;
  await until("the fleet is heard again", 30_000, () => fleet.ackedReadings >= wanted);
  await fleet.drained();
  await fleet.stored(engine);
});

/** A datalogger that keeps its window full, so that there is always more to do when the engine is told to end. */
class Flood {
  static #count = 0;
  readonly #wire: Wire;
  readonly #sending: Promise<void>;

  private constructor(wire: Wire) {
    this.#wire = wire;
    this.#sending = this.#send();
  }

  static async begin(engine: RunningEngine, token: string): Promise<Flood> {
    const wire = await Wire.open(engine.wsUrl, token, `flood-${Flood.#count++}`);
    const flood = new Flood(wire);
    await wire.acked(5);
    return flood;
  }

  async end() {
    await this.#sending;
    return await this.#wire.ended();
  }

  async #send(): Promise<void> {
    const { window } = this.#wire.welcome;
    const bytes: number[] = [0];
    for (let seq = 1, unacked = 0, covered = 0; this.#wire.closed === null; ) {
      const readings = Array.from({ length: 100 }, (_, i) => [`flood-${Flood.#count}-${i}`, TS + seq * 1000, seq]);
      const frame = JSON.stringify({ seq, readings });
      if (unacked + frame.length <= window) {
        this.#wire.send(frame);
        bytes.push(frame.length);
        unacked += frame.length;
        seq++;
      } else await new Promise((resolve) => setImmediate(resolve));
      const acked = this.#wire.acks.at(-1)?.seq ?? 0;
      while (covered < acked) unacked -= bytes[++covered]!;
    }
  }
}
