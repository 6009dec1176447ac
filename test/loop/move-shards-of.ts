import type { Clock } from "../../engine/base/clock.js";
import { homeOf, type Place, spreadIn } from "../../engine/base/home.js";
import { stableHash } from "../../engine/base/ids.js";
import { createClaims, MeterClaims } from "../../engine/memory/claims.js";
import { RingConsumer, RingProducer } from "../../engine/memory/ring.js";
import type { Sink, StoreOutcome } from "../../engine/store/interface.js";
import { shardName } from "../../workers/loop/move-drain.js";
import { type OpenShard, openShard } from "../../workers/loop/open-shard.js";
import type { SimDatalogger } from "../simulation/sim-datalogger.js";
import { SimNetwork, type Watcher } from "../simulation/sim-network.js";
import type { SimStore } from "../simulation/sim-store.js";
import type { SimClock } from "../support/sim-clock.js";
import type { SimDisk } from "../support/sim-disk.js";
import { clients } from "./move-fleet.js";

export const SIZES = { blockBytes: 1024, segmentBytes: 6000, memoryBytes: 1 << 14, metersPerPage: 4 };

export interface Machine {
  clock: SimClock;
  disk: SimDisk;
  store: SimStore;
  watcher: Watcher;
  keepMs: number;
  /** The store has lost what it had acknowledged, and each shard's connection tells so once. */
  lost: boolean;
}

/** Time for those who may be dead: nothing of theirs runs on. */
export function clockOf(clock: SimClock, isAlive: () => boolean): Clock {
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs, task) => clock.after(delayMs, () => (isAlive() ? task() : undefined)),
  };
}

function tellingOfLoss(sink: Sink): Sink {
  let isTold = false;
  return {
    ...sink,
    write: (entries) => {
      if (isTold) return sink.write(entries);
      isTold = true;
      return Promise.resolve({ ok: false, kind: "doubtful", message: "lost", lost: true, again: "all" } as StoreOutcome);
    },
  };
}

/** All shards of an engine for one of its lives. */
export class SimShards {
  readonly #place: Place;
  readonly networks: SimNetwork[];
  readonly shards: OpenShard[] = [];
  #alive = true;
  #failure: Error | null = null;

  private constructor(place: Place, machine: Machine) {
    this.#place = place;
    this.networks = place.directories.map(() => new SimNetwork(machine.clock, 1 << 16, machine.watcher));
  }

  static async open(place: Place, machine: Machine): Promise<SimShards> {
    const life = new SimShards(place, machine);
    const claims = new MeterClaims(createClaims(1 << 10));
    const splitTenants = new Set(clients.map(({ id }) => id).filter((id) => spreadIn(place, id) > 1));
    const isAlive = () => life.#alive;
    for (const [index, directory] of place.directories.entries()) {
      const others = { succession: null, onDurable: () => {}, alive: () => {} };
      const opening = openShard({
        ...others,
        clock: clockOf(machine.clock, isAlive),
        disk: machine.disk,
        input: new RingConsumer(life.networks[index]!.input),
        output: new RingProducer(life.networks[index]!.output),
        directory,
        name: shardName(index, place.shards),
        plans: clients,
        splitTenants,
        isHome: (tenant) => !splitTenants.has(tenant) && stableHash(tenant) % place.shards === index,
        claims: splitTenants.size === 0 ? null : claims,
        ack: "durable",
        journalMaxBytes: 1 << 24,
        journalKeepMs: machine.keepMs,
        sizes: SIZES,
        openSink: (names) =>
          machine.lost ? tellingOfLoss(machine.store.sink(names, isAlive)) : machine.store.sink(names, isAlive),
        onFailed: (error) => {
          life.#failure = error;
        },
        warn: () => {},
        audits: true,
        random: () => 0.5,
      });
      life.shards.push(await opening);
    }
    for (const { loop } of life.shards) loop.start();
    return life;
  }

  networkOf({ tenant, id }: SimDatalogger): SimNetwork {
    return this.networks[homeOf(tenant, id, spreadIn(this.#place, tenant), this.#place.shards)]!;
  }

  step(): void {
    if (this.#failure !== null) throw this.#failure;
    for (const { loop } of this.shards) loop.step();
    for (const network of this.networks) network.drain();
  }

  end(): void {
    this.#alive = false;
  }

  /** All that was computed is stored, and no late input waits. */
  get isDone(): boolean {
    const isDone = ({ applier, journal, loop }: OpenShard) => applier.late.size === 0 && loop.pump.position === journal.appended;
    return this.networks.every(({ idle }) => idle) && this.shards.every(isDone);
  }
}
