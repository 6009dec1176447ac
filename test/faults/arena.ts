import { writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { AlertTransition } from "../../engine/base/alert-transition.js";
import { homeOf } from "../../engine/base/home.js";
import { ask } from "../end-to-end/api.js";
import { meterEntry } from "../end-to-end/meter-entry.js";
import { Receiver } from "../notify/receiver.js";
import { type ConfigFile, createTenant, type RunningEngine, startEngineProcess, type TestTenant } from "../support/engine.js";
import { type RunningQuestDb, startQuestDb } from "../support/questdb.js";
import { type RunningRedis, redisSkip, startRedis } from "../support/redis.js";
import { freePorts, temporaryDirectory, until } from "../support/servers.js";
import { SmallDisk } from "../support/small-disk.js";
import { type StoreProxy, startStoreProxy } from "../support/store-proxy.js";
import { MemoryWatch } from "./memory-watch.js";
import { RULE, SCRIPTED_METERS } from "./script.js";

/** What a client is to the scenarios: its configuration, its tokens, and the shard that it lives in. */
export interface ArenaClient extends TestTenant {
  readonly id: string;
  readonly shard: number;
}

export type ArenaKind = "engine" | "store" | "disks";

const SHARDS = 3;
const ENGINE_DISK_MIB = 256;
const STORE_DISK_MIB = 1024;
/** Files that grow in small steps: a small disk is not to be full of what is only reserved. `DEV_MODE` lets tables be suspended by hand. */
const STORE_ENV = {
  QDB_DEV_MODE_ENABLED: "true",
  QDB_CAIRO_WRITER_DATA_APPEND_PAGE_SIZE: "262144",
  QDB_CAIRO_WAL_WRITER_DATA_APPEND_PAGE_SIZE: "131072",
  QDB_CAIRO_SYSTEM_WRITER_DATA_APPEND_PAGE_SIZE: "131072",
  QDB_CAIRO_SYMBOL_TABLE_APPEND_PAGE_SIZE: "131072",
};
const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 10_000;
/** From the end of a shard's thread until the next one has opened the shard. */
const REPLACED_WITHIN_MS = 5_000;
/** A thread that has not lasted so long is followed by a pause that grows; milliseconds. */
const LASTING_MS = 40_000;
const MOST_PAUSE_MS = 5_000;

/**
 * What the faults happen to: an engine of three shards with a client in each, QuestDB (behind a proxy where answers are to be cut), Redis,
 * a receiver of webhooks, and where disks are to fill up, small ones.
 */
export class Arena {
  readonly kind: ArenaKind;
  readonly clients: readonly ArenaClient[];
  readonly memory = new MemoryWatch(() => (this.engine?.ended() === null ? this.engine.pid : null));
  readonly #faults = temporaryDirectory("faults");
  #engine: RunningEngine | null = null;
  #questDb: RunningQuestDb | null = null;
  #redis: RunningRedis | null = null;
  #receiver: Receiver | null = null;
  proxy: StoreProxy | null = null;
  engineDisk: SmallDisk | null = null;
  storeDisk: SmallDisk | null = null;
  #config: ConfigFile = {};
  readonly #struckMs = new Map<number, number>();

  private constructor(kind: ArenaKind) {
    this.kind = kind;
    const names = Array.from({ length: 100 }, (_, i) => `client-${i}`);
    this.clients = Array.from({ length: SHARDS }, (_, shard) => {
      const id = names.find((name) => homeOf(name, "any", 1, SHARDS) === shard)!;
      return { ...createTenant(id), id, shard };
    });
  }

  static async open(kind: ArenaKind): Promise<Arena> {
    const arena = new Arena(kind);
    try {
      await arena.#open();
    } catch (error) {
      await arena.close();
      throw error;
    }
    return arena;
  }

  async #open(): Promise<void> {
    const isSmall = this.kind === "disks";
    this.engineDisk = isSmall ? SmallDisk.mount(ENGINE_DISK_MIB) : null;
    this.storeDisk = isSmall ? SmallDisk.mount(STORE_DISK_MIB) : null;
    this.#receiver = await Receiver.start();
    const [port] = await freePorts(1);
    this.#questDb = await startQuestDb({
      ...(this.storeDisk === null ? {} : { dataDir: this.storeDisk.path }),
      env: STORE_ENV,
    });
    if (this.kind === "store") this.proxy = await startStoreProxy(this.#questDb.port);
    this.#redis = this.kind === "engine" && redisSkip() === false ? await startRedis() : null;
    const webhooks = [{ url: this.#receiver.url, secret: "what both sides know", allowPrivate: true, perMinute: 6000 }];
    const meters = SCRIPTED_METERS.map(({ match, settings }) => meterEntry(match, settings));
    this.#config = {
      ...{ shards: SHARDS, listen: { host: "127.0.0.1", port } },
      ...{ store: { type: "questdb", http: this.proxy?.url ?? this.#questDb.httpUrl } },
      ...(this.#redis === null ? {} : { redis: { url: this.#redis.url } }),
      dataDir: this.engineDisk?.path ?? temporaryDirectory("faults-data"),
      tenants: this.clients.map(({ config }) => ({
        ...{ ...config, meters, rules: [RULE], webhooks, limits: { connections: 20_000 } },
      })),
    };
    await this.startEngine();
    await this.ready();
  }

  get engine(): RunningEngine {
    return this.#engine!;
  }

  get questDb(): RunningQuestDb {
    return this.#questDb!;
  }

  get redis(): RunningRedis | null {
    return this.#redis;
  }

  /** What webhooks were sent. */
  get told(): AlertTransition[] {
    return this.#receiver!.received.map(({ body }) => JSON.parse(body) as AlertTransition);
  }

  async startEngine(): Promise<void> {
    this.#engine = await startEngineProcess({
      config: this.#config,
      env: {
        NODE_OPTIONS: `--max-old-space-size=160 --import ${new URL("../support/thread-faults.js", import.meta.url).href}`,
        FAULTS_IN: this.#faults,
      },
    });
  }

  ready(): Promise<void> {
    return this.engine.ready(READY_WITHIN_MS);
  }

  /** SIGTERM; throws where it does not end with 0 in time. */
  async stopEngine(): Promise<void> {
    const begunMs = performance.now();
    const code = await this.engine.stop();
    const ms = Math.round(performance.now() - begunMs);
    if (code !== 0 || ms > STOP_WITHIN_MS)
      throw new Error(`the engine ended with ${code} after ${ms} ms:\n${this.engine.logs().slice(-3000)}`);
  }

  /** Starts QuestDB again where it was; what a disk or a kill left of it is its own business. */
  async questDbAgain(): Promise<void> {
    const { port, dataDir } = this.questDb;
    this.#questDb = await startQuestDb({ port, dataDir, env: STORE_ENV });
  }

  async redisAgain(): Promise<void> {
    this.#redis = await startRedis({ port: this.#redis!.port });
  }

  /** Does this to the thread of a shard and resolves once another one has taken its place; throws where that takes too long. */
  async strike(shard: number, fault: string): Promise<void> {
    const count = (words: string) => this.engine.logs().split(words).length - 1;
    const [hit, open] = [count("shard is opened again"), count('"msg":"shard open again"')];
    writeFileSync(`${this.#faults}/fault-${shard}`, fault);
    await until(`shard ${shard} meets "${fault}"`, 15_000, () => count("shard is opened again") > hit);
    const begunMs = performance.now();
    await until(`shard ${shard} is open again`, 30_000, () => count('"msg":"shard open again"') > open);
    const nowMs = performance.now();
    const hasLasted = begunMs - (this.#struckMs.get(shard) ?? Number.NEGATIVE_INFINITY) > LASTING_MS;
    this.#struckMs.set(shard, nowMs);
    const ms = Math.round(nowMs - begunMs);
    if (ms > REPLACED_WITHIN_MS + (hasLasted ? 0 : MOST_PAUSE_MS))
      throw new Error(`shard ${shard} was open again ${ms} ms after "${fault}"`);
  }

  /** How long a fault lasts is a part of it. */
  hold(ms: number): Promise<void> {
    return delay(ms);
  }

  /** Readings, late inputs and alert transitions that wait for something; null while the engine does not say. */
  async waiting(): Promise<number | null> {
    const { status, body } = await ask(this.engine.url, "/metrics", null);
    if (status !== 200) return null;
    const waits = /^meterstorm_(?:store_lag_readings|late_inputs_waiting|alerts_untold|webhook_waiting)\{[^}]*\} (\d+)$/gm;
    const found = [...String(body).matchAll(waits)];
    return found.length === 0 ? null : found.reduce((sum, [, count]) => sum + Number(count), 0);
  }

  async close(): Promise<void> {
    this.memory.end();
    await this.#engine?.kill9();
    await this.proxy?.close();
    await this.#questDb?.kill();
    await this.#redis?.kill();
    await this.#receiver?.stop();
    this.engineDisk?.unmount();
    this.storeDisk?.unmount();
  }
}
