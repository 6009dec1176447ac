import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { DuckDbFile } from "../../engine/store/duckdb.js";
import { DuckDbStore } from "../../engine/store/duckdb-reads.js";
import type { RejectedRow } from "../../engine/store/interface.js";
import { QuestDbStore } from "../../engine/store/questdb.js";
import { type ConfigFile, createTenant, type RunningEngine, startEngineProcess, type TestTenant } from "../support/engine.js";
import { type RunningQuestDb, startQuestDb } from "../support/questdb.js";
import { Neighbour } from "./neighbour.js";
import { Wire } from "./wire.js";

export type StoreType = "duckdb" | "questdb";

const ALL_TIMES = { from: Date.UTC(2000, 0, 1), to: Date.UTC(2200, 0, 1) };
const MOST_ROWS = 10_000;

/**
 * An engine process with two clients: `acme`, whose dataloggers misbehave, and `other`. A well-behaved datalogger of
 * each sends along with everything that is done `amid` them.
 */
export class Stage {
  engine: RunningEngine;
  readonly acme: TestTenant;
  readonly other: TestTenant;
  readonly #questDb: RunningQuestDb | null;
  readonly #config: ConfigFile;
  #neighbours: Neighbour[];

  private constructor(
    engine: RunningEngine,
    acme: TestTenant,
    other: TestTenant,
    questDb: RunningQuestDb | null,
    config: ConfigFile,
    neighbours: Neighbour[],
  ) {
    this.engine = engine;
    this.acme = acme;
    this.other = other;
    this.#questDb = questDb;
    this.#config = config;
    this.#neighbours = neighbours;
  }

  static async set(store: StoreType, acmeSettings: ConfigFile = {}): Promise<Stage> {
    const acme = createTenant("acme", acmeSettings);
    const other = createTenant("other");
    const questDb = store === "questdb" ? await startQuestDb() : null;
    const config = {
      shards: 1,
      tenants: [acme.config, other.config],
      store: questDb === null ? { type: "duckdb" } : { type: "questdb", http: questDb.httpUrl },
    };
    const engine = await startEngineProcess({ config });
    await engine.ready();
    const neighbours: Neighbour[] = [];
    for (const { tokens } of [acme, other]) {
      const wire = await Wire.open(engine.wsUrl, tokens.ingest, "neighbour");
      neighbours.push(new Neighbour(wire, engine.url, tokens.read, "neighbour"));
    }
    return new Stage(engine, acme, other, questDb, config, neighbours);
  }

  /** A connection of one of acme's dataloggers. */
  wire(datalogger: string): Promise<Wire> {
    return Wire.open(this.engine.wsUrl, this.acme.tokens.ingest, datalogger);
  }

  /** Does `work` while frames of both neighbours are under way, before it and after it. */
  async amid<T>(work: () => Promise<T>): Promise<T> {
    for (const neighbour of this.#neighbours) neighbour.send();
    const result = await work();
    for (const neighbour of this.#neighbours) neighbour.send();
    for (const neighbour of this.#neighbours) await neighbour.undisturbed();
    return result;
  }

  /** As `amid`, but only with the neighbour of the other client, which no limit of acme's touches. */
  async amidOther<T>(work: () => Promise<T>): Promise<T> {
    const [, other] = this.#neighbours;
    other!.send();
    const result = await work();
    other!.send();
    await other!.undisturbed();
    return result;
  }

  async otherStored(): Promise<void> {
    await this.#neighbours[1]!.stored();
  }

  /** What the neighbours sent is in the store, every reading and its delta. */
  async neighboursStored(): Promise<void> {
    for (const neighbour of this.#neighbours) await neighbour.stored();
  }

  /** Ends the engine politely or by kill -9, and starts another on the same data directory. The neighbours have done their part by then. */
  async restart(how: "stop" | "crash"): Promise<void> {
    for (const neighbour of this.#neighbours) neighbour.close();
    this.#neighbours = [];
    if (how === "stop") await this.engine.stop();
    else await this.engine.kill9();
    this.engine = await startEngineProcess({ config: { ...this.#config, dataDir: this.engine.dataDir } });
    await this.engine.ready();
  }

  /** Ends the engine, which sends what is left to the store, and reads acme's rows of `rejected` from it. */
  async stopAndReadRejected(): Promise<RejectedRow[]> {
    for (const neighbour of this.#neighbours) neighbour.close();
    await this.engine.stop();
    const store =
      this.#questDb === null
        ? new DuckDbStore(await DuckDbFile.open(join(this.engine.dataDir, "meterstorm.duckdb")), randomUUID)
        : new QuestDbStore({ http: this.#questDb.httpUrl, username: null, password: null });
    try {
      return await store.rejected("acme", ALL_TIMES, MOST_ROWS);
    } finally {
      await store.close();
    }
  }

  async clear(): Promise<void> {
    for (const neighbour of this.#neighbours) neighbour.close();
    await this.engine.kill9();
    await this.#questDb?.kill();
  }
}
