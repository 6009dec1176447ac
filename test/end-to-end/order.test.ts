import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { limits } from "../../engine/base/limits.js";
import type { Input } from "../reference/history.js";
import { rowsOf } from "../reference/meter-rows.js";
import { type RunningEngine, startEngineProcess, type TestTenant } from "../support/engine.js";
import { questDbSkip, type RunningQuestDb, startQuestDb } from "../support/questdb.js";
import type { Random } from "../support/random.js";
import { aSeries, inSomeOrder, type SeriesOptions } from "../support/series-generator.js";
import { freePorts, until } from "../support/servers.js";
import { ask } from "./api.js";
import { type SentMeter, seededRandom, tenantOf } from "./meters-over-wire.js";
import type { Arrival } from "./mixed-sender.js";
import { inFrames, type Scripted, scriptedLogger, scriptedPoster } from "./scripted.js";
import { assertStored, rowsAreShown, type StoredRows } from "./shown-rows.js";
import { storedInDuckDb, storedInQuestDb } from "./stored-rows.js";

const CLIENTS = ["acme", "other"];
const LOGGERS = 3;
// Histories as long as they may be: what comes first goes wrong more often when much comes after it.
fc.configureGlobal({ baseSize: "xlarge" });
const LEAST_INPUTS = 12;
const SHOWN_WITHIN_MS = 90_000;

/** What happens once so much of all has been acked, or sent where acks wait for the store. */
type Happening = readonly [share: number, what: "crash" | "stop" | "store goes" | "store comes"];

interface Course {
  readonly ack: "durable" | "stored";
  readonly series: readonly (SeriesOptions & { count: number })[];
  readonly happenings: readonly Happening[];
}

/** Meters with histories as the generator makes them, their inputs in some order, some of them twice. */
function metersOf(course: Course, random: Random): SentMeter[] {
  const meters: SentMeter[] = [];
  for (const { count, ...options } of course.series) {
    const some = aSeries(options)
      .filter(
        ({ settings, inputs }) => inputs.length >= LEAST_INPUTS && inputs.every((input) => isTaken(input, settings.decimals)),
      )
      .chain((series) => inSomeOrder(series.inputs).map((arrivals) => ({ ...series, arrivals })));
    for (const { settings, inputs, arrivals } of fc.sample(some, { seed: random.u32() | 0, numRuns: count })) {
      const inTime = random.chance(0.3) ? inputs.concat(arrivals.slice(inputs.length)) : arrivals;
      const ordered = random.chance(0.2) ? inputs.toReversed() : inTime;
      meters.push({ meter: `m-${meters.length}`, settings, arrivals: ordered, rows: rowsOf(settings, inputs) });
    }
  }
  return meters;
}

/** The generator knows no clock, and no bound of what a double holds. */
function isTaken(input: Input, decimals: number): boolean {
  const values = "value" in input ? [input.value] : [input.exchange?.final ?? 0, input.exchange?.start ?? 0];
  return (
    input.ts < Date.now() && input.ts >= limits.minTsMs && values.every((value) => Math.abs(value) * 10 ** decimals < 2 ** 52)
  );
}

/** A client's meters send beside each other, each through every datalogger of the client. */
function sendersOf(url: string, tenant: TestTenant, client: string, meters: readonly SentMeter[], random: Random): Scripted[] {
  const timed = meters.flatMap(({ meter, arrivals }) =>
    arrivals.map((input, i): [number, Arrival] => [(i + 2 * random.unit()) / arrivals.length, { meter, input }]),
  );
  const streams = Array.from({ length: LOGGERS + 1 }, (): Arrival[] => []);
  for (const [, arrival] of timed.sort(([a], [b]) => a - b)) random.pick(streams).push(arrival);
  const [posted, ...sent] = streams.map((stream) => inFrames(stream, random));
  const wsUrl = url.replace(/^http/, "ws");
  const loggers = sent.map((frames, i) => scriptedLogger(wsUrl, tenant, `${client}-${i}`, frames, random));
  return [...loggers, scriptedPoster(url, tenant, `${client}-posts`, posted!)];
}

async function ordersDoNotMatter(t: TestContext, course: Course, questDb: RunningQuestDb | null): Promise<void> {
  const random = seededRandom(t);
  const meters = metersOf(course, random);
  const clients = CLIENTS.map((id, c) => {
    const own = meters.filter((_, i) => i % CLIENTS.length === c);
    return { id, tenant: tenantOf(id, own), meters: own };
  });
  const [port] = await freePorts(1);
  const config = {
    ...{ shards: CLIENTS.length, ack: course.ack, listen: { host: "127.0.0.1", port } },
    store: questDb === null ? { type: "duckdb" } : { type: "questdb", http: questDb.httpUrl },
    tenants: clients.map(({ tenant }) => tenant.config),
  };
  const engine = new Engine(await startEngineProcess({ config }), config, questDb);
  t.after(() => engine.clear());
  await engine.running.ready();
  const senders = clients.flatMap(({ id, tenant, meters: own }) => sendersOf(engine.running.url, tenant, id, own, random));
  const over = new AbortController();
  t.after(() => over.abort());
  const runs = Promise.all(senders.map((sender) => sender.run(over.signal)));
  // A failure is told once they are waited for; until then it must not end the process.
  runs.catch(() => undefined);
  const total = senders.reduce((sum, { inputs }) => sum + inputs, 0);
  const isStored = course.ack === "stored";
  const done = () => senders.reduce((sum, sender) => sum + (isStored ? sender.sentInputs : sender.ackedInputs), 0);
  for (const [share, what] of course.happenings) {
    await Promise.race([until(`${share} of ${total} inputs are there`, 60_000, () => done() >= share * total), failureOf(runs)]);
    t.diagnostic(`${what} at ${done()} of ${total}`);
    await engine.suffer(what);
  }
  await runs;
  for (const { tenant, meters: own } of clients) await rowsAreShown(engine.running.url, tenant.tokens.read, own, SHOWN_WITHIN_MS);
  assert.equal(await engine.running.stop(), 0);
  for (const { id, meters: own } of clients) assertStored(await engine.stored(id, own), own);
}

async function failureOf(runs: Promise<unknown>): Promise<never> {
  await runs;
  return await new Promise(() => undefined);
}

/** An engine with its store, and what can happen to both. */
class Engine {
  running: RunningEngine;
  readonly #config: Record<string, unknown>;
  #questDb: RunningQuestDb | null;

  constructor(running: RunningEngine, config: Record<string, unknown>, questDb: RunningQuestDb | null) {
    this.running = running;
    this.#config = config;
    this.#questDb = questDb;
  }

  async suffer(what: Happening[1]): Promise<void> {
    if (what === "store goes") {
      // An engine that is still starting needs its store.
      await this.running.ready();
      await this.#questDb!.kill();
      await until("late readings wait for the store", 30_000, async () => (await this.#waiting()) > 0);
    } else if (what === "store comes") {
      const { port, dataDir } = this.#questDb!;
      this.#questDb = await startQuestDb({ port, dataDir });
    } else {
      if (what === "crash") await this.running.kill9();
      else assert.equal(await this.running.stop(), 0);
      this.running = await startEngineProcess({ config: { ...this.#config, dataDir: this.running.dataDir } });
    }
  }

  /** Late inputs that are not yet worked in. */
  async #waiting(): Promise<number> {
    const { body } = await ask(this.running.url, "/metrics", null);
    const counts = [...String(body).matchAll(/^meterstorm_late_inputs_waiting\{.*\} (\d+)$/gm)];
    assert.equal(counts.length, CLIENTS.length, "a metric is missing");
    return counts.reduce((sum, [, count]) => sum + Number(count), 0);
  }

  async stored(tenant: string, meters: readonly SentMeter[]): Promise<StoredRows> {
    if (this.#questDb === null) return await storedInDuckDb(this.running.dataDir, tenant);
    const { httpUrl } = this.#questDb;
    const wanted = meters.reduce((sum, { rows }) => sum + rows.exchanges.length, 0);
    return await until(`${wanted} exchanges of ${tenant}`, SHOWN_WITHIN_MS, async () => {
      const stored = await storedInQuestDb(httpUrl, tenant);
      return [...stored.values()].reduce((sum, { exchanges }) => sum + exchanges.length, 0) >= wanted && stored;
    });
  }

  async clear(): Promise<void> {
    await this.running.kill9();
    await this.#questDb?.kill();
  }
}

test("in whatever order, over crashes and restarts, the rows are those of the rules: duckdb", (t) =>
  ordersDoNotMatter(
    t,
    {
      ack: "durable",
      series: [
        { count: 36, longGaps: false, maxSteps: 60 },
        { count: 4, maxSteps: 20 },
      ],
      happenings: [
        [0.2, "crash"],
        [0.4, "stop"],
        [0.6, "crash"],
        [0.8, "crash"],
      ],
    },
    null,
  ));

test("the same where acks wait for the store: duckdb", (t) =>
  ordersDoNotMatter(
    t,
    {
      ack: "stored",
      series: [{ count: 12, longGaps: false, maxSteps: 60 }],
      happenings: [
        [0.3, "crash"],
        [0.6, "stop"],
        [0.8, "crash"],
      ],
    },
    null,
  ));

test("the same, with the store gone for a while: questdb", { skip: questDbSkip() }, async (t) =>
  ordersDoNotMatter(
    t,
    {
      ack: "durable",
      series: [{ count: 16, longGaps: false, maxSteps: 60 }],
      happenings: [
        [0.1, "crash"],
        [0.2, "stop"],
        [0.4, "store goes"],
        [0.7, "store comes"],
        [0.7, "crash"],
      ],
    },
    await startQuestDb(),
  ),
);
