import assert from "node:assert/strict";
import { Datalogger } from "../../engine/client/datalogger.js";
import type { RunningEngine, TestTenant } from "../support/engine.js";
import type { Random } from "../support/random.js";
import { until } from "../support/servers.js";
import { readingsOf } from "./api.js";
import { Wire } from "./wire.js";

const START_MS = Date.UTC(2026, 0, 1);
const ROUND_MS = 60_000;
const METERS = 12;
/** One round of each datalogger in this time; its frames are small, so that many are under way. */
const PACE_MS = 12;

/** What a meter shows at a round: a function of both alone, so that every delta is known whoever sends it. */
function valueAt(meter: number, round: number): number {
  return meter * 1000 + (round * (round + 1)) / 4;
}

function tsAt(round: number): number {
  return START_MS + round * ROUND_MS;
}

interface Logger {
  readonly name: string;
  readonly tenant: TestTenant;
  /** Rounds that were handed out, and that were acked. */
  sent: number;
  acked: number;
  /** Connections that it has made. */
  connections: number;
  /** Sends until stopped, then waits until all of it is acked. */
  run(): Promise<void>;
}

/** Dataloggers that never stop sending while the engine comes and goes, and know what must be in the store in the end. */
export class Fleet {
  readonly #loggers: Logger[];
  readonly #stopping = { now: false };
  #runs: Promise<void>[] = [];

  constructor(wsUrl: string, members: readonly { tenant: TestTenant; dataloggers: number }[], random: Random) {
    this.#loggers = members.flatMap(({ tenant, dataloggers }, t) =>
      Array.from({ length: dataloggers }, (_, d) => {
        const name = `fleet-${t}-${d}`;
        const make = d % 2 === 0 ? resendingLogger : plainLogger;
        return make(wsUrl, name, tenant, this.#stopping, random);
      }),
    );
  }

  get ackedReadings(): number {
    return METERS * this.#loggers.reduce((sum, { acked }) => sum + acked, 0);
  }

  /** The most connections that one of the dataloggers without a memory has made. */
  get mostConnections(): number {
    return Math.max(...this.#loggers.map(({ connections }) => connections));
  }

  start(): void {
    this.#runs = this.#loggers.map((logger) => logger.run());
    // A failure is told by `drained`; until then it must not end the process.
    for (const run of this.#runs) run.catch(() => undefined);
  }

  /** Stops making new readings; resolves when all are acked. */
  async drained(): Promise<void> {
    this.#stopping.now = true;
    await Promise.all(this.#runs);
  }

  /** Every reading is there once, with its value and its delta, and nothing that was not sent. */
  async stored(engine: RunningEngine): Promise<void> {
    for (const { name, tenant, sent, acked } of this.#loggers) {
      assert.equal(acked, sent, `${name} was not acked all that it sent`);
      assert.ok(sent > 0, `${name} has sent nothing, which proves nothing`);
      for (let meter = 0; meter < METERS; meter++) await this.#meterStored(engine, tenant, `${name}-${meter}`, meter, sent);
    }
  }

  async #meterStored(engine: RunningEngine, tenant: TestTenant, id: string, meter: number, rounds: number): Promise<void> {
    const rows = await until(`${rounds} rows of ${id}`, 30_000, async () => {
      const found = await readingsOf(engine.url, tenant.tokens.read, id, 10_000);
      return found.length >= rounds && found;
    });
    assert.deepEqual(
      rows.map(({ ts, value, delta }) => [Date.parse(ts), value, delta]),
      Array.from({ length: rounds }, (_, round) => [tsAt(round), valueAt(meter, round), round === 0 ? null : round / 2]),
      id,
    );
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PACE_MS));
}

/** The client that ships with the engine, binary and text in turn. */
function resendingLogger(wsUrl: string, name: string, tenant: TestTenant, stopping: { now: boolean }, random: Random): Logger {
  const datalogger = new Datalogger({
    ...{ url: wsUrl, token: tenant.tokens.ingest, datalogger: name, format: "binary" as const },
    random: () => random.unit(),
    onReject: (rejected) => assert.fail(`${name}: ${JSON.stringify(rejected)}`),
    onAck: ({ readings }) => {
      logger.acked += readings / METERS;
    },
  });
  const logger: Logger = {
    ...{ name, tenant, sent: 0, acked: 0, connections: 0 },
    async run() {
      while (!stopping.now) {
        const round = logger.sent++;
        const readings = Array.from({ length: METERS }, (_, meter) => ({
          ...{ meter: `${name}-${meter}`, ts: tsAt(round), value: valueAt(meter, round) },
        }));
        await datalogger.send(readings, round % 3 === 0 ? "text" : "binary");
        await pause();
      }
      await datalogger.drained();
      await datalogger.close();
    },
  };
  return logger;
}

/**
 * A datalogger with no memory: its frames are a function of their seq, and after a loss it goes on from what the welcome
 * says. So it notices when the engine forgets what it acked, or goes back with its acks.
 */
function plainLogger(wsUrl: string, name: string, tenant: TestTenant, stopping: { now: boolean }): Logger {
  const frame = (seq: number) => ({
    seq,
    readings: Array.from({ length: METERS }, (_, meter) => [`${name}-${meter}`, tsAt(seq - 1), valueAt(meter, seq - 1)]),
  });
  const logger: Logger = {
    ...{ name, tenant, sent: 0, acked: 0, connections: 0 },
    async run() {
      while (!stopping.now || logger.acked < logger.sent) {
        const wire = await Wire.open(wsUrl, tenant.tokens.ingest, name).catch(() => null);
        if (wire !== null) {
          logger.connections++;
          await converse(wire);
        }
        await pause();
      }
    },
  };

  async function converse(wire: Wire): Promise<void> {
    const { lastSeq } = wire.welcome;
    assert.ok(lastSeq >= logger.acked, `${name} was acked ${logger.acked}, and is welcomed with ${lastSeq}`);
    assert.ok(lastSeq <= logger.sent, `${name} sent ${logger.sent}, and is welcomed with ${lastSeq}`);
    logger.acked = lastSeq;
    let heard = 0;
    for (let seq = lastSeq + 1; ; seq++) {
      for (const ack of wire.acks.slice(heard)) {
        heard++;
        assert.ok(ack.seq >= logger.acked, `${name} was acked ${logger.acked}, then ${ack.seq}`);
        assert.deepEqual(ack.rejected, undefined);
        logger.acked = ack.seq;
      }
      const idle = stopping.now && seq > logger.sent;
      if (wire.closed !== null || (idle && logger.acked === logger.sent)) break;
      if (idle) seq--;
      else {
        logger.sent = Math.max(logger.sent, seq);
        wire.send(frame(seq));
      }
      await pause();
    }
    wire.close();
  }

  return logger;
}
