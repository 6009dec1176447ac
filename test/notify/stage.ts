import type { Clock } from "../../engine/base/clock.js";
import type { DeadLetter } from "../../engine/notify/dead-letters.js";
import { Notifier, type NotifierOptions } from "../../engine/notify/notifier.js";
import type { Webhook } from "../../engine/notify/transition.js";
import { SimClock } from "../support/sim-clock.js";
import { SimDisk } from "../support/sim-disk.js";
import { FakeEndpoints, Lines, settle, transition } from "./fake-endpoint.js";

export const HOUR = 3_600_000;
export const A = "https://a.example/hook?token=hidden";
export const B = "https://b.example/hook";

export function webhook(url: string, more: Partial<Webhook> = {}): Webhook {
  return { url, secret: "a secret", allowPrivate: false, perMinute: 60, ...more };
}

/** A notifier on a simulated disk and clock, one life after the other. */
export class Stage {
  clock = new SimClock();
  readonly log = new Lines();
  endpoints = new FakeEndpoints(() => this.clock.nowMs());
  disk: SimDisk;
  webhooks: Record<string, Webhook[]>;
  notifier!: Notifier;

  constructor(webhooks: Record<string, Webhook[]> = { acme: [webhook(A)] }, disk = new SimDisk()) {
    this.webhooks = webhooks;
    this.disk = disk;
  }

  async start(more: Partial<NotifierOptions> = {}): Promise<void> {
    this.notifier = new Notifier({
      ...{ directory: "notify", disk: this.disk, clock: this.#clockOfLife(), log: this.log, random: () => 1 },
      webhooks: (tenant) => this.webhooks[tenant] ?? [],
      endpoint: this.endpoints.open,
      ...more,
    });
    await this.notifier.open();
    await settle();
  }

  /** The clock, without the timers of a life that is over. */
  #clockOfLife(): Clock {
    const { clock, disk } = this;
    return {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      after: (delayMs, task) => clock.after(delayMs, () => (disk === this.disk ? task() : undefined)),
    };
  }

  /** A process that is killed and started again. */
  async restart(more: Partial<NotifierOptions> = {}): Promise<void> {
    this.disk = this.disk.kill();
    const { answers } = this.endpoints;
    this.endpoints = new FakeEndpoints(() => this.clock.nowMs());
    for (const [url, answer] of answers) this.endpoints.answers.set(url, answer);
    await this.start(more);
  }

  /** Moves time on in small steps, so that what an answer starts has its own moment. */
  async advance(ms: number, stepMs = ms): Promise<void> {
    for (let done = 0; done < ms; done += stepMs) {
      this.clock.advance(Math.min(stepMs, ms - done));
      await settle();
    }
  }

  deadLetters(): DeadLetter[] {
    const files = this.disk.paths().filter((path) => path.includes("dead-letters"));
    const text = files.map((path) => Buffer.from(this.disk.bytes(path)).toString("utf8")).join("\n");
    return text.split("\n").flatMap((line) => {
      try {
        return [JSON.parse(line) as DeadLetter];
      } catch {
        // Nothing between two files, or what a crash has torn: what stood there is in another one.
        return [];
      }
    });
  }

  deadKeys(): [string, string][] {
    return this.deadLetters().map(({ reason, transition: { key } }) => [reason, key]);
  }
}

/** Keys of the transitions `from` up to but without `to`. */
export const keys = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => transition(from + i).key);
