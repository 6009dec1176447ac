import { randomBytes } from "node:crypto";
import { join, resolve } from "node:path";
import type { Logger } from "pino";
import { AlertDelivery } from "./alert-delivery.js";
import { Api } from "./api/api.js";
import { Metrics } from "./api/metrics.js";
import { ShardQueries } from "./api/shard-queries.js";
import type { AlertTransition } from "./base/alert-transition.js";
import { systemClock } from "./base/clock.js";
import { MeterstormError, messageOf } from "./base/errors.js";
import { LastValues } from "./cluster/last-values.js";
import { RedisCache } from "./cluster/redis.js";
import { InForce } from "./config/in-force.js";
import type { Identity } from "./config/keys.js";
import type { Config } from "./config/schema.js";
import { claimDirectory, type DirectoryClaim } from "./data-directory.js";
import { AlertStreams } from "./intake/alert-streams.js";
import { Gateway } from "./intake/gateway.js";
import type { NetworkServer } from "./intake/network.js";
import { listen } from "./intake/server.js";
import { Tickets } from "./intake/tickets.js";
import { identifier, upgradesAt } from "./intake/upgrades.js";
import { LiveChanges } from "./live-changes.js";
import { Notifier } from "./notify/notifier.js";
import { Placement, spreadOf } from "./placement.js";
import { ReadinessReport } from "./readiness.js";
import { Mover } from "./resharding/mover.js";
import { shardCount } from "./shards/count.js";
import { changePlans, HalfChanged, type PlanChange } from "./shards/plan-change.js";
import { ShardRunner } from "./shards/runner.js";
import { Shard } from "./shards/shard.js";
import { type OpenStore, openStore } from "./store/open.js";
import { supervisionOf } from "./supervision.js";

/** What is left of the time that a shutdown may take when shards have flushed and written their snapshots. */
const STOP_MS = 9_000;
const STORE_RETRY_MS = 500;
/** What webhooks get of it. */
const NOTIFY_STOP_MS = 1_000;

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
  /** Goes on by another configuration as far as that needs no restart; rejects with a MeterstormError where it cannot, and nothing is changed then. */
  reload(config: Config): Promise<void>;
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
  readonly #inForce: InForce;
  readonly #shards: Shard[];
  readonly #placement: Placement;
  readonly #runner: ShardRunner;
  readonly #mover: Mover;
  readonly #store: OpenStore;
  readonly #tickets = new Tickets(systemClock, randomBytes);
  readonly #gateway: Gateway;
  readonly #streams: AlertStreams;
  readonly #queries = new ShardQueries();
  readonly #notifier: Notifier;
  readonly #delivery: AlertDelivery;
  readonly #changes: LiveChanges;
  readonly #metrics: Metrics;
  readonly #readiness: ReadinessReport;
  readonly #redis: RedisCache | null;
  readonly #lastValues: LastValues | null;
  #claim: DirectoryClaim | null = null;
  #server: NetworkServer | null = null;
  #storeTrouble = "starting";
  #closing: Promise<void> | null = null;
  readonly failed: Promise<MeterstormError>;
  #fail: (error: MeterstormError) => void = () => undefined;
  readonly #opened: Promise<void>;
  #open: () => void = () => undefined;

  constructor(config: Config, options: EngineOptions) {
    this.#config = config;
    this.#log = options.log;
    this.#directory = resolve(config.dataDir);
    this.#inForce = new InForce(config.tenants);
    this.failed = new Promise((done) => {
      this.#fail = done;
    });
    this.#opened = new Promise((done) => {
      this.#open = done;
    });
    this.#shards = Array.from({ length: shardCount(config) }, (_, index) => new Shard(index));
    this.#placement = new Placement(this.#shards, (tenant) => this.#inForce.tenant(tenant)?.shards ?? 1);
    this.#store = openStore(config, this.#directory, options.withoutStore ?? false);
    const identify = identifier(this.#inForce, this.#tickets);
    this.#streams = new AlertStreams({ identify, isDraining: () => this.#gateway.draining });
    this.#gateway = this.#openGateway(identify);
    const supervision = supervisionOf({
      ...{ config, shards: this.#shards.length, inForce: this.#inForce, store: this.#store },
      ...{ gateway: this.#gateway, queries: this.#queries, log: this.#log },
      claim: () => this.#claim!,
      fatal: (code, message) => this.#fatal(code, message),
    });
    this.#runner = new ShardRunner(this.#shards, supervision);
    this.#redis = config.redis === null ? null : this.#openRedis(config.redis.url);
    this.#lastValues = this.#redis === null ? null : new LastValues(this.#shards, this.#queries, this.#redis);
    this.#notifier = this.#createNotifier();
    this.#delivery = new AlertDelivery({
      clock: systemClock,
      stream: (tenant, json) => this.#streams.tell(tenant, json),
      publish: (transition) => this.#redis?.publishAlert(transition.tenant, stringFields(transition)),
      keep: (transition) => this.#notifier.take(transition),
    });
    this.#mover = this.#createMover();
    this.#changes = this.#createChanges();
    this.#metrics = this.#createMetrics();
    this.#readiness = new ReadinessReport({
      ...{ clock: systemClock, shards: this.#shards },
      storeTrouble: () => this.#storeTrouble,
      moving: () => this.#mover.state,
      isDraining: () => this.#gateway.draining,
      redisTrouble: () => (this.#redis === null || this.#redis.state().up ? "" : (this.#redis.state().error ?? "down")),
      webhooks: () => this.#notifier.stats(),
    });
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
      this.#claim = claimDirectory(this.#directory, this.#shards.length, spreadOf(this.#config, this.#shards.length));
      this.#changes.begin();
      await this.#openNotifier();
      await this.#listen();
      for (const shard of this.#shards) {
        void shard.listen(this.#gateway).catch((error: unknown) => this.#fatal("internal", messageOf(error)));
      }
      this.#store.startThread(this.#runner, (error) =>
        this.#fatal("store_failed", `the embedded store has ended: ${messageOf(error)}`),
      );
      void this.#openShards();
      void this.#lastValues?.run();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  reload(config: Config): Promise<void> {
    return this.#changes.reload(config);
  }

  #openGateway(identify: ReturnType<typeof identifier>): Gateway {
    return new Gateway({
      ack: this.#config.ack,
      shards: this.#shards,
      shardOf: (tenant, datalogger) => this.#placement.shardOf(tenant, datalogger),
      tenant: (id) => this.#inForce.tenant(id),
      identify,
      onAck: (seconds) => this.#metrics.observeAck(seconds),
      onAlert: (shard, position, json) => this.#delivery.alert(shard, position, json),
      onReply: (id, json) => this.#queries.answered(id, json),
      onReady: (shard) => this.#ready(shard),
      onWarning: (shard, text) => this.#log.warn({ shard: shard.index }, text),
    });
  }

  #ready(shard: Shard): void {
    shard.trouble = "";
    this.#log.info({ shard: shard.index }, shard.timesOpened > 1 ? "shard open again" : "shard open");
    // Not one by one: whose meter it is, all shards must have said before any takes a frame.
    if (shard.timesOpened > 1 || !this.#shards.every(({ trouble }) => trouble === "")) return;
    for (const { scheduler } of this.#shards) scheduler.open();
    this.#open();
  }

  #openRedis(url: string): RedisCache {
    return new RedisCache({ url, clock: systemClock, log: this.#lines() });
  }

  #createNotifier(): Notifier {
    return new Notifier({
      directory: join(this.#directory, "notify"),
      webhooks: (tenant) => this.#inForce.tenant(tenant)?.webhooks ?? [],
      log: this.#lines(),
    });
  }

  async #openNotifier(): Promise<void> {
    try {
      await this.#notifier.open();
    } catch (error) {
      if (error instanceof MeterstormError) throw error;
      const message = `what waits for webhooks in ${join(this.#directory, "notify")} cannot be read or written: ${messageOf(error)}`;
      throw new MeterstormError("data_dir_unwritable", message, { cause: error });
    }
  }

  #lines(): { info(message: string): void; warn(message: string): void } {
    return { info: (message) => this.#log.info(message), warn: (message) => this.#log.warn(message) };
  }

  #createChanges(): LiveChanges {
    return new LiveChanges({
      ...{ config: this.#config, directory: this.#directory, shards: this.#shards.length, inForce: this.#inForce },
      claim: () => this.#claim!,
      opened: this.#opened,
      change: (change) => this.#changePlans(change),
      changed: () => this.#changed(),
      log: this.#log,
    });
  }

  async #changePlans(change: PlanChange): Promise<void> {
    try {
      await changePlans(this.#shards, change, systemClock);
    } catch (error) {
      if (error instanceof HalfChanged) this.#fatal(error.code, error.message);
      throw error;
    }
  }

  /** Other tenants are in force: what they are no longer allowed to have open is closed. */
  #changed(): void {
    const tenants = new Map(this.#inForce.tenants.map((tenant) => [tenant.id, tenant]));
    const gone = (identity: Identity): string | null => {
      if (!tenants.has(identity.tenant)) return "tenant_removed";
      return this.#inForce.knows(identity) ? null : "key_removed";
    };
    this.#gateway.closeWhere(gone);
    this.#streams.closeWhere(gone);
    for (const shard of this.#shards) {
      for (const { tenant: id } of shard.lanes) {
        const tenant = tenants.get(id);
        if (tenant === undefined) this.#gateway.forget(shard.discard(id));
        else shard.retune({ tenant: id, weight: tenant.weight, readingsPerSecond: tenant.limits.readingsPerSecond });
      }
    }
    this.#notifier.configure();
  }

  #createMetrics(): Metrics {
    return new Metrics({
      shards: this.#shards,
      gateway: () => this.#gateway,
      redisErrors: () => this.#redis?.errors ?? 0,
      alerts: {
        webhooks: () => this.#notifier.stats(),
        streams: () => this.#streams,
        untold: () => this.#shards.map((shard) => this.#delivery.waiting(shard)),
        changes: () => this.#changes.counts,
      },
    });
  }

  async #listen(): Promise<void> {
    const api = new Api({
      authenticate: (header) => this.#inForce.authenticate(header),
      tenant: (id) => this.#inForce.tenant(id),
      plan: (tenant) => this.#inForce.plan(tenant),
      shardsOf: (tenant) => this.#placement.shardsOf(tenant),
      store: this.#store.store,
      queries: this.#queries,
      readiness: () => Promise.resolve(this.#readiness.now()),
      metrics: () => this.#metrics.text(),
      post: (request) => this.#gateway.post(request),
      tickets: this.#tickets,
      rules: (tenant) => this.#changes.rules(tenant),
      say: (tenant, id, rule) => this.#changes.say(tenant, id, rule),
      webhooks: this.#notifier,
    });
    this.#server = await listen(this.#config.listen.host, this.#config.listen.port, {
      upgrade: upgradesAt({
        "/v1/stream": (request) => this.#gateway.upgrade(request),
        "/v1/alerts/stream": (request) => this.#streams.upgrade(request),
      }),
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
    if (await this.#mover.bringTo(this.#claim!)) this.#runner.start();
  }

  #createMover(): Mover {
    return new Mover({
      ...{ clock: systemClock, store: this.#store, journal: this.#config.journal, log: this.#lines() },
      plans: () => this.#inForce.plans,
      tell: (transition) => this.#delivery.handOn(transition),
      failed: (code, message) => this.#fatal(code, message),
    });
  }

  #fatal(code: string, message: string): void {
    if (this.#closing !== null) return;
    this.#log.fatal({ code }, message);
    this.#fail(new MeterstormError(code, message));
  }

  close(): Promise<void> {
    this.#closing ??= this.#drain();
    return this.#closing;
  }

  /** No new work, what is in the rings finished and acked, the store flushed as far as it answers, then down. */
  async #drain(): Promise<void> {
    this.#gateway.draining = true;
    this.#server?.stopListening();
    await this.#mover.stop();
    await this.#runner.stop(STOP_MS);
    // One more turn: the last acks are in the outcome rings now.
    await new Promise((done) => setTimeout(done, 20));
    for (const shard of this.#shards) shard.stop();
    this.#gateway.closeAll(1001, "shutting down");
    this.#streams.closeAll(1001, "shutting down");
    await new Promise((done) => setTimeout(done, 20));
    this.#server?.close();
    this.#lastValues?.stop();
    await this.#notifier.close(NOTIFY_STOP_MS);
    await this.#redis?.close();
    await this.#store.close();
    await this.#runner.destroy();
    this.#claim?.release();
  }
}

function stringFields(alert: AlertTransition): Record<string, string> {
  return Object.fromEntries(Object.entries(alert).map(([name, value]) => [name, value === null ? "" : String(value)]));
}
