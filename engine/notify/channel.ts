import type { Clock, Timer } from "../base/clock.js";
import type { DeadLetter, DeadReason } from "./dead-letters.js";
import type { Answer, Endpoint } from "./endpoint.js";
import type { Failing, QueueRecord } from "./records.js";
import type { ChannelState } from "./redelivery.js";
import { type NotifyLog, originOf, type Webhook } from "./transition.js";
import { type Item, Waiting } from "./waiting.js";

/** How long things take, milliseconds. */
export interface NotifyTiming {
  /** Before the second attempt; doubled before each further one. */
  readonly firstRetryMs: number;
  /** Longest pause between two attempts, and the longest that an endpoint can ask for. */
  readonly lastRetryMs: number;
  /** A transition that could not be delivered for so long, while nothing could, becomes a dead letter. */
  readonly giveUpMs: number;
  /** Of the rate limit. */
  readonly windowMs: number;
  /** Between two lines of the log that say the same. */
  readonly sayAgainMs: number;
}

/** What became of a client's transitions since the start, by webhook: one that goes to two counts twice. */
export interface DeliveryCounts {
  delivered: number;
  /** Attempts. */
  failed: number;
  deadLetters: number;
  /** Left out in favour of a newer state of their incident. */
  heldBack: number;
}

export interface ChannelOptions {
  readonly tenant: string;
  readonly id: string;
  readonly webhook: Webhook;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly timing: NotifyTiming;
  readonly log: NotifyLog;
  readonly counts: DeliveryCounts;
  endpoint(webhook: Webhook): Endpoint;
  /** Both are kept soon, in this order; see `QueueLog`. */
  bury(letter: DeadLetter): void;
  append(record: QueueRecord): void;
}

/** The way to one webhook: one attempt at a time, in order, again until it is taken or a day is over. Knows of no other webhook. */
export class Channel {
  readonly #options: ChannelOptions;
  readonly #name: string;
  readonly #waiting: Waiting;
  #webhook: Webhook;
  #endpoint: Endpoint;
  /** What is sent now or will be tried again next. */
  #current: Item | null = null;
  #sending: Promise<void> | null = null;
  #attempts = 0;
  /** When the first of the attempts that failed in a row was begun, epoch ms. */
  #failingSinceMs = 0;
  /** On the monotonic clock. */
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #failure = "";
  #refusalSaid = false;
  #timer: Timer | null = null;
  #closed = false;
  #overflowSaidMs = Number.NEGATIVE_INFINITY;
  #overflows = 0;
  #heldBack = 0;

  /** `failing` is what is remembered of attempts before. */
  constructor(options: ChannelOptions, failing: Failing | undefined) {
    const { clock, timing, tenant, webhook } = options;
    this.#options = options;
    this.#name = `the webhook ${originOf(webhook.url)} of ${tenant}`;
    this.#webhook = webhook;
    this.#endpoint = options.endpoint(webhook);
    this.#waiting = new Waiting(timing.windowMs, (older, newer) => this.#leaveOut(older, newer));
    if (failing === undefined) return;
    this.#attempts = failing.attempts;
    // A clock that was set back must not make anything wait for longer than a day.
    this.#failingSinceMs = Math.min(failing.since ?? Number.POSITIVE_INFINITY, clock.nowMs());
    this.#notBeforeMs = clock.monotonicMs() + Math.min(failing.until - clock.nowMs(), timing.lastRetryMs);
  }

  get id(): string {
    return this.#options.id;
  }

  get tenant(): string {
    return this.#options.tenant;
  }

  get waiting(): number {
    return this.#waiting.size + (this.#current === null ? 0 : 1);
  }

  /** All that waits, in the order in which it was taken. */
  items(): Item[] {
    const rest = this.#waiting.items();
    return this.#current === null ? rest : [this.#current, ...rest];
  }

  /** `failure` is empty where none has been since the start. */
  state(): ChannelState {
    const failing = this.failing();
    const [oldest] = this.items();
    return {
      ...{ waiting: this.waiting, oldestMs: oldest?.at ?? null, attempts: this.#attempts, failure: this.#failure },
      ...{ nextMs: failing?.until ?? null, heldBack: this.#heldBack },
    };
  }

  /** Somebody says that it may work now. */
  tryNow(): void {
    this.#notBeforeMs = Math.min(this.#notBeforeMs, this.#options.clock.monotonicMs());
    this.#pump();
  }

  failing(): Failing | null {
    if (this.#attempts === 0) return null;
    const { clock } = this.#options;
    const until = Math.round(clock.nowMs() + this.#notBeforeMs - clock.monotonicMs());
    return { attempts: this.#attempts, until, since: this.#failingSinceMs };
  }

  take(item: Item): void {
    this.#waiting.add(item);
    this.#pump();
  }

  /** For what may not wait because too much does. */
  overflow(item: Item): void {
    this.#overflows++;
    this.#bury(item, "overflow");
    const now = this.#options.clock.monotonicMs();
    if (now < this.#overflowSaidMs + this.#options.timing.sayAgainMs) return;
    this.#overflowSaidMs = now;
    const failure = this.#failure === "" ? "" : ` (${this.#failure})`;
    const text = `${this.#overflows} transitions are dead letters since ${this.waiting} others wait${failure}`;
    this.#options.log.warn(`${this.#name}: ${text}`);
    this.#overflows = 0;
  }

  /** The webhook as it is configured now. */
  configure(webhook: Webhook): void {
    const { secret, allowPrivate } = this.#webhook;
    this.#webhook = webhook;
    if (secret !== webhook.secret || allowPrivate !== webhook.allowPrivate) {
      // Somebody may just have put right what made it fail.
      this.#endpoint.close();
      this.#endpoint = this.#options.endpoint(webhook);
      this.#recovered();
    }
    this.#pump();
  }

  /** The configuration names it no longer: whatever waits is a dead letter. */
  remove(): void {
    const items = this.items();
    this.#current = null;
    this.#waiting.removeUntil(Number.POSITIVE_INFINITY);
    for (const item of items) this.#drop(item, "removed");
    if (items.length > 0) {
      this.#options.log.warn(
        `${this.#name} is no longer configured: ${items.length} transitions that waited for it are dead letters`,
      );
    }
    if (this.#attempts > 0) this.#options.append({ k: "failing", to: this.id, attempts: 0, until: 0 });
    this.#attempts = 0;
    void this.close();
    this.abort();
  }

  /** Begins no other attempt; resolves when the one under way is over. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#sending;
    this.#endpoint.close();
  }

  /** Gives up the attempt under way. */
  abort(): void {
    this.#endpoint.close();
  }

  #pump(): void {
    if (this.#closed || this.#sending !== null) return;
    this.#timer?.cancel();
    this.#timer = null;
    const now = this.#options.clock.monotonicMs();
    if (now < this.#notBeforeMs) {
      this.#expire();
      // Now and then, so that what has waited for a day is given up in time.
      if (this.waiting > 0) this.#wake(Math.min(this.#notBeforeMs - now, this.#options.timing.sayAgainMs));
      return;
    }
    this.#current ??= this.#waiting.next(now, this.#webhook.perMinute);
    if (this.#current !== null) this.#sending = this.#send(this.#current);
    else if (this.#waiting.size > 0) this.#wake(this.#waiting.opensMs() - now);
  }

  #wake(delayMs: number): void {
    this.#timer = this.#options.clock.after(Math.max(0, Math.ceil(delayMs)), () => this.#pump());
  }

  async #send(item: Item): Promise<void> {
    const endpoint = this.#endpoint;
    const begunMs = this.#options.clock.nowMs();
    const seconds = Math.floor(begunMs / 1000);
    const answer = await endpoint.send({ key: item.transition.key, body: bodyOf(item), seconds });
    this.#sending = null;
    // A channel that was removed meanwhile has made a dead letter of it.
    if (this.#current !== item) return;
    if (answer.ok) this.#delivered(item);
    // An attempt that was given up says nothing of the endpoint.
    else if (endpoint === this.#endpoint && !this.#closed) this.#failed(answer, begunMs);
    this.#pump();
  }

  #delivered(item: Item): void {
    this.#current = null;
    this.#options.counts.delivered++;
    this.#options.append({ k: "done", id: item.id, to: this.id });
    if (this.#attempts === 0) return;
    this.#options.log.info(`${this.#name} takes transitions again; ${this.waiting} wait`);
    this.#recovered();
  }

  #recovered(): void {
    if (this.#attempts > 0) this.#options.append({ k: "failing", to: this.id, attempts: 0, until: 0 });
    this.#attempts = 0;
    this.#notBeforeMs = Number.NEGATIVE_INFINITY;
    this.#failure = "";
    this.#refusalSaid = false;
  }

  #failed({ reason, refused, retryAfterMs }: Answer & { ok: false }, begunMs: number): void {
    const { clock, random, timing, log, counts } = this.#options;
    counts.failed++;
    if (this.#attempts++ === 0) this.#failingSinceMs = begunMs;
    this.#failure = reason;
    const full = Math.min(timing.lastRetryMs, timing.firstRetryMs * 2 ** Math.min(this.#attempts - 1, 40));
    const asked = Math.min(timing.lastRetryMs, retryAfterMs ?? 0);
    // Half of it at random, so that not all webhooks of a host that was down come back at one instant.
    const delayMs = Math.ceil(Math.max(asked, full / 2 + (full / 2) * random()));
    this.#notBeforeMs = clock.monotonicMs() + delayMs;
    this.#options.append({ k: "failing", to: this.id, ...this.failing()! });
    if (this.#attempts === 1 || (refused && !this.#refusalSaid)) {
      log.warn(`${this.#name}: ${reason}; it is tried again with growing pauses, ${this.waiting} transitions wait`);
    }
    this.#refusalSaid ||= refused;
    this.#expire();
  }

  /** What could not be delivered for a day: while the webhook takes what it is sent, the rate limit alone makes things wait, for as long as it takes. */
  #expire(): void {
    const { clock, timing, log } = this.#options;
    const until = clock.nowMs() - timing.giveUpMs;
    if (this.#failingSinceMs > until) return;
    const expired = this.#waiting.removeUntil(until);
    if (this.#current !== null && this.#current.at <= until) {
      expired.unshift(this.#current);
      this.#current = null;
    }
    if (expired.length === 0) return;
    for (const item of expired) this.#drop(item, "expired");
    log.warn(
      `${this.#name}: ${expired.length} transitions are dead letters, they could not be delivered in time (${this.#failure})`,
    );
  }

  /** Makes a dead letter of what waited. */
  #drop(item: Item, reason: DeadReason): void {
    this.#bury(item, reason);
    this.#options.append({ k: "done", id: item.id, to: this.id });
  }

  #bury(item: Item, reason: DeadReason): void {
    const { clock, counts } = this.#options;
    counts.deadLetters++;
    const at = new Date(clock.nowMs()).toISOString();
    const { heldBack, transition } = item;
    const origin = originOf(this.#webhook.url);
    this.#options.bury({ at, reason, webhook: this.id, origin, failure: this.#failure, heldBack, transition });
  }

  #leaveOut(older: Item, newer: Item): void {
    this.#options.counts.heldBack++;
    this.#heldBack++;
    this.#options.append({ k: "newer", id: older.id, by: newer.id, to: this.id });
  }
}

/** What is posted. The names and their order are part of the contract. */
function bodyOf({ transition, heldBack }: Item): string {
  const { key, ts, tenant, meter, rule, incident, state, severity, value, threshold } = transition;
  return JSON.stringify({ key, ts, tenant, meter, rule, incident, state, severity, value, threshold, heldBack });
}
