import { Redis } from "ioredis";
import type { Clock, Timer } from "../base/clock.js";
import { messageOf } from "../base/errors.js";

/** What a cache says about itself: once when it goes away and once when it is back, not at every attempt. */
export interface CacheLogger {
  info(message: string): void;
  warn(message: string): void;
}

export interface RedisCacheOptions {
  /** `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS. */
  readonly url: string;
  readonly clock: Clock;
  readonly log: CacheLogger;
  /** A command without an answer for so long has failed. Default 2,000 ms. */
  readonly commandTimeoutMs?: number;
  /** Longest pause between two attempts to connect. Default 5,000 ms. */
  readonly reconnectMaxMs?: number;
  /** Alerts that wait while Redis is away; beyond it the oldest are dropped. Default 10,000, what a stream keeps. */
  readonly maxWaitingAlerts?: number;
}

/** A meter's last values, as the JSON text that stands in the hash. */
export interface LastEntry {
  readonly meter: string;
  readonly json: string;
}

export interface CacheState {
  readonly up: boolean;
  /** Why it is down. */
  readonly error?: string;
}

interface WaitingAlert {
  readonly key: string;
  /** The entry's id in the stream, given once, so that a second attempt cannot add it twice. */
  readonly id: string;
  readonly fields: string[];
}

type Reply = readonly [error: Error | null, result: unknown];

const CLOSED = "the connection was closed";
const COMMAND_TIMEOUT_MS = 2000;
const RECONNECT_MAX_MS = 5000;
const RECONNECT_FIRST_MS = 50;
const STREAM_LENGTH = 10_000;
const RETRY_ALERTS_MS = 500;
const ALERTS_PER_PIPELINE = 256;
const ENTRIES_PER_COMMAND = 500;
const COMMANDS_PER_PIPELINE = 20;

/**
 * What other programs may read without asking the engine: each tenant's last values and its latest
 * alerts, in Redis. A cache and never the only copy, so nothing here throws into the caller or holds
 * it up: Redis away or hanging costs a bounded wait, a count in `errors`, and a line in the log.
 */
export class RedisCache {
  /** Failed attempts to connect and failed commands since the start. */
  errors = 0;
  /** How often it came up: each time it may hold nothing of what it was given before. */
  timesUp = 0;
  /** Alerts that were dropped because Redis stayed away for too long. */
  droppedAlerts = 0;
  readonly #redis: Redis;
  readonly #clock: Clock;
  readonly #log: CacheLogger;
  readonly #maxWaitingAlerts: number;
  #up = false;
  #error = "not connected yet";
  #lastTime = 0;
  #lastCount = 0;
  readonly #waiting: WaitingAlert[] = [];
  #draining: Promise<void> | null = null;
  #retry: Timer | null = null;
  #closed = false;

  /** Connects at once, and again whenever the connection is lost. */
  constructor(options: RedisCacheOptions) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#maxWaitingAlerts = options.maxWaitingAlerts ?? STREAM_LENGTH;
    const commandTimeoutMs = options.commandTimeoutMs ?? COMMAND_TIMEOUT_MS;
    const reconnectMaxMs = options.reconnectMaxMs ?? RECONNECT_MAX_MS;
    this.#redis = new Redis(options.url, {
      // Commands of a time without Redis would pile up without bound, and be stale when they are sent.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      connectTimeout: commandTimeoutMs,
      commandTimeout: commandTimeoutMs,
      disconnectTimeout: 500,
      // The address leads to another server after a failover.
      reconnectOnError: (error) => error.message.startsWith("READONLY"),
      retryStrategy: (attempt) => Math.min(reconnectMaxMs, RECONNECT_FIRST_MS * 2 ** Math.min(attempt, 20)),
    });
    this.#redis.on("ready", () => this.#cameUp());
    this.#redis.on("error", (error: Error) => this.#connectionFailed(error.message));
    this.#redis.on("close", () => this.#wentDown(CLOSED));
  }

  /** Whether commands are answered now. */
  state(): CacheState {
    return this.#up ? { up: true } : { up: false, error: this.#error };
  }

  /** Alerts that are not written yet. */
  get waitingAlerts(): number {
    return this.#waiting.length;
  }

  /**
   * Writes last values into the tenant's hash. False when Redis did not take all of them: the next
   * round carries newer ones. Never rejects, and lasts no longer than the timeout of a command.
   */
  async publishLast(tenant: string, entries: readonly LastEntry[]): Promise<boolean> {
    const key = `meterstorm:{${tenant}}:last`;
    const step = ENTRIES_PER_COMMAND * COMMANDS_PER_PIPELINE;
    for (let from = 0; from < entries.length; from += step) {
      if (!this.#up) return false;
      const pipeline = this.#redis.pipeline();
      const end = Math.min(entries.length, from + step);
      for (let at = from; at < end; at += ENTRIES_PER_COMMAND) {
        const pairs: string[] = [];
        for (const { meter, json } of entries.slice(at, Math.min(end, at + ENTRIES_PER_COMMAND))) pairs.push(meter, json);
        pipeline.hset(key, ...pairs);
      }
      const replies = await this.#replies(pipeline.exec());
      const error = replies.find(([failure]) => failure !== null)?.[0];
      if (error) {
        this.#commandFailed(error);
        return false;
      }
    }
    return true;
  }

  /**
   * Adds an alert transition to the tenant's stream, in the order of the calls and once, however often
   * the connection breaks meanwhile. Returns at once; while Redis is away it waits in memory, bounded.
   */
  publishAlert(tenant: string, fields: Readonly<Record<string, string>>): void {
    if (this.#closed) return;
    if (this.#waiting.length >= this.#maxWaitingAlerts) {
      this.#waiting.shift();
      this.droppedAlerts++;
    }
    this.#waiting.push({ key: `meterstorm:{${tenant}}:alerts`, id: this.#nextId(), fields: Object.entries(fields).flat() });
    this.#drain();
  }

  /** Writes what waits if Redis answers, then lets go of the connection. Lasts no longer than the timeout of a command. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#retry?.cancel();
    await this.#draining;
    if (this.#up && this.#waiting.length > 0) await this.#writeWaiting();
    this.#up = false;
    this.#error = "closed";
    this.#redis.disconnect();
  }

  /** Ids grow even when the clock is set back, since a stream refuses one that is not above its last. */
  #nextId(): string {
    const now = this.#clock.nowMs();
    if (now > this.#lastTime) {
      this.#lastTime = now;
      this.#lastCount = 0;
    } else this.#lastCount++;
    return `${this.#lastTime}-${this.#lastCount}`;
  }

  #drain(): void {
    if (this.#draining !== null || this.#closed || !this.#up || this.#waiting.length === 0) return;
    this.#draining = this.#writeWaiting().then((done) => {
      this.#draining = null;
      if (done) this.#drain();
      else if (!this.#closed) {
        this.#retry?.cancel();
        this.#retry = this.#clock.after(RETRY_ALERTS_MS, () => this.#drain());
      }
    });
  }

  /** One after the other in batches; true when nothing waits any more. */
  async #writeWaiting(): Promise<boolean> {
    while (this.#waiting.length > 0) {
      if (!this.#up) return false;
      const batch = this.#waiting.slice(0, ALERTS_PER_PIPELINE);
      const pipeline = this.#redis.pipeline();
      for (const { key, id, fields } of batch) pipeline.xadd(key, "MAXLEN", "~", STREAM_LENGTH, id, ...fields);
      const replies = await this.#replies(pipeline.exec());
      for (let i = 0; i < batch.length; i++) {
        const error = i < replies.length ? replies[i]![0] : new Error("no reply");
        if (error !== null && !(await this.#settled(batch[i]!, error))) return false;
        // While this waited for its reply it may have been dropped as the oldest.
        if (this.#waiting[0] === batch[i]) this.#waiting.shift();
      }
    }
    return true;
  }

  /** Whether an alert whose command failed needs no other attempt. */
  async #settled(alert: WaitingAlert, error: Error): Promise<boolean> {
    if (/equal or smaller/.test(error.message)) return this.#writtenBefore(alert);
    this.#commandFailed(error);
    // Refused for good, by a key of another type for example: it must not hold up the others.
    if (!/^(?:ERR|WRONGTYPE) /.test(error.message)) return false;
    this.droppedAlerts++;
    this.#log.warn(`redis refused an alert for ${alert.key}, which is dropped: ${error.message}`);
    return true;
  }

  /**
   * A refused id is either this very alert, written by an attempt whose reply was lost, or lies below what
   * somebody else wrote (another node, or this one before its clock was set back): then it is added with an id of Redis' own.
   */
  async #writtenBefore({ key, id, fields }: WaitingAlert): Promise<boolean> {
    try {
      const found = await this.#redis.xrange(key, id, id);
      if (found.length === 0) await this.#redis.xadd(key, "MAXLEN", "~", STREAM_LENGTH, "*", ...fields);
      return true;
    } catch (error) {
      this.#commandFailed(error);
      return false;
    }
  }

  /** The replies of a pipeline; one that was never sent counts as a single failure. */
  async #replies(execution: Promise<Reply[] | null>): Promise<readonly Reply[]> {
    try {
      return (await execution) ?? [];
    } catch (error) {
      return [[error instanceof Error ? error : new Error(messageOf(error)), null]];
    }
  }

  #cameUp(): void {
    this.#up = true;
    this.timesUp++;
    this.#log.info("redis answers: last values and alerts are published");
    this.#drain();
  }

  #commandFailed(error: unknown): void {
    this.errors++;
    const message = messageOf(error);
    if (!/timed out/.test(message)) return;
    // A server that hangs keeps its connection open: begin anew, or commands would gather behind it.
    this.#wentDown(message);
    this.#redis.disconnect(true);
  }

  #connectionFailed(message: string): void {
    this.errors++;
    this.#wentDown(message);
  }

  #wentDown(message: string): void {
    if (this.#closed) return;
    if (this.#up) this.#log.warn(`redis is away (${message}): last values are not published, alerts wait`);
    // Of a failure and the closing of the connection that follows, the failure says more.
    if (this.#up || message !== CLOSED) this.#error = message;
    this.#up = false;
  }
}
