import { join, resolve } from "node:path";
import type { Logger } from "pino";
import { Api, type Readiness } from "./api/api.js";
import { Metrics } from "./api/metrics.js";
import { ShardQueries } from "./api/shard-queries.js";
import { systemClock } from "./base/clock.js";
import { MeterstormError, messageOf } from "./base/errors.js";
import { stableHash } from "./base/ids.js";
import { limits } from "./base/limits.js";
import type { TenantPlan } from "./base/settings.js";
import { LastValues } from "./cluster/last-values.js";
import { RedisCache } from "./cluster/redis.js";
import { KeyRing } from "./config/keys.js";
import type { Config, TenantConfig } from "./config/schema.js";
import { tenantPlans } from "./config/tenants.js";
import { claimDirectory, type DirectoryClaim } from "./data-directory.js";
import { Gateway } from "./intake/gateway.js";
import { errorAnswer, type NetworkServer } from "./intake/network.js";
import { listen } from "./intake/server.js";
import { createClaims } from "./memory/claims.js";
import { shardCount } from "./shards/count.js";
import { ShardRunner } from "./shards/runner.js";
import { Shard } from "./shards/shard.js";
import { type OpenStore, openStore } from "./store/open.js";

/** What is left of the time that a shutdown may take when shards have flushed and written their snapshots. */
const STOP_MS = 9_000;
const STORE_RETRY_MS = 500;

export interface EngineOptions {
  log: Logger;
  /** Stops taking rows anywhere: for measuring the engine without a store. */
  withoutStore?: boolean;
}

export interface Engine {
  readonly url: string;
  readonly port: number;
  /** Resolves when the engine has ended by itself, with what ended it. */
  readonly failed: Promise<MeterstormError>;
  /** Drains and ends; resolves when everything is down. */
  close(): Promise<void>;
}

/** Puts the engine together and starts it. Throws MeterstormError when it cannot start as configured. */
export async function startEngine(config: Config, options: EngineOptions): Promise<Engine> {
  const node = new Node(config, options);
  await node.start();
  return node;
}

class Node implements Engine {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #directory: string;
  readonly #plans: Map<string, TenantPlan>;
  readonly #tenants: Map<string, TenantConfig>;
  readonly #keys: KeyRing;
  readonly #shards: Shard[];
  readonly #runner: ShardRunner;
  readonly #store: OpenStore;
  readonly #gateway: Gateway;
  readonly #queries = new ShardQueries();
  readonly #metrics: Metrics;
  readonly #redis: RedisCache | null;
  readonly #lastValues: LastValues | null;
  #claim: DirectoryClaim | null = null;
  #server: NetworkServer | null = null;
  #storeTrouble = "starting";
  #closing: Promise<void> | null = null;
  readonly failed: Promise<MeterstormError>;
  #fail: (error: MeterstormError) => void = () => undefined;

  constructor(config: Config, options: EngineOptions) {
    this.#config = config;
    this.#log = options.log;
    this.#directory = resolve(config.dataDir);
    this.#plans = new Map(tenantPlans(config).map((plan) => [plan.id, plan]));
    this.#tenants = new Map(config.tenants.map((tenant) => [tenant.id, tenant]));
    this.#keys = new KeyRing(config);
    this.failed = new Promise((done) => {
      this.#fail = done;
    });
    const shards = shardCount(config);
    this.#shards = Array.from({ length: shards }, (_, index) => new Shard(index));
    this.#store = openStore(config, this.#directory, options.withoutStore ?? false);
    this.#runner = new ShardRunner(this.#shards, this.#store.usesThread ? 1 : 0);
    this.#gateway = this.#openGateway();
    this.#metrics = new Metrics({
      shards: this.#shards,
      gateway: () => this.#gateway,
      redisErrors: () => this.#redis?.errors ?? 0,
    });
    this.#redis = config.redis === null ? null : this.#openRedis(config.redis.url);
    this.#lastValues = this.#redis === null ? null : new LastValues(this.#shards, this.#queries, this.#redis);
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  get url(): string {
    const { host } = this.#config.listen;
    const name = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host.includes(":") ? `[${host}]` : host;
    return `http://${name}:${this.port}`;
  }

  async start(): Promise<void> {
    try {
      this.#claim = claimDirectory(this.#directory, this.#shards.length, this.#spread);
      await this.#listen();
      for (const shard of this.#shards) {
        void shard.listen(this.#gateway).catch((error: unknown) => this.#fatal("internal", messageOf(error)));
      }
      if (this.#store.usesThread) this.#store.startThread(this.#runner);
      void this.#openShards();
      void this.#lastValues?.run();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  #openGateway(): Gateway {
    return new Gateway({
      ack: this.#config.ack,
      shards: this.#shards,
      shardOf: (tenant, datalogger) => this.#shardOf(tenant, datalogger),
      tenant: (id) => this.#tenants.get(id),
      authenticate: (header) => this.#keys.authenticate(header),
      onAck: (seconds) => this.#metrics.observeAck(seconds),
      onAlert: (alert) => this.#redis?.publishAlert(String(alert["tenant"]), stringFields(alert)),
      onReply: (id, json) => this.#queries.answered(id, json),
      onReady: (shard) => {
        shard.trouble = "";
        this.#log.info({ shard: shard.index }, "shard open");
        // Not one by one: whose meter it is, all shards must have said before any takes a frame.
        if (this.#shards.every(({ trouble }) => trouble === "")) for (const { scheduler } of this.#shards) scheduler.open();
      },
      onWarning: (shard, text) => this.#log.warn({ shard: shard.index }, text),
    });
  }

  #openRedis(url: string): RedisCache {
    const log = { info: (message: string) => this.#log.info(message), warn: (message: string) => this.#log.warn(message) };
    return new RedisCache({ url, clock: systemClock, log });
  }

  #shardOf(tenant: string, datalogger: string): Shard {
    const spread = this.#tenants.get(tenant)?.shards ?? 1;
    const home = stableHash(tenant);
    const step = spread > 1 ? stableHash(`${tenant}\n${datalogger}`) % Math.min(spread, this.#shards.length) : 0;
    return this.#shards[(home + step) % this.#shards.length]!;
  }

  /** In how many shards each client lives. */
  get #spread(): Record<string, number> {
    return Object.fromEntries(this.#config.tenants.map(({ id, shards }) => [id, Math.min(shards, this.#shards.length)]));
  }

  /** The shards in which the tenant's meters may be. */
  #shardsOf(tenant: string): Shard[] {
    const spread = Math.min(this.#tenants.get(tenant)?.shards ?? 1, this.#shards.length);
    return Array.from({ length: spread }, (_, step) => this.#shards[(stableHash(tenant) + step) % this.#shards.length]!);
  }

  async #listen(): Promise<void> {
    const api = new Api({
      authenticate: (header) => this.#keys.authenticate(header),
      plan: (tenant) => this.#plans.get(tenant),
      shardsOf: (tenant) => this.#shardsOf(tenant),
      store: this.#store.store,
      queries: this.#queries,
      readiness: () => this.#readiness(),
      metrics: () => this.#metrics.text(),
      post: (request) => this.#gateway.post(request),
    });
    this.#server = await listen(this.#config.listen.host, this.#config.listen.port, {
      upgrade: (request) => {
        if (request.path !== "/v1/stream")
          return {
            accept: false,
            answer: errorAnswer(404, "not_found", `there is no WebSocket at ${request.path.slice(0, 200)}`),
          };
        return this.#gateway.upgrade(request);
      },
      request: (request) => api.request(request),
      maxBodyBytes: (method, path) => api.maxBodyBytes(method, path),
      failed: (error) => this.#log.error({ err: error }, "request failed"),
    });
  }

  /** The store first, since a wrong one must not be fed; it may take its time to come up. */
  async #openShards(): Promise<void> {
    while (this.#closing === null) {
      try {
        await this.#store.store.prepare();
        const identity = await this.#store.store.identity();
        this.#claim?.bindStore(identity);
        break;
      } catch (error) {
        if (!(error instanceof MeterstormError) || error.code !== "store_unavailable") {
          this.#fatal(error instanceof MeterstormError ? error.code : "internal", messageOf(error));
          return;
        }
        if (this.#storeTrouble !== error.message) this.#log.warn({ reason: error.message }, "waiting for the store");
        this.#storeTrouble = error.message;
        await new Promise((done) => setTimeout(done, STORE_RETRY_MS));
      }
    }
    if (this.#closing !== null) return;
    this.#storeTrouble = "";
    this.#runShards();
  }

  #runShards(): void {
    const config = this.#config;
    const spread = Object.entries(this.#spread).flatMap(([tenant, shards]) => (shards > 1 ? [tenant] : []));
    const claims = spread.length === 0 ? null : createClaims(limits.claimSlots);
    this.#runner.start(
      (index) => ({
        index,
        shards: this.#shards.length,
        directory: join(this.#directory, `shard-${index}`),
        plans: [...this.#plans.values()],
        splitTenants: spread,
        claims,
        ack: config.ack,
        journalMaxBytes: Math.floor(config.journal.maxBytes / this.#shards.length),
        journalKeepMs: config.journal.keepMs,
        store: this.#store.target,
        storePort: this.#store.portForShard(),
      }),
      (shard, error) => this.#fatal(error.code, `shard ${shard.index}: ${error.message}`),
    );
  }

  #fatal(code: string, message: string): void {
    if (this.#closing !== null) return;
    this.#log.fatal({ code }, message);
    this.#fail(new MeterstormError(code, message));
  }

  async #readiness(): Promise<Readiness> {
    const reasons: string[] = [];
    if (this.#storeTrouble !== "") reasons.push(`store: ${this.#storeTrouble}`);
    for (const shard of this.#shards) if (shard.trouble !== "") reasons.push(`shard ${shard.index}: ${shard.trouble}`);
    if (this.#gateway.draining) reasons.push("draining");
    const degraded: string[] = [];
    for (const { index, stats } of this.#shards) {
      if (stats === null) continue;
      if (stats.storeTrouble !== "") degraded.push(`shard ${index}: store: ${stats.storeTrouble}`);
      if (stats.snapshotTrouble !== "") degraded.push(`shard ${index}: snapshot: ${stats.snapshotTrouble}`);
    }
    const redis = this.#redis?.state();
    if (redis !== undefined && !redis.up) degraded.push(`redis: ${redis.error ?? "down"}`);
    return Promise.resolve({ ready: reasons.length === 0, reasons, degraded });
  }

  close(): Promise<void> {
    this.#closing ??= this.#drain();
    return this.#closing;
  }

  /** No new work, what is in the rings finished and acked, the store flushed as far as it answers, then down. */
  async #drain(): Promise<void> {
    this.#gateway.draining = true;
    this.#server?.stopListening();
    await this.#runner.stop(STOP_MS);
    // One more turn: the last acks are in the outcome rings now.
    await new Promise((done) => setTimeout(done, 20));
    for (const shard of this.#shards) shard.stop();
    this.#gateway.closeAll(1001, "shutting down");
    await new Promise((done) => setTimeout(done, 20));
    this.#server?.close();
    this.#lastValues?.stop();
    await this.#redis?.close();
    await this.#store.close();
    await this.#runner.destroy();
    this.#claim?.release();
  }
}

function stringFields(alert: Record<string, string | number | null>): Record<string, string> {
  return Object.fromEntries(Object.entries(alert).map(([name, value]) => [name, value === null ? "" : String(value)]));
}
