import type { Clock, Timer } from "../../engine/base/clock.js";
import type { Disk } from "../../engine/base/disk.js";
import type { MeterstormError } from "../../engine/base/errors.js";
import type { TenantPlan } from "../../engine/base/settings.js";
import { RingConsumer, RingProducer } from "../../engine/memory/ring.js";
import type { Succession } from "../../engine/shards/tasks.js";
import { type OpenOptions, type OpenShard, openShard } from "../../workers/loop/open-shard.js";
import type { SimClock } from "../support/sim-clock.js";
import type { SimNetwork } from "./sim-network.js";
import type { SimStore, StoreMood } from "./sim-store.js";

/** The shard's view of time: nothing of a dead process runs on. */
class LifeClock implements Clock {
  readonly #clock: SimClock;
  readonly #isAlive: () => boolean;

  constructor(clock: SimClock, isAlive: () => boolean) {
    this.#clock = clock;
    this.#isAlive = isAlive;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  after(delayMs: number, task: () => void): Timer {
    return this.#clock.after(delayMs, () => {
      if (this.#isAlive()) task();
    });
  }
}

/** Ways to put something wrong between a shard and its ports, or into it: each must be found out. */
export interface Wrong {
  /** How the store is while there are faults at all, where that decides whether it can be seen. */
  mood?: StoreMood;
  /** Called before a shard opens; what it returns is called when that is over, or the process with it. */
  opening?(): () => void;
  disk?(disk: Disk): Disk;
  options?(options: OpenOptions, life: Life): OpenOptions;
  opened?(shard: OpenShard): void;
}

/** The rings outlive the thread: what it does after its death is not seen. */
function ringsOf({ input, output }: SimNetwork, isAlive: () => boolean): { input: RingConsumer; output: RingProducer } {
  class Input extends RingConsumer {
    override take(): void {
      if (isAlive()) super.take();
    }
    override free(cursor: number): void {
      if (isAlive()) super.free(cursor);
    }
  }
  class Output extends RingProducer {
    override publish(): void {
      if (isAlive()) super.publish();
    }
  }
  return { input: new Input(input, "freed"), output: new Output(output) };
}

export interface LifeOptions {
  clock: SimClock;
  disk: Disk;
  store: SimStore;
  network: SimNetwork;
  ack: "durable" | "stored";
  keepMs: number;
  journalMaxBytes: number;
  sizes: NonNullable<OpenOptions["sizes"]>;
  /** What the configuration says as the process starts. */
  plans: readonly TenantPlan[];
  /** What a thread that takes over has to know; none for the first thread of a process. */
  succession?: Succession | null;
  /** Called once the shard is open. */
  onOpen?(shard: OpenShard): void;
  wrong: Wrong;
}

/** One life of the engine's process, from its start to its death. */
export class Life {
  readonly network: SimNetwork;
  readonly #options: LifeOptions;
  shard: OpenShard | null = null;
  /** The journal can take no more: the process is to end. */
  failure: MeterstormError | null = null;
  /** Why it could not be opened. */
  refusal: Error | null = null;
  alive = true;
  #opened = () => {};

  constructor(options: LifeOptions) {
    this.network = options.network;
    this.#options = options;
  }

  /** Begins to open; `shard` or `refusal` is set when that is over. */
  start(): void {
    this.#opened = this.#options.wrong.opening?.() ?? this.#opened;
    this.#open().then(
      (shard) => {
        if (!this.alive) return;
        this.#opened();
        this.#options.onOpen?.(shard);
        this.#options.wrong.opened?.(shard);
        // So little at a time that a snapshot is under way for long.
        shard.snapshots.sliceBytes = 1;
        this.shard = shard;
        shard.loop.start();
      },
      (error: Error) => {
        this.#opened();
        this.refusal = error;
      },
    );
  }

  /** The process is gone. */
  end(): void {
    if (this.shard === null && this.refusal === null) this.#opened();
    this.alive = false;
  }

  #open(): Promise<OpenShard> {
    const { clock, disk, store, network, ack, keepMs, journalMaxBytes, sizes, plans, wrong } = this.#options;
    const isAlive = () => this.alive;
    const options: OpenOptions = {
      clock: new LifeClock(clock, isAlive),
      disk: wrong.disk === undefined ? disk : wrong.disk(disk),
      ...ringsOf(network, isAlive),
      directory: "shard",
      name: "shard 0 of 1",
      plans,
      isHome: () => true,
      succession: this.#options.succession ?? null,
      onDurable: (position) => {
        if (isAlive()) network.durable = position;
      },
      claims: null,
      splitTenants: new Set(),
      ack,
      journalMaxBytes,
      journalKeepMs: keepMs,
      sizes,
      openSink: (names) => store.sink(names, isAlive),
      onFailed: (error) => {
        this.failure = error;
      },
      warn: () => {},
      audits: true,
      random: () => 0.5,
    };
    return openShard(wrong.options === undefined ? options : wrong.options(options, this));
  }

  /** One turn of the worker's own loop. */
  step(): number {
    if (this.shard === null || this.failure !== null) return 0;
    return this.shard.loop.step();
  }

  /** A snapshot, between batches as the worker does it; goes on by itself. */
  snapshot(): void {
    const shard = this.shard;
    if (shard !== null && this.failure === null) void shard.snapshots.write(shard.loop.pump.position);
  }

  release(): void {
    const shard = this.shard;
    if (shard !== null && this.failure === null) shard.snapshots.release(shard.loop.pump.position).catch(() => {});
  }
}
