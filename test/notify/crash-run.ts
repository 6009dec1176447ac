import assert from "node:assert/strict";
import type { AlertTransition } from "../../engine/base/alert-transition.js";
import type { Clock } from "../../engine/base/clock.js";
import type { Disk } from "../../engine/base/disk.js";
import type { MeterstormError } from "../../engine/base/errors.js";
import type { DeadLetter } from "../../engine/notify/dead-letters.js";
import type { Endpoint } from "../../engine/notify/endpoint.js";
import { Notifier } from "../../engine/notify/notifier.js";
import type { Webhook } from "../../engine/notify/transition.js";
import { Random } from "../support/random.js";
import { SimClock } from "../support/sim-clock.js";
import { SimDisk } from "../support/sim-disk.js";
import { OK, refusal, transition } from "./fake-endpoint.js";

/** How a run's parts are dressed up: a variant that lies must be found out. */
export interface RunOptions {
  disk?: (disk: Disk) => Disk;
  endpoint?: (endpoint: Endpoint) => Endpoint;
}

export interface RunResult {
  crashes: number;
  kills: number;
  deliveries: number;
  /** Of a key that the same webhook already had. */
  repeated: number;
  leftOut: number;
  dead: number;
  /** Dead letters that were said to wait again. */
  redelivered: number;
}

const directory = "notify";
const DAY_MS = 24 * 3_600_000;
const MANY = 1000;
const URLS = ["https://a.example/", "https://b.example/"];

interface Received {
  key: string;
  heldBack: number;
}

/**
 * One seeded history of a notifier and of a shard that tells it transitions: endpoints and disks that fail, power cuts and kills at any turn
 * of the event loop. The shard tells again, after each start, what it does not know to be safe and a little of what it does. In the end each
 * transition has reached each webhook, or is a dead letter, or was left out for a newer one that says so; and in order.
 */
export async function crashRun(seed: number, options: RunOptions = {}): Promise<RunResult> {
  const run = new CrashRun(seed, options);
  try {
    return await run.all();
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

class CrashRun {
  readonly #random: Random;
  readonly #options: RunOptions;
  readonly #clock = new SimClock();
  readonly #webhooks: Webhook[];
  readonly #giveUpMs: number;
  readonly #growthBytes: number;
  readonly #mostWaiting: number;
  /** In the end all dead letters are sent again. */
  readonly #letsNobodyRest: boolean;
  readonly #transitions: AlertTransition[] = [];
  /** Keys that the notifier has said are safe. */
  readonly #safe = new Set<string>();
  readonly #received = new Map<string, Received[]>(URLS.map((url) => [url, []]));
  readonly #result: RunResult = { crashes: 0, kills: 0, deliveries: 0, repeated: 0, leftOut: 0, dead: 0, redelivered: 0 };
  #disk: SimDisk;
  #failureRate: number;

  constructor(seed: number, options: RunOptions) {
    const random = new Random(seed);
    this.#random = random;
    this.#options = options;
    this.#disk = new SimDisk({ seed: random.u32(), maxTurns: random.int(4) });
    const perMinute = random.pick([MANY, MANY, 2]);
    this.#webhooks = URLS.map((url) => ({ url, secret: "s", allowPrivate: false, perMinute }));
    this.#giveUpMs = random.pick([20_000, DAY_MS, DAY_MS]);
    this.#growthBytes = random.pick([300, 2000, 100_000]);
    this.#failureRate = random.pick([0, 0.3, 0.8]);
    this.#mostWaiting = this.#giveUpMs < DAY_MS ? random.pick([5, 1000]) : 1000;
    this.#letsNobodyRest = random.chance(0.5);
  }

  async all(): Promise<RunResult> {
    const lives = 1 + this.#random.int(4);
    for (let life = 0; life < lives; life++) {
      const notifier = await this.#start(this.#random.chance(0.2) ? this.#random.int(40) : null);
      if (notifier !== null) {
        this.#tellAgain(notifier);
        const steps = this.#random.int(25);
        for (let step = 0; step < steps; step++) await this.#step(notifier);
        if (this.#random.chance(0.1)) void notifier.close(1000);
      }
      await turns(this.#random.int(10));
      this.#end();
    }
    await this.#lastLife();
    this.#check();
    return this.#result;
  }

  /** Null where the machine dies that many turns after the start. */
  async #start(diesAfter: number | null): Promise<Notifier | null> {
    const mine = this.#disk;
    const alive = (): boolean => mine === this.#disk;
    const clock: Clock = {
      nowMs: () => this.#clock.nowMs(),
      monotonicMs: () => this.#clock.monotonicMs(),
      after: (delayMs, task) => this.#clock.after(delayMs, () => (alive() ? task() : undefined)),
    };
    const notifier = new Notifier({
      ...{ directory, clock, disk: this.#options.disk?.(mine) ?? mine, random: () => this.#random.unit() },
      webhooks: () => this.#webhooks,
      log: { info: () => undefined, warn: () => undefined },
      timing: { giveUpMs: this.#giveUpMs },
      bounds: { growthBytes: this.#growthBytes, waiting: this.#mostWaiting, fileBytes: 500, files: 1000 },
      endpoint: ({ url }) => {
        const endpoint = this.#endpoint(url, alive);
        return this.#options.endpoint?.(endpoint) ?? endpoint;
      },
    });
    const opening = notifier.open();
    if (diesAfter === null) await opening;
    else await turns(diesAfter);
    return diesAfter === null ? notifier : null;
  }

  #endpoint(url: string, alive: () => boolean): Endpoint {
    return {
      send: async ({ key, body }) => {
        await turns(this.#random.int(6));
        if (!alive()) return new Promise(() => undefined);
        const fails = this.#random.chance(this.#failureRate);
        // An answer may be lost on its way.
        if (fails && this.#random.chance(0.7)) return refusal("down");
        const { heldBack } = JSON.parse(body) as { heldBack: number };
        this.#receive(url, { key, heldBack });
        await turns(this.#random.int(6));
        return fails ? refusal("no answer") : OK;
      },
      close: () => undefined,
    };
  }

  #receive(url: string, received: Received): void {
    const all = this.#received.get(url)!;
    this.#result.deliveries++;
    if (all.some(({ key }) => key === received.key)) this.#result.repeated++;
    all.push(received);
  }

  #tell(notifier: Notifier, told: AlertTransition): void {
    const mine = this.#disk;
    void notifier.take(told).then(() => {
      if (mine === this.#disk) this.#safe.add(told.key);
    });
  }

  #tellAgain(notifier: Notifier): void {
    const known = this.#transitions.findIndex(({ key }) => !this.#safe.has(key));
    const from = Math.max(0, (known === -1 ? this.#transitions.length : known) - this.#random.int(3));
    for (const told of this.#transitions.slice(from)) this.#tell(notifier, told);
  }

  #tellNew(notifier: Notifier): void {
    const n = this.#transitions.length;
    const rule = this.#random.pick(["r1", "r2"]);
    const incident = `${rule}-${this.#random.int(3)}`;
    const told = transition(n, { rule, incident, key: `${incident}-${n}` });
    this.#transitions.push(told);
    this.#tell(notifier, told);
  }

  async #step(notifier: Notifier): Promise<void> {
    const random = this.#random;
    const dice = random.int(100);
    if (dice < 50) for (let i = random.int(4); i >= 0; i--) this.#tellNew(notifier);
    else if (dice < 75) await turns(random.int(30));
    else if (dice < 80) void this.#redeliver(notifier);
    else if (dice < 92) this.#clock.advance(random.pick([100, 1000, 10_000, 61_000]));
    else if (dice < 98) this.#disk.failNext(random.pick(["sync", "append", "create", "syncDirectory"]), random.int(2));
    else this.#disk.capacityBytes = this.#disk.usedBytes() + random.int(2000);
  }

  /** How many wait again; 0 also where it fails. */
  async #redeliver(notifier: Notifier): Promise<number> {
    const results = await notifier.redeliver("acme", null).catch((error: MeterstormError) => {
      assert.match(error.code, /^(busy|notify_disk|dead_letters_unreadable)$/);
      return [];
    });
    const count = results!.reduce((sum, { redelivered }) => sum + redelivered, 0);
    this.#result.redelivered += count;
    return count;
  }

  #end(): void {
    const crash = this.#random.chance(0.6);
    this.#result[crash ? "crashes" : "kills"]++;
    this.#disk = crash ? this.#disk.crash() : this.#disk.kill();
    this.#disk.heal();
  }

  async #lastLife(): Promise<void> {
    this.#failureRate = 0;
    const notifier = (await this.#start(null))!;
    this.#tellAgain(notifier);
    for (let round = 0; round < 500; round++) {
      await turns(200);
      const waiting = Object.values(notifier.stats().tenants).some((tenant) => tenant.waiting > 0);
      if (!waiting && this.#transitions.every(({ key }) => this.#safe.has(key))) {
        if (!this.#letsNobodyRest) return;
        const again = this.#redeliver(notifier);
        await turns(500);
        this.#clock.advance(1000);
        if ((await again) === 0) return;
      }
      this.#clock.advance(10_000);
    }
    assert.fail("something still waits");
  }

  #check(): void {
    const dead = this.#deadLetters();
    for (const url of URLS) {
      const received = this.#received.get(url)!;
      const letters = dead.filter(({ origin }) => `${origin}/` === url);
      const has = new Set([...received.map(({ key }) => key), ...letters.map(({ transition: { key } }) => key)]);
      const newer = new Map<string, number>();
      for (const { key, heldBack } of [...received, ...letters.map((letter) => ({ ...letter, key: letter.transition.key }))]) {
        const [incident, n] = splitKey(key);
        if (heldBack > 0) newer.set(incident, Math.max(n, newer.get(incident) ?? 0));
      }
      for (const [n, { key, incident }] of this.#transitions.entries()) {
        if (has.has(key)) continue;
        assert.ok((newer.get(incident) ?? -1) > n, `${key} never reached ${url}`);
        this.#result.leftOut++;
      }
      this.#result.dead += letters.length;
      if (this.#letsNobodyRest) assert.deepEqual(letters, []);
      // What was given up is tried again where a crash came before that was written down.
      if (this.#giveUpMs < DAY_MS) continue;
      assert.deepEqual(letters, []);
      if (this.#webhooks[0]!.perMinute === MANY) checkOrder(received);
      else checkIncidents(received);
    }
  }

  #deadLetters(): DeadLetter[] {
    const files = this.#disk.paths().filter((path) => path.includes("dead-letters"));
    return files.flatMap((path) => {
      const lines = Buffer.from(this.#disk.bytes(path)).toString("utf8").split("\n");
      return lines.flatMap((line) => {
        try {
          return [JSON.parse(line) as DeadLetter];
        } catch {
          // The end of a file that a crash has torn: what stood there is in another one.
          return [];
        }
      });
    });
  }
}

/** Each key's first arrival: in the order in which they were told. */
function checkOrder(received: readonly Received[]): void {
  const seen = new Set<string>();
  let last = -1;
  for (const { key } of received) {
    if (seen.has(key)) continue;
    seen.add(key);
    const [, n] = splitKey(key);
    assert.ok(n > last, `${key} came behind ${last}`);
    last = n;
  }
}

/**
 * Where some are left out, a crash may bring back an older state of an incident, behind a newer one that it was left out for: the newer one, or
 * one that is newer still, then comes again.
 */
function checkIncidents(received: readonly Received[]): void {
  const newest = new Map<string, number>();
  for (const { key } of received) {
    const [incident, n] = splitKey(key);
    newest.set(incident, Math.max(n, newest.get(incident) ?? -1));
  }
  for (const { key } of [...received].reverse()) {
    const [incident, n] = splitKey(key);
    if (!newest.has(incident)) continue;
    assert.equal(n, newest.get(incident), `${key} is the last that came of its incident`);
    newest.delete(incident);
  }
}

function splitKey(key: string): [incident: string, n: number] {
  const cut = key.lastIndexOf("-");
  return [key.slice(0, cut), Number(key.slice(cut + 1))];
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}
