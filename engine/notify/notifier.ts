import type { AlertTransition } from "../base/alert-transition.js";
import type { Clock } from "../base/clock.js";
import { systemClock } from "../base/clock.js";
import type { Disk } from "../base/disk.js";
import { invariant, MeterstormError } from "../base/errors.js";
import { limits } from "../base/limits.js";
import { nodeDisk } from "../base/node-disk.js";
import { Channel, type DeliveryCounts, type NotifyTiming } from "./channel.js";
import { type DeadLetter, type DeadLetterBounds, DeadLetters } from "./dead-letters.js";
import { type Endpoint, HttpEndpoint } from "./endpoint.js";
import { QueueLog } from "./queue-log.js";
import { foldRecords, type QueueState, type WaitingEntry } from "./queue-state.js";
import type { Failing, QueueRecord } from "./records.js";
import { recoverQueue } from "./recovery.js";
import { type Redelivered, Redelivery, type WebhookState } from "./redelivery.js";
import { RememberedKeys } from "./remembered-keys.js";
import { type NotifyLog, type Webhook, webhookId } from "./transition.js";

export interface NotifyBounds extends DeadLetterBounds {
  /** Transitions that wait for one webhook; beyond it they are dead letters at once. */
  readonly waiting: number;
  /** That wait for all webhooks; beyond it each has its equal share. */
  readonly waitingInAll: number;
  /** Keys of transitions that are known when they are told again, whatever became of them. */
  readonly keys: number;
  /** What the file of what waits may grow by, at least, before it is begun anew. */
  readonly growthBytes: number;
}

export interface NotifierOptions {
  /** Its own; made when absent. */
  readonly directory: string;
  /** A client's webhooks as they are configured now; asked for with each transition. */
  webhooks(tenant: string): readonly Webhook[];
  readonly log: NotifyLog;
  readonly clock?: Clock;
  /** In [0, 1). */
  readonly random?: () => number;
  readonly disk?: Disk;
  readonly timing?: Partial<NotifyTiming>;
  readonly bounds?: Partial<NotifyBounds>;
  readonly endpoint?: (webhook: Webhook) => Endpoint;
}

export interface TenantDelivery extends DeliveryCounts {
  /** Transitions that are not delivered yet. */
  waiting: number;
  /** Webhooks whose last attempt failed. */
  failing: number;
}

export interface NotifierStats {
  /** Clients that have or had something to deliver since the start. */
  tenants: Record<string, TenantDelivery>;
  /** Why the disk does not take what waits; empty when it does. */
  trouble: string;
}

const DAY_MS = 24 * 3_600_000;
const TIMING: NotifyTiming = {
  firstRetryMs: 1_000,
  lastRetryMs: 3_600_000,
  giveUpMs: DAY_MS,
  windowMs: 60_000,
  sayAgainMs: 60_000,
};
const BOUNDS: NotifyBounds = {
  waiting: limits.webhookWaiting,
  waitingInAll: limits.webhookWaitingInAll,
  keys: limits.webhookKeys,
  growthBytes: limits.webhookGrowthBytes,
  fileBytes: limits.deadLetterFileBytes,
  files: limits.deadLetterFiles,
};
const KEYS_PER_RECORD = 500;
/** For who waits for an answer. */
const FLUSH_MS = 5_000;

/**
 * Delivers alert transitions to webhooks, each at least once: what it has taken is on its own disk until a webhook has it or it has
 * become a dead letter. Each webhook has a way of its own, and none waits for another.
 */
export class Notifier {
  readonly #options: NotifierOptions;
  readonly #clock: Clock;
  readonly #disk: Disk;
  readonly #bounds: NotifyBounds;
  readonly #channels = new Map<string, Channel>();
  readonly #counts = new Map<string, DeliveryCounts>();
  readonly #keys: RememberedKeys;
  readonly #letters: DeadLetters;
  readonly #redelivery: Redelivery;
  #log: QueueLog | null = null;
  #lastId = 0;
  #closed = false;

  constructor(options: NotifierOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#disk = options.disk ?? nodeDisk;
    this.#bounds = { ...BOUNDS, ...options.bounds };
    this.#keys = new RememberedKeys(this.#bounds.keys);
    this.#letters = new DeadLetters(this.#disk, options.directory, this.#bounds);
    this.#redelivery = new Redelivery({
      ...{ letters: this.#letters, log: options.log },
      webhooks: (tenant) => options.webhooks(tenant),
      state: (webhook) => this.#channels.get(webhook)?.state() ?? null,
      flush: () => this.#flushSoon(),
      take: (tenant, webhook, letters) => this.#takeAgain(tenant, webhook, letters),
    });
  }

  /** Goes on with what waits since the last run. Throws MeterstormError `notify_version`, or the disk's own error. */
  async open(): Promise<void> {
    const { directory, log } = this.#options;
    await this.#disk.makeDirectory(directory);
    const { records, generation, files, damaged } = await recoverQueue(this.#disk, directory);
    if (damaged > 0)
      log.warn(`${damaged} damaged lines in ${directory}: transitions that stood there may not reach their webhooks`);
    this.#log = new QueueLog({
      ...{ disk: this.#disk, clock: this.#clock, directory, log, generation, replaces: files },
      growthBytes: this.#bounds.growthBytes,
      deadLetters: this.#letters,
      state: () => this.#state(),
    });
    this.#restore(foldRecords(records));
    // Nobody waits for it: a disk that is full must not keep the engine from starting.
    void this.#log.flush();
  }

  /**
   * Takes a transition; one whose key is known changes nothing. Resolves when it is safe on this disk, at once where the client has no webhooks.
   * Never rejects: while the disk fails, and after `close`, it just does not resolve, and whoever told the transition tells it again after a start.
   */
  take(transition: AlertTransition): Promise<void> {
    const queue = this.#log;
    invariant(queue !== null, "a notifier is opened before it takes anything");
    if (this.#closed) return new Promise(() => undefined);
    const webhooks = this.#options.webhooks(transition.tenant);
    if (webhooks.length === 0) return Promise.resolve();
    if (this.#keys.has(transition.key)) return queue.flush();
    this.#keys.add(transition.key);
    const item = { id: ++this.#lastId, at: this.#clock.nowMs(), transition };
    const channels = new Set(webhooks.map((webhook) => this.#channel(transition.tenant, webhook)));
    const taking = [...channels].filter((channel) => this.#hasRoom(channel));
    for (const channel of channels) if (!taking.includes(channel)) channel.overflow({ ...item, heldBack: 0 });
    queue.append({ k: "entry", ...item, to: taking.map(({ id }) => id) });
    for (const channel of taking) channel.take({ ...item, heldBack: 0 });
    return queue.flush();
  }

  /** Webhooks have changed: those that are gone leave their transitions to the dead letters, a new secret is tried at once. */
  configure(): void {
    for (const channel of [...this.#channels.values()]) {
      const webhook = this.#webhook(channel.tenant, channel.id);
      if (webhook !== undefined) channel.configure(webhook);
      else {
        this.#channels.delete(channel.id);
        channel.remove();
      }
    }
    void this.#log?.flush();
  }

  /** See Redelivery. */
  list(tenant: string): Promise<WebhookState[]> {
    return this.#redelivery.list(tenant);
  }

  /** See Redelivery. */
  redeliver(tenant: string, webhook: string | null): Promise<Redelivered[] | null> {
    return this.#redelivery.redeliver(tenant, webhook);
  }

  stats(): NotifierStats {
    const tenants = new Map<string, TenantDelivery>();
    for (const [tenant, counts] of this.#counts) tenants.set(tenant, { ...counts, waiting: 0, failing: 0 });
    for (const channel of this.#channels.values()) {
      const tenant = tenants.get(channel.tenant)!;
      tenant.waiting += channel.waiting;
      if (channel.failing() !== null) tenant.failing++;
    }
    // A client may be called `__proto__`, which only becomes a name of the object's own this way.
    return { tenants: Object.fromEntries(tenants), trouble: this.#log?.trouble ?? "" };
  }

  /** Begins no other attempt, gives those under way half of `withinMs`, and keeps on the disk what became of them. */
  async close(withinMs: number): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const channels = [...this.#channels.values()];
    const idle = Promise.all(channels.map((channel) => channel.close()));
    await this.#within(withinMs / 2, idle);
    for (const channel of channels) channel.abort();
    const queue = this.#log;
    if (queue === null) return;
    const kept = idle.then(() => queue.flush());
    await this.#within(withinMs / 2, kept);
    await this.#within(withinMs / 4, queue.close());
  }

  async #within(ms: number, task: Promise<unknown>): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#clock.after(ms, resolve);
      void task.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  async #flushSoon(): Promise<void> {
    const queue = this.#log;
    if (queue === null || this.#closed) throw new MeterstormError("busy", "the engine starts or ends; ask again in a moment");
    let isSafe = false;
    const flushed = queue.flush().then(() => {
      isSafe = true;
    });
    if (queue.trouble === "") await this.#within(FLUSH_MS, flushed);
    if (isSafe) return;
    const why = queue.trouble === "" ? `it took longer than ${FLUSH_MS / 1000} s` : queue.trouble;
    throw new MeterstormError("notify_disk", `the engine's disk does not take what webhooks wait for: ${why}`);
  }

  #takeAgain(tenant: string, webhook: Webhook, letters: readonly DeadLetter[]): number {
    const channel = this.#channel(tenant, webhook);
    const waiting = new Set(channel.items().map(({ transition: { key } }) => key));
    let taken = 0;
    for (const { transition, heldBack } of letters) {
      // What a crash has left in both places waits already.
      if (!waiting.has(transition.key)) {
        if (!this.#hasRoom(channel)) break;
        const item = { id: ++this.#lastId, at: this.#clock.nowMs(), transition };
        this.#keys.add(transition.key);
        this.#log!.append({ k: "entry", ...item, to: [channel.id], held: { [channel.id]: heldBack } });
        channel.take({ ...item, heldBack });
      }
      taken++;
    }
    channel.tryNow();
    return taken;
  }

  #restore({ entries, failing, keys, lastId }: QueueState): void {
    this.#lastId = lastId;
    for (const key of keys) this.#keys.add(key);
    const lost = new Map<string, number>();
    for (const entry of entries.values()) {
      for (const [id, heldBack] of entry.to) {
        const { tenant } = entry.transition;
        const webhook = this.#webhook(tenant, id);
        if (webhook !== undefined) this.#channel(tenant, webhook, failing.get(id)).take(this.#item(entry, heldBack));
        else {
          this.#buryOfNobody(entry, id, heldBack);
          lost.set(tenant, (lost.get(tenant) ?? 0) + 1);
        }
      }
    }
    for (const [tenant, count] of lost) {
      this.#options.log.warn(
        `${count} transitions of ${tenant} are dead letters: they waited for webhooks that are no longer configured`,
      );
    }
  }

  #item({ id, at, transition }: WaitingEntry, heldBack: number) {
    // A clock that was set back must not make anything wait for longer than a day.
    return { id, at: Math.min(at, this.#clock.nowMs()), transition, heldBack };
  }

  #buryOfNobody({ transition }: WaitingEntry, webhook: string, heldBack: number): void {
    this.#countsOf(transition.tenant).deadLetters++;
    const at = new Date(this.#clock.nowMs()).toISOString();
    this.#log?.bury({ at, reason: "removed", webhook, origin: "", failure: "", heldBack, transition });
  }

  #hasRoom(channel: Channel): boolean {
    if (channel.waiting >= this.#bounds.waiting) return false;
    let inAll = 0;
    for (const { waiting } of this.#channels.values()) inAll += waiting;
    return inAll < this.#bounds.waitingInAll || channel.waiting < this.#bounds.waitingInAll / this.#channels.size;
  }

  #webhook(tenant: string, id: string): Webhook | undefined {
    return this.#options.webhooks(tenant).find(({ url }) => webhookId(tenant, url) === id);
  }

  #channel(tenant: string, webhook: Webhook, failing?: Failing): Channel {
    const id = webhookId(tenant, webhook.url);
    let channel = this.#channels.get(id);
    if (channel === undefined) {
      const queue = this.#log!;
      const { endpoint = (to) => new HttpEndpoint(to), random = Math.random, log, timing } = this.#options;
      const settings = { tenant, id, webhook, clock: this.#clock, random, log, endpoint, timing: { ...TIMING, ...timing } };
      const counts = this.#countsOf(tenant);
      const keep = { bury: queue.bury.bind(queue), append: queue.append.bind(queue) };
      channel = new Channel({ ...settings, counts, ...keep }, failing);
      this.#channels.set(id, channel);
    }
    return channel;
  }

  #countsOf(tenant: string): DeliveryCounts {
    let counts = this.#counts.get(tenant);
    if (counts === undefined) {
      counts = { delivered: 0, failed: 0, deadLetters: 0, heldBack: 0 };
      this.#counts.set(tenant, counts);
    }
    return counts;
  }

  /** All that a file must hold to go on from. */
  *#state(): Generator<QueueRecord> {
    const keys = this.#keys.all();
    for (let at = 0; at < keys.length; at += KEYS_PER_RECORD) yield { k: "keys", keys: keys.slice(at, at + KEYS_PER_RECORD) };
    const entries = new Map<number, QueueRecord & { k: "entry"; held: Record<string, number> }>();
    for (const channel of this.#channels.values()) {
      const failing = channel.failing();
      if (failing !== null) yield { k: "failing", to: channel.id, ...failing };
      for (const { id, at, transition, heldBack } of channel.items()) {
        const entry = entries.get(id) ?? { k: "entry", id, at, to: [], held: {}, transition };
        entry.to.push(channel.id);
        if (heldBack > 0) entry.held[channel.id] = heldBack;
        entries.set(id, entry);
      }
    }
    yield* [...entries.values()].sort((a, b) => a.id - b.id);
  }
}
