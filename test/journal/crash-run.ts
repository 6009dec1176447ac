import assert from "node:assert/strict";
import type { Disk } from "../../engine/base/disk.js";
import { Journal } from "../../workers/journal/journal.js";
import { Random } from "../support/random.js";
import { SimClock } from "../support/sim-clock.js";
import { type Fault, SimDisk } from "../support/sim-disk.js";
import { concat, unit } from "./units.js";

/** What a life of the journal may meet, and how its disk is dressed up: a variant that lies must be found out. */
export interface RunOptions {
  dress?: (disk: Disk) => Disk;
}

export interface RunResult {
  crashes: number;
  restarts: number;
  failures: number;
  unitsRecovered: number;
  /** Files that were written over zeros, and files cut to their length. */
  reserved: number;
  cut: number;
}

const directory = "j";
const FAULTS: readonly Fault[] = ["sync", "append", "create", "open", "rename", "truncate", "syncDirectory"];

/**
 * One seeded history of a journal: appends, commits, reads and releases, ended by power cuts, kills and failing disks at any
 * turn of the event loop, in the middle of recovery too. After each restart: everything ever reported as durable is there, in order,
 * whole units only, and nothing that was not appended.
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
  readonly #sizes: { blockBytes: number; segmentBytes: number; memoryBytes: number; reserve: boolean };
  readonly #result: RunResult = { crashes: 0, restarts: 0, failures: 0, unitsRecovered: 0, reserved: 0, cut: 0 };
  #disk: SimDisk;
  /** All units of the stream as it stands, and where each ends. */
  #units: Uint8Array[] = [];
  #ends: number[] = [0];
  #number = 0;
  /** The greatest position that was promised to outlive anything. */
  #promised = 0;
  #deletedBelow = 0;
  #released = 0;
  #lent: { from: number; end: number; bytes: Uint8Array; pieces: Uint8Array[] }[] = [];

  constructor(seed: number, options: RunOptions) {
    this.#random = new Random(seed);
    this.#options = options;
    this.#disk = new SimDisk({ seed: this.#random.u32(), maxTurns: this.#random.int(4) });
    this.#sizes = {
      blockBytes: this.#random.pick([128, 256, 512]),
      segmentBytes: this.#random.pick([400, 1500, 4000]),
      memoryBytes: this.#random.pick([512, 1024, 1 << 16]),
      reserve: this.#random.chance(0.8),
    };
  }

  async all(): Promise<RunResult> {
    const lives = 2 + this.#random.int(5);
    for (let life = 0; life < lives; life++) {
      if (this.#random.chance(0.15)) await this.#dieWhileOpening();
      const journal = await this.#open();
      await this.#check(journal);
      const steps = this.#random.int(25);
      for (let step = 0; step < steps && journal.failure === null; step++) await this.#step(journal);
      if (journal.failure !== null) this.#result.failures++;
      if (this.#random.chance(0.1)) await this.#close(journal);
      this.#end(journal);
    }
    await this.#check(await this.#open());
    return this.#result;
  }

  /** Power cut, or only the process; the next life then may or may not know what had been reported. */
  #upTo: number | undefined;

  #end(journal: Journal | null): void {
    this.#upTo = undefined;
    this.#result.reserved += this.#disk.calls.open;
    this.#result.cut += this.#disk.calls.truncate;
    this.#disk.faultRate = 0;
    this.#disk.capacityBytes = Number.POSITIVE_INFINITY;
    if (this.#random.chance(0.6)) {
      this.#result.crashes++;
      this.#disk = this.#disk.crash();
    } else {
      this.#result.restarts++;
      this.#disk = this.#disk.kill();
      if (journal !== null && this.#random.chance(0.5)) this.#upTo = this.#promised;
    }
  }

  #start(): Promise<Journal> {
    const mine = this.#disk;
    const disk = this.#options.dress === undefined ? mine : this.#options.dress(mine);
    return Journal.open({
      disk,
      clock: this.#clock,
      directory,
      shard: "s",
      ...(this.#upTo === undefined ? {} : { upTo: this.#upTo }),
      ...this.#sizes,
      onDurable: (position) => {
        if (mine !== this.#disk) return;
        assert.ok(position > this.#promised, `durable went from ${this.#promised} to ${position}`);
        this.#promised = position;
      },
      onFailed: () => {},
    });
  }

  async #dieWhileOpening(): Promise<void> {
    if (this.#random.chance(0.3)) this.#disk.faultRate = 0.2;
    this.#start().catch(() => {});
    await turns(this.#random.int(60));
    const upTo = this.#upTo;
    this.#end(null);
    this.#upTo = upTo;
  }

  async #open(): Promise<Journal> {
    const journal = await this.#start();
    if (this.#isExact) assert.equal(this.#disk.calls.truncate, 0, "what was closed in good order had to be cut");
    this.#isExact = false;
    // Recovery that was given a position keeps exactly what lies before it.
    if (this.#upTo !== undefined) assert.equal(journal.durable, this.#upTo);
    return journal;
  }

  /** The last life was closed in good order, so that its files end where they should. */
  #isExact = false;

  /** In good order or after a failure: nothing of it goes on, and what was closed in good order has no zeros at its end. */
  async #close(journal: Journal): Promise<void> {
    this.#disk.heal();
    const hadFailed = journal.failure !== null;
    await journal.close().catch(() => {});
    assert.equal(this.#disk.underWay, 0, "something is under way after the end");
    assert.equal(this.#disk.openFiles, 0, "a file is open after the end");
    await turns(30);
    assert.equal(this.#disk.underWay, 0, "something was begun after the end");
    if (hadFailed || journal.durable !== journal.appended) return;
    assert.equal(journal.bytesOnDisk, this.#disk.usedBytes());
    assert.ok(!this.#disk.paths().includes(`${directory}/journal.spare`));
    // One that has written nothing has said nothing in its file either.
    this.#isExact = this.#disk.calls.sync > 0;
  }

  async #check(journal: Journal): Promise<void> {
    const end = journal.durable;
    assert.ok(end >= this.#promised, `${this.#promised} was durable, only ${end} came back`);
    assert.equal(journal.appended, end);
    const count = this.#ends.indexOf(end);
    assert.ok(count >= 0, `position ${end} is no unit's end`);
    assert.ok(journal.first <= this.#deletedBelow, `released were ${this.#deletedBelow}, deleted ${journal.first}`);
    // What was never promised may be gone for good.
    this.#units.length = count;
    this.#ends.length = count + 1;
    this.#lent = [];
    this.#promised = end;
    this.#released = Math.min(this.#released, end);
    const found: Uint8Array[] = [];
    for await (const piece of journal.replay(journal.first)) found.push(piece);
    this.#result.unitsRecovered += count;
    assert.ok(same(concat(found), this.#stream(journal.first, end)), "what came back is not what was appended");
    assert.equal(journal.bytesOnDisk, this.#disk.usedBytes());
  }

  #stream(from: number, to: number): Uint8Array {
    return concat(this.#units.slice(this.#ends.indexOf(from), this.#ends.indexOf(to)));
  }

  async #step(journal: Journal): Promise<void> {
    const random = this.#random;
    const dice = random.int(100);
    if (dice < 40) this.#append(journal);
    else if (dice < 60) journal.commit();
    else if (dice < 68) await journal.committed(journal.appended).catch(() => {});
    else if (dice < 80) await turns(random.int(random.pick([12, 100])));
    else if (dice < 90) await this.#read(journal);
    else if (dice < 93) this.#release(journal);
    else if (dice < 97) await this.#delete(journal);
    else if (dice < 98) this.#disk.failNext(random.pick(FAULTS), random.int(2));
    else this.#disk.capacityBytes = this.#disk.usedBytes() + random.int(1000);
    for (const { bytes, pieces } of this.#lent) assert.ok(same(concat(pieces), bytes), "what a reader holds has changed");
  }

  #append(journal: Journal): void {
    const units = Array.from({ length: 1 + this.#random.int(4) }, () => {
      const readings = this.#random.chance(0.1) ? this.#random.int(40) : this.#random.int(5);
      return unit(++this.#number, readings);
    });
    for (const each of units) {
      this.#units.push(each);
      this.#ends.push(this.#ends.at(-1)! + each.length);
    }
    assert.equal(journal.append(concat(units)), this.#ends.at(-1));
  }

  async #read(journal: Journal): Promise<void> {
    const from = this.#random.pick(
      this.#ends.filter((end) => end >= Math.max(journal.first, this.#released) && end <= journal.durable),
    );
    const maxBytes = this.#random.pick([1, 200, 1000, 100_000]);
    const { durable } = journal;
    const { pieces, end } = await journal.read(from, maxBytes);
    assert.ok(end <= durable && (end > from || from === durable), `a read of ${from} ended at ${end}, durable was ${durable}`);
    const bytes = this.#stream(from, end);
    assert.ok(same(concat(pieces), bytes), `a read of ${from} to ${end} gave other bytes`);
    this.#lent.push({ from, end, bytes, pieces });
  }

  #release(journal: Journal): void {
    this.#released = this.#random.pick(this.#ends.filter((end) => end >= this.#released && end <= journal.durable));
    this.#lent = this.#lent.filter(({ from }) => from >= this.#released);
    journal.released(this.#released);
  }

  async #delete(journal: Journal): Promise<void> {
    this.#deletedBelow = Math.max(this.#deletedBelow, this.#released);
    const deleting = journal.release(this.#released, 0).catch(() => 0);
    if (this.#random.chance(0.5)) await deleting;
    // A read must not run into a deletion; the journal's users only read beyond what they released.
    this.#lent = this.#lent.filter(({ from }) => from >= this.#released);
  }
}

export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
