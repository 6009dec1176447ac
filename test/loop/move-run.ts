import assert from "node:assert/strict";
import type { AlertTransition } from "../../engine/base/alert-transition.js";
import type { Disk } from "../../engine/base/disk.js";
import type { Place } from "../../engine/base/home.js";
import type { Names, Sink } from "../../engine/store/interface.js";
import type { MovePorts } from "../../workers/loop/move-drain.js";
import { moveShards, removeFiles } from "../../workers/loop/move-shards.js";
import { checkRows } from "../simulation/check-rows.js";
import { checkTimedAlerts } from "../simulation/check-timed-alerts.js";
import type { SimDatalogger } from "../simulation/sim-datalogger.js";
import type { Party, Watcher } from "../simulation/sim-network.js";
import { GOOD_MOOD, SimStore } from "../simulation/sim-store.js";
import { dressedDisk } from "../support/dressed-disk.js";
import { Random } from "../support/random.js";
import { SimClock } from "../support/sim-clock.js";
import { SimDisk } from "../support/sim-disk.js";
import { clients, drawFleet, spreadOver } from "./move-fleet.js";
import { clockOf, type Machine, SIZES, SimShards } from "./move-shards-of.js";

/** Something wrong, put into a move from outside. */
export interface WrongMove {
  /** Called when the new shards begin to be written; what it returns is called when the attempt is over. */
  writing?(): () => void;
  openSink?(inner: Sink): Sink;
  /** The old directories go before the new ones count. */
  removesEarly?: true;
}

export interface Moved {
  moves: number;
  crashes: number;
  frames: number;
  resent: number;
  rows: number;
  alerts: number;
  lateMeters: number;
  toldAgain: number;
  /** Calls that change the disk, in the first move. */
  writes: number;
  /** What moves said of themselves, numbers apart. */
  said: Set<string>;
}

export interface MoveRunOptions {
  /** How many shards there are, one after the other. */
  counts: readonly number[];
  wrong?: WrongMove;
  /** The first attempt of the first move dies at this call that changes the disk; left out: at random moments. */
  crashAt?: number;
  /** A few dataloggers, for a short time. */
  isShort?: true;
  /** In the end the store loses all that it has, and tells so; journals keep everything. */
  loses?: true;
}

const MARK = "engine.json";

/** One seeded history of a fleet whose engine has other shards again and again, and may die at any moment of the moves. */
export async function moveRun(seed: number, options: MoveRunOptions): Promise<Moved> {
  const run = new MoveRun(seed, options);
  try {
    return await run.all();
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  } finally {
    run.end();
  }
}

class MoveRun implements Watcher {
  readonly #random: Random;
  readonly #options: MoveRunOptions;
  readonly #clock = new SimClock();
  readonly #store: SimStore;
  readonly #fleet: SimDatalogger[];
  readonly #told = new Set<string>();
  readonly #moved: Moved = {
    ...{ moves: 0, crashes: 0, frames: 0, resent: 0, rows: 0, alerts: 0, lateMeters: 0, toldAgain: 0, writes: 0 },
    said: new Set(),
  };
  #disk: SimDisk;
  #life: SimShards | null = null;
  #isLost = false;

  constructor(seed: number, options: MoveRunOptions) {
    const random = new Random(seed);
    this.#random = random;
    this.#options = options;
    this.#disk = new SimDisk({ seed: random.u32(), maxTurns: random.int(3) });
    this.#store = new SimStore(new Random(random.u32()), this.#clock, 1_000);
    this.#fleet = drawFleet(random, options.isShort ? 1 : 3);
  }

  acked({ name }: Party, seq: number): void {
    const datalogger = this.#fleet.find((each) => each.name === name)!;
    assert.ok(seq >= datalogger.promised, `${name}: ${seq} was said to be safe after ${datalogger.promised}`);
    datalogger.promised = seq;
  }

  alert(alert: AlertTransition): void {
    const { tenant, meter, ts, rule, incident, state, severity } = alert;
    const key = [tenant, meter, Date.parse(ts), rule, incident, state, severity].join("/");
    if (this.#told.has(key)) this.#moved.toldAgain++;
    this.#told.add(key);
  }

  end(): void {
    this.#life?.end();
  }

  async all(): Promise<Moved> {
    const [first = 1, ...others] = this.#options.counts;
    await this.#write(placeOf(first, 0));
    await this.#feed(first);
    for (const count of others) {
      await this.#moveTo(count);
      await this.#feed(count);
    }
    await this.#finish();
    const moved = this.#moved;
    moved.frames = this.#fleet.reduce((sum, { frames }) => sum + frames.length, 0);
    moved.resent = this.#fleet.reduce((sum, { resent }) => sum + resent, 0);
    moved.lateMeters = this.#store.lateMeters.size;
    moved.rows = await checkRows(this.#store, this.#fleet, this.#told, { first: clients, changes: [], left: new Set() });
    moved.alerts = this.#told.size;
    checkTimedAlerts(this.#store);
    return moved;
  }

  get keepMs(): number {
    return this.#options.loses ? 1e12 : 60_000;
  }

  get #machine(): Machine {
    const { keepMs } = this;
    return { clock: this.#clock, disk: this.#disk, store: this.#store, watcher: this, keepMs, lost: this.#isLost };
  }

  /** The engine runs on what the mark says, dies or stops in the end, and perhaps in between. */
  async #feed(count: number): Promise<void> {
    const random = this.#random;
    const rounds = this.#options.isShort ? 12 : 20 + random.int(60);
    await this.#start(count);
    this.#changeMood();
    for (let round = 0; round < rounds; round++) {
      if (random.chance(0.02)) {
        this.#die();
        await this.#start(count);
      }
      for (const datalogger of this.#fleet) if (random.chance(0.5)) this.#talk(datalogger, random.int(3));
      await this.#turn(random.int(120));
      if (random.chance(0.05)) for (const { snapshots, loop } of this.#life!.shards) void snapshots.write(loop.pump.position);
    }
    this.#die();
  }

  async #start(count: number): Promise<void> {
    const { place } = await this.#mark();
    assert.equal(place.shards, count);
    this.#life = await SimShards.open(place, this.#machine);
  }

  #talk(datalogger: SimDatalogger, frames: number): void {
    const network = this.#life!.networkOf(datalogger);
    if (datalogger.connection === null) datalogger.connect(network);
    datalogger.receive(10);
    for (let i = 0; i < frames; i++) datalogger.make();
    datalogger.send(network, 6);
  }

  async #turn(ms: number): Promise<void> {
    const life = this.#life!;
    for (const network of life.networks) network.flush(40);
    life.step();
    await turns(20);
    for (const network of life.networks) {
      network.drain();
      if (this.#random.chance(0.3)) network.keep(5);
    }
    this.#clock.advance(ms);
    await turns(10);
    if (this.#store.fault !== "") assert.fail(this.#store.fault);
  }

  /** A power cut, or only the process. */
  #die(): void {
    this.#life?.end();
    this.#life = null;
    this.#store.cut();
    for (const datalogger of this.#fleet) datalogger.lose(this.#random.int(20));
    this.#disk = this.#random.chance(0.6) ? this.#disk.crash() : this.#disk.kill();
  }

  #changeMood(): void {
    const random = this.#random;
    const odds = () => random.pick([0, 0, 0.3]);
    this.#store.mood = random.chance(0.5) ? GOOD_MOOD : { unavailable: odds(), refused: odds(), doubtful: odds(), stalled: 0 };
  }

  /** Attempts to move, of which all but the last die, until the mark says that it is over. */
  async #moveTo(count: number): Promise<void> {
    const random = this.#random;
    const { place: from, generation } = await this.#mark();
    const to = placeOf(count, generation + 1);
    const { crashAt } = this.#options;
    const isFirst = this.#moved.moves === 0;
    for (let attempt = 0; ; attempt++) {
      const crashes = crashAt === undefined ? attempt < 4 && random.chance(0.6) : isFirst && attempt === 0;
      await this.#attempt(from, to, generation, crashes ? (crashAt ?? random.int(120)) : Number.POSITIVE_INFINITY);
      const mark = await this.#mark();
      if (mark.generation === generation) continue;
      for (const directory of from.directories) await removeFiles({ disk: this.#disk }, directory);
      break;
    }
    this.#moved.moves++;
  }

  async #attempt(from: Place, to: Place, generation: number, crashAt: number): Promise<void> {
    const { wrong = {} } = this.#options;
    let alive = true;
    let writes = 0;
    let isOver = false;
    const disk = counted(this.#disk, () => {
      if (this.#moved.moves === 0) this.#moved.writes = Math.max(this.#moved.writes, writes + 1);
      if (writes++ < crashAt) return false;
      alive = false;
      return true;
    });
    const opened = (names: Names) => this.#store.sink(names, () => alive);
    const ports: MovePorts = {
      clock: clockOf(this.#clock, () => alive),
      disk,
      openSink: (names) => wrong.openSink?.(opened(names)) ?? opened(names),
      tell: (text) =>
        new Promise((resolve) => {
          this.#clock.after(this.#random.int(200), () => {
            if (!alive) return;
            this.alert(JSON.parse(text) as AlertTransition);
            resolve();
          });
        }),
      progress: (text) => {
        this.#moved.said.add(text.replace(/\d+ (bytes|late|alert)/g, "n $1"));
        if (text.endsWith("is written")) over ??= wrong.writing?.() ?? (() => {});
      },
      warn: () => {},
    };
    let over: (() => void) | null = null;
    let failure: unknown = null;
    const terms = { plans: clients, journalMaxBytes: 1 << 25, journalKeepMs: this.keepMs, sizes: SIZES };
    moveShards(from, to, terms, ports)
      .then(async () => {
        if (wrong.removesEarly) for (const directory of from.directories) await removeFiles(ports, directory);
        await this.#write({ ...to, generation: generation + 1 }, disk);
        for (const directory of from.directories) await removeFiles(ports, directory);
      })
      .catch((error: unknown) => {
        failure = error;
      })
      .finally(() => {
        isOver = true;
      });
    if (this.#random.chance(0.3)) this.#store.mood = { ...GOOD_MOOD, unavailable: 1 };
    for (let round = 0; !isOver && alive; round++) {
      await turns(30);
      this.#clock.advance(20);
      if (round === 150) this.#store.mood = GOOD_MOOD;
      if (round > 5_000) assert.fail("the move does not come to an end");
    }
    (over as (() => void) | null)?.();
    if (this.#store.fault !== "") assert.fail(this.#store.fault);
    if (failure !== null) throw failure;
    if (alive && crashAt === Number.POSITIVE_INFINITY) return;
    alive = false;
    this.#moved.crashes++;
    this.#store.cut();
    this.#disk = this.#random.chance(0.6) ? this.#disk.crash() : this.#disk.kill();
  }

  async #finish(): Promise<void> {
    const { place } = await this.#mark();
    this.#store.mood = GOOD_MOOD;
    if (this.#options.loses) {
      this.#isLost = true;
      for (const rows of this.#store.tables.values()) rows.clear();
    }
    await this.#start(place.shards);
    for (let round = 0; round < 2_000; round++) {
      for (const datalogger of this.#fleet) this.#talk(datalogger, round < 10 ? 1 : 0);
      await this.#turn(50);
      for (const network of this.#life!.networks) network.keep(100);
      if (round < 10 || !this.#life!.isDone || this.#fleet.some(({ done }) => !done)) continue;
      for (const { loop } of this.#life!.shards) assert.equal(loop.beside.auditor.mismatches, 0, "the audit found wrong rows");
      this.#checkSequences();
      this.#clock.advance(2_000);
      return;
    }
    assert.fail("it does not come to an end");
  }

  /** Each datalogger is known in one shard, with the seq that it used last. */
  #checkSequences(): void {
    const found = this.#life!.shards.flatMap(({ applier: { directory } }) =>
      directory.dataloggers.map(({ tenant, id, lastSeq }) => `${directory.tenant(tenant)}/${id} ${lastSeq}`),
    );
    const sent = this.#fleet.filter(({ frames }) => frames.length > 0);
    assert.deepEqual(
      found.sort(),
      sent.map(({ tenant, id, frames }) => `${tenant}/${id} ${frames.at(-1)!.seq}`).sort(),
      "other dataloggers are known, or other frames of them, than were sent",
    );
  }

  async #mark(): Promise<{ place: Place; generation: number }> {
    const bytes = await this.#disk.read(`/${MARK}`);
    const { shards, generation } = JSON.parse(Buffer.from(bytes!).toString()) as { shards: number; generation: number };
    return { place: placeOf(shards, generation), generation };
  }

  /** As the engine's own file is written: whole, or the one before stays. */
  async #write({ shards, generation }: { shards: number; generation: number }, disk: Disk = this.#disk): Promise<void> {
    if ((await disk.list("")).includes("mark.tmp")) await disk.remove("/mark.tmp");
    const file = await disk.create("/mark.tmp");
    await file.append([Buffer.from(JSON.stringify({ shards, generation }))]);
    await file.sync();
    await file.close();
    await disk.rename("/mark.tmp", `/${MARK}`);
    await disk.syncDirectory("");
  }
}

function placeOf(shards: number, generation: number): Place & { generation: number } {
  const directories = Array.from({ length: shards }, (_, index) => `layout-${generation}/shard-${index}`);
  return { shards, spread: spreadOver(shards), directories, generation };
}

/** Each call that changes something asks `dies` first, and never returns where that says so; nor does any after it. */
function counted(disk: SimDisk, dies: () => boolean): Disk {
  let isDead = false;
  const alive = async <T>(act: () => Promise<T>): Promise<T> => {
    if (!isDead) isDead = dies();
    if (isDead) return new Promise<never>(() => {});
    return act();
  };
  return dressedDisk(
    disk,
    {
      rename: (from, to) => alive(() => disk.rename(from, to)),
      remove: (path) => alive(() => disk.remove(path)),
      truncate: (path, length) => alive(() => disk.truncate(path, length)),
      syncDirectory: (path) => alive(() => disk.syncDirectory(path)),
    },
    (file) => ({ append: (pieces) => alive(() => file.append(pieces)), sync: () => alive(() => file.sync()) }),
  );
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}
