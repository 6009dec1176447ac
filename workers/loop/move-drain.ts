import { type Clock, sleep } from "../../engine/base/clock.js";
import type { Disk } from "../../engine/base/disk.js";
import { MeterstormError } from "../../engine/base/errors.js";
import { type Layout, type Place, spreadIn } from "../../engine/base/home.js";
import type { TenantPlan } from "../../engine/base/settings.js";
import { Input, Outcome } from "../../engine/memory/protocol.js";
import { createRing, RingConsumer, RingProducer } from "../../engine/memory/ring.js";
import type { Names, Sink } from "../../engine/store/interface.js";
import type { Journal, JournalOptions } from "../journal/journal.js";
import { assertMovable } from "./move-state.js";
import { type OpenShard, openShard } from "./open-shard.js";

export interface MovePorts {
  clock: Clock;
  disk: Disk;
  /** For one shard after the other, with its directory. */
  openSink(names: Names, directory: string): Sink;
  /** Gives an alert transition, as JSON, to those who are told; resolves when it is kept elsewhere, and while that cannot be just does not. */
  tell(transition: string): Promise<void>;
  /** What it does now, or why it waits. */
  progress(text: string): void;
  warn(message: string): void;
}

export interface MoveTerms {
  plans: readonly TenantPlan[];
  /** Of all shards together. */
  journalMaxBytes: number;
  journalKeepMs: number;
  /** Sizes where they differ from the limits. */
  sizes?: Pick<JournalOptions, "blockBytes" | "segmentBytes" | "memoryBytes"> & { metersPerPage?: number };
}

const RING_BYTES = 1 << 20;
const LOOK_EVERY_MS = 5;
const CHECK_EVERY_MS = 1_000;
/** What leaves the store so long for what was under way when it had everything. */
const REST_MS = 1_000;

/**
 * Brings one shard of the old layout to rest: opened as ever, but nothing comes in. Late inputs are worked in, the store gets all that
 * is durable, alert transitions are told until they are kept, and the state is written down. Waits as long as that takes.
 * Resolves to its journal, which is still open: what it keeps can be read.
 * @throws MeterstormError as `openShard` and `assertMovable` do
 */
export async function drainShard(from: Place, to: Layout, index: number, terms: MoveTerms, ports: MovePorts): Promise<Journal> {
  const drain = new Drain(from, index, terms, ports);
  const shard = await drain.open();
  assertMovable(shard.applier, to);
  await drain.rest(shard);
  return shard.journal;
}

export function shardName(index: number, shards: number): string {
  return `shard ${index} of ${shards}`;
}

class Drain {
  readonly #from: Place;
  readonly #index: number;
  readonly #terms: MoveTerms;
  readonly #ports: MovePorts;
  readonly #input = createRing(RING_BYTES);
  readonly #output = createRing(RING_BYTES);
  readonly #producer = new RingProducer(this.#input);
  readonly #consumer = new RingConsumer(this.#output);
  /** Transitions that were told: their positions, in order, and whether they are kept. */
  readonly #told: { position: number; isKept: boolean }[] = [];
  #failure: Error | null = null;
  /** The store has been looked at, and has what it ever said it had. */
  #isSure = false;
  #checkedMs = Number.NEGATIVE_INFINITY;

  constructor(from: Place, index: number, terms: MoveTerms, ports: MovePorts) {
    this.#from = from;
    this.#index = index;
    this.#terms = terms;
    this.#ports = ports;
  }

  open(): Promise<OpenShard> {
    const { clock, disk, openSink, warn } = this.#ports;
    const { shards, directories } = this.#from;
    const { plans, journalMaxBytes, journalKeepMs, sizes } = this.#terms;
    const nowMs = clock.nowMs();
    const successor = { succession: null, onDurable: () => undefined, alive: () => undefined };
    return openShard({
      ...successor,
      // Of a time in which nobody can send nobody is to be missed: time decides again when the move is over.
      clock: { nowMs: () => nowMs, monotonicMs: () => clock.monotonicMs(), after: (delayMs, task) => clock.after(delayMs, task) },
      disk,
      input: new RingConsumer(this.#input),
      output: new RingProducer(this.#output),
      directory: directories[this.#index]!,
      name: shardName(this.#index, shards),
      plans,
      splitTenants: new Set(plans.map(({ id }) => id).filter((id) => spreadIn(this.#from, id) > 1)),
      // Those that are missed already are known; the others begin to be missed where they will live.
      isHome: () => false,
      claims: null,
      ack: "durable",
      journalMaxBytes: Math.floor(journalMaxBytes / shards),
      journalKeepMs,
      ...(sizes === undefined ? {} : { sizes }),
      openSink: (names) => this.#watched(openSink(names, directories[this.#index]!)),
      onFailed: (error) => {
        this.#failure = error;
      },
      warn,
      audits: false,
      random: Math.random,
    });
  }

  /** What a store lost while no engine ran is sent again from here, where more is kept of it than goes along. */
  #watched(sink: Sink): Sink {
    const remember = sink.remember?.bind(sink);
    this.#isSure = remember === undefined;
    if (remember !== undefined) {
      sink.remember = () => {
        remember();
        this.#isSure = true;
      };
    }
    return sink;
  }

  async rest(shard: OpenShard): Promise<void> {
    const { clock } = this.#ports;
    shard.loop.start();
    for (;;) {
      if (this.#failure !== null) throw this.#failure;
      shard.loop.step();
      this.#hear();
      this.#keep();
      if (this.#isAtRest(shard)) break;
      this.#say(shard);
      await sleep(clock, LOOK_EVERY_MS);
    }
    await shard.loop.beside.stop();
    await shard.loop.pump.stop(REST_MS);
    const { journal, snapshots, loop } = shard;
    await snapshots.writeLast(loop.pump.position);
    if (this.#failure !== null) throw this.#failure;
    if (snapshots.position !== journal.appended) throw notWritten(snapshots.trouble);
    await snapshots.release(loop.pump.position);
    await shard.sink.close();
  }

  #isAtRest({ applier, journal, loop }: OpenShard): boolean {
    const isStored = loop.pump.position === journal.appended && journal.durable === journal.appended;
    if (!isStored || applier.late.size > 0 || applier.told.from !== Number.POSITIVE_INFINITY) return false;
    const nowMs = this.#ports.clock.monotonicMs();
    if (!this.#isSure && nowMs - this.#checkedMs >= CHECK_EVERY_MS) {
      this.#checkedMs = nowMs;
      loop.pump.check();
    }
    return this.#isSure;
  }

  /** What the shard says; nobody but the alerts has anybody to say it to. */
  #hear(): void {
    const consumer = this.#consumer;
    while (consumer.next()) {
      const { type, number, bytes, payloadAt, payloadBytes } = consumer;
      const payload = Buffer.from(bytes.slice(payloadAt, payloadAt + payloadBytes)).toString("utf8");
      if (type === Outcome.WARNING) this.#ports.warn(payload);
      if (type !== Outcome.ALERT) continue;
      const told = { position: number, isKept: false };
      this.#told.push(told);
      void this.#ports.tell(payload).then(() => {
        told.isKept = true;
      });
    }
    consumer.take();
    consumer.free(consumer.cursor);
  }

  #keep(): void {
    let kept = 0;
    while (this.#told[kept]?.isKept) kept++;
    if (kept === 0 || !this.#producer.write(Input.TOLD, 0, 0, this.#told[kept - 1]!.position)) return;
    this.#producer.publish();
    this.#told.splice(0, kept);
  }

  #say({ applier, journal, loop }: OpenShard): void {
    const waits: string[] = [];
    const unsent = journal.appended - loop.pump.position;
    const { trouble } = loop.pump;
    const why = trouble === "" ? "" : ` (${trouble})`;
    if (unsent > 0) waits.push(`${unsent} bytes of its journal wait for the store${why}`);
    else if (!this.#isSure) waits.push(`whether the store still has everything is to be seen${why}`);
    if (applier.late.size > 0) waits.push(`${applier.late.size} late readings wait to be worked in`);
    if (this.#told.length > 0) waits.push(`${this.#told.length} alert transitions wait to be kept`);
    const text = waits.length === 0 ? "" : `: ${waits.join(", ")}`;
    this.#ports.progress(`shard ${this.#index} of ${this.#from.shards} comes to rest${text}`);
  }
}

function notWritten(trouble: string): MeterstormError {
  return new MeterstormError("journal_failed", `the state of a shard that has come to rest cannot be written: ${trouble}`);
}
