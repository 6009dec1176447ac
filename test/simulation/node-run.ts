import assert from "node:assert/strict";
import type { AlertTransition } from "../../engine/base/alert-transition.js";
import { Random } from "../support/random.js";
import { SimClock } from "../support/sim-clock.js";
import { SimDisk } from "../support/sim-disk.js";
import { checkRows } from "./check-rows.js";
import { checkTimedAlerts } from "./check-timed-alerts.js";
import { type Circumstances, drawCircumstances, drawDataloggers } from "./circumstances.js";
import { type Happened, nothingHappened } from "./happened.js";
import { Life, type Wrong } from "./life.js";
import { PlanChanges } from "./plan-changes.js";
import { PlanEdits } from "./plan-edits.js";
import { FIRST_TS } from "./plans.js";
import type { SimDatalogger } from "./sim-datalogger.js";
import { type Party, SimNetwork, type Watcher } from "./sim-network.js";
import { GOOD_MOOD, SimStore } from "./sim-store.js";

const HARMLESS = ["EIO", "ENOSPC", "journal_failed"];

/**
 * One seeded history of an engine: dataloggers that send and reconnect, a shard whose every step the schedule decides, a disk that
 * tears and fails, a store that refuses, stalls and takes late; and power cuts, kills and stops at any moment, while it opens too.
 * In the end all faults cease, and then every frame must become safe and the store hold exactly the rows of a run without any fault.
 */
export async function nodeRun(seed: number, wrong: Wrong = {}): Promise<Happened> {
  const run = new NodeRun(seed, wrong);
  try {
    return await run.all();
  } catch (error) {
    run.end();
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

type Act = () => void | Promise<void>;

class NodeRun implements Watcher {
  readonly #random: Random;
  readonly #wrong: Wrong;
  readonly #clock = new SimClock();
  readonly #store: SimStore;
  readonly #dataloggers: SimDatalogger[];
  readonly #circumstances: Circumstances;
  readonly #told = new Set<string>();
  readonly #plans = new PlanChanges();
  readonly #edits: PlanEdits;
  /** What the schedule picks from, each as often as its weight says; drawn anew for each run. */
  readonly #acts: Act[] = [];
  #disk: SimDisk;
  #life: Life;
  readonly #happened: Happened = nothingHappened();

  constructor(seed: number, wrong: Wrong) {
    const random = new Random(seed);
    this.#random = random;
    this.#wrong = wrong;
    this.#circumstances = drawCircumstances(random);
    this.#disk = new SimDisk({ seed: random.u32(), maxTurns: random.int(4) });
    this.#store = new SimStore(new Random(random.u32()), this.#clock, this.#circumstances.settleMs);
    this.#dataloggers = drawDataloggers(random);
    this.#edits = new PlanEdits(new Random(random.u32()));
    this.#life = this.#newLife();
    this.#drawActs();
    if (random.chance(0.7) || wrong.mood !== undefined) this.#changeMood();
  }

  #drawActs(): void {
    const random = this.#random;
    const add = (weight: number, act: Act) => {
      for (let i = 0; i < weight; i++) this.#acts.push(act);
    };
    const some = (least: number, most: number) => least + random.int(most - least + 1);
    const rare = (most: number) => (random.chance(0.5) ? random.int(most + 1) : 0);
    add(some(10, 40), () => this.#talk(random.pick(this.#dataloggers)));
    add(some(10, 30), () => this.#life.network.flush(1 + random.int(8)));
    add(some(10, 30), () => void this.#life.step());
    add(some(10, 30), () => this.#life.network.drain());
    add(some(1, 10), () => this.#life.network.keep(1 + random.int(6)));
    add(some(10, 40), () => turns(1 + random.int(20)));
    add(some(10, 50), () => this.#pass(random.int(this.#circumstances.paceMs)));
    add(rare(2), () => this.#pass(10_000));
    add(rare(3), () => this.#hangUp(random.pick(this.#dataloggers)));
    add(rare(3), () => this.#life.snapshot());
    add(rare(3), () => this.#life.release());
    add(rare(6), () => this.#changeMood());
    add(rare(2), () => this.#hurtDisk());
    add(some(0, 1), () => this.#die());
    add(rare(1), () => this.#stop());
    add(rare(2), () => this.#replace());
    add(rare(6), () => this.#changePlans());
    // While a request is under way: what becomes of it, nobody knows then.
    add(rare(3), () => {
      if (this.#store.isBusy) this.#die();
    });
  }

  acked({ name }: Party, seq: number): void {
    const datalogger = this.#dataloggers.find((each) => each.name === name);
    assert.ok(datalogger !== undefined);
    assert.ok(seq >= datalogger.promised, `${datalogger.name}: ${seq} was said to be safe after ${datalogger.promised}`);
    datalogger.promised = seq;
    if (this.#circumstances.ack === "stored") this.#checkStored(datalogger, seq);
  }

  #checkStored(datalogger: SimDatalogger, seq: number): void {
    for (const frame of datalogger.frames) {
      if (frame.seq > seq) break;
      if (frame.seq <= datalogger.storedChecked) continue;
      datalogger.storedChecked = frame.seq;
      for (const { meter, ts } of frame.readings) {
        const row = this.#store.row("readings", `${datalogger.tenant}/${meter}/${ts}`);
        assert.ok(
          row !== undefined,
          `${datalogger.name}: seq ${frame.seq} was acked as stored, the store has no row of ${meter}`,
        );
      }
    }
  }

  alert(alert: AlertTransition): void {
    const key = [alert.tenant, alert.meter, Date.parse(alert.ts), alert.rule, alert.incident, alert.state, alert.severity].join(
      "/",
    );
    if (this.#told.has(key)) this.#happened.toldAgain++;
    this.#told.add(key);
    assert.ok(
      alert.key === `${alert.incident}-${alert.state}-${alert.severity}-${Date.parse(alert.ts)}`,
      `the alert ${key} was told as ${alert.key}`,
    );
  }

  /** Nothing of it goes on. */
  end(): void {
    this.#life.end();
  }

  async all(): Promise<Happened> {
    const acts = 200 + this.#random.int(600);
    for (let i = 0; i < acts; i++) {
      await this.#random.pick(this.#acts)();
      await this.#tend();
    }
    await this.#finish();
    // Whatever may still commit late does so now.
    this.#clock.advance(this.#circumstances.settleMs);
    this.#happened.frames = this.#dataloggers.reduce((sum, { frames }) => sum + frames.length, 0);
    this.#happened.resent = this.#dataloggers.reduce((sum, { resent }) => sum + resent, 0);
    this.#happened.lateCommits = this.#store.lateCommits;
    this.#happened.alertsTold = this.#told.size;
    this.#happened.lateMeters = this.#store.lateMeters.size;
    this.#happened.planChanges = this.#plans.taken.length;
    this.#happened.planChangesByStart = this.#plans.byStart;
    const changed = { changes: this.#plans.taken, left: this.#edits.left };
    this.#happened.rows = await checkRows(this.#store, this.#dataloggers, this.#told, changed);
    this.#happened.timedAlerts = checkTimedAlerts(this.#store);
    return this.#happened;
  }

  /** Of a new process, or a thread that takes over in one. */
  #newLife(network: SimNetwork | null = null): Life {
    const life = new Life({
      clock: this.#clock,
      disk: this.#disk,
      store: this.#store,
      network: network ?? new SimNetwork(this.#clock, this.#circumstances.ringBytes, this),
      succession: network?.succession() ?? null,
      ...this.#circumstances,
      plans: this.#plans.plans,
      onOpen: (shard) => this.#plans.opened(shard),
      wrong: this.#wrong,
    });
    life.start();
    return life;
  }

  /** Notices what the process would notice of itself: that it cannot go on. */
  async #tend(): Promise<void> {
    if (this.#store.fault !== "") assert.fail(this.#store.fault);
    const { refusal, failure } = this.#life;
    if (refusal !== null) {
      const { code = "", message } = refusal as Error & { code?: string };
      assert.ok(HARMLESS.includes(code), `it does not open: ${code} ${message}`);
    }
    if (failure !== null) assert.equal(failure.code, "journal_failed", failure.message);
    if (refusal === null && (failure === null || this.#random.chance(0.7))) return;
    this.#happened.failures++;
    if (this.#random.chance(0.5)) this.#replace();
    else this.#die();
    await turns(1);
  }

  /** A datalogger reads, makes and sends; connects when it is not. */
  #talk(datalogger: SimDatalogger): void {
    const random = this.#random;
    const { network } = this.#life;
    if (datalogger.connection === null) {
      datalogger.connect(network);
      return;
    }
    datalogger.receive(1 + random.int(10));
    const frames = random.int(4);
    for (let i = 0; i < frames; i++) datalogger.make();
    datalogger.send(network, 1 + random.int(6));
  }

  #hangUp(datalogger: SimDatalogger): void {
    const { connection } = datalogger;
    if (connection === null) return;
    // A newer connection may be there before the older is seen to be gone.
    const closesLater = this.#random.chance(0.5);
    if (!closesLater) this.#life.network.disconnect(connection);
    datalogger.lose(this.#random.int(20));
    if (!closesLater) return;
    datalogger.connect(this.#life.network);
    this.#life.network.disconnect(connection);
  }

  async #pass(ms: number): Promise<void> {
    // In small steps, so that what waits for one thing can go on to the next.
    for (let left = ms; left > 0; left -= 50) {
      this.#clock.advance(Math.min(left, 50));
      await turns(this.#random.int(10));
    }
  }

  /** The file says something else and is read again; now and then all ends before a shard is told, or right after. */
  #changePlans(): void {
    const random = this.#random;
    const { shard, failure } = this.#life;
    if (shard === null || failure !== null || !this.#plans.isSure(shard.journal.durable)) return;
    const newestTs = Math.max(FIRST_TS, ...this.#dataloggers.map(({ newestTs: ts }) => ts));
    const plans = this.#edits.edited(this.#plans.plans, newestTs);
    try {
      shard.loop.check(plans);
    } catch (error) {
      assert.equal((error as { code?: string }).code, "settings_changed", String(error));
      this.#happened.planRefusals++;
      return;
    }
    this.#plans.written(plans);
    if (random.chance(0.2)) {
      this.#die();
      return;
    }
    shard.loop.adopt(plans);
    this.#plans.adopted(shard);
    if (random.chance(0.2)) this.#die();
  }

  #changeMood(): void {
    const random = this.#random;
    const odds = () => random.pick([0, 0.2, 0.5]);
    const unavailable = random.chance(0.1) ? 1 : random.pick([0, 0.2]);
    this.#store.mood = this.#wrong.mood ?? { unavailable, refused: odds(), doubtful: odds(), stalled: odds() };
  }

  #hurtDisk(): void {
    const random = this.#random;
    if (random.chance(0.2)) this.#disk.capacityBytes = this.#disk.usedBytes() + random.int(3000);
    else this.#disk.failNext(random.pick(["sync", "sync", "append", "create", "syncDirectory"]), random.int(2));
  }

  /** A power cut, or only the process: the next one starts at once, or after a while. */
  #die(): void {
    const random = this.#random;
    this.#checkAudit();
    this.#life.end();
    this.#store.cut();
    for (const datalogger of this.#dataloggers) datalogger.lose(random.int(20));
    if (random.chance(0.6)) {
      this.#happened.powerCuts++;
      this.#disk = this.#disk.crash();
    } else {
      this.#happened.kills++;
      this.#disk = this.#disk.kill();
    }
    this.#disk.capacityBytes = Number.POSITIVE_INFINITY;
    if (random.chance(0.3)) this.#clock.advance(random.int(10_000));
    this.#life = this.#newLife();
  }

  /** The shard's thread is gone, and only that: connections and rings live on, and another thread takes over. */
  #replace(): void {
    const { network } = this.#life;
    this.#checkAudit();
    this.#life.end();
    this.#store.cut();
    this.#disk = this.#disk.kill();
    this.#happened.replaced++;
    this.#life = this.#newLife(network);
  }

  /** Told to end: what is in the ring is finished, the store gets what it takes in time. The process is gone then all the same. */
  async #stop(): Promise<void> {
    const { shard, failure } = this.#life;
    if (shard === null || failure !== null) return;
    while (this.#life.step() > 0);
    const drained = shard.journal
      .committed(shard.journal.appended)
      .then(async () => {
        await shard.loop.beside.stop();
        shard.loop.settle();
        await shard.loop.pump.stop(5_000);
        shard.loop.settle();
        await shard.snapshots.write(shard.loop.pump.position);
        await shard.journal.close();
      })
      .catch(() => {});
    let isOver = false;
    void drained.then(() => {
      isOver = true;
    });
    for (let i = 0; i < 200 && !isOver; i++) {
      await turns(20);
      this.#clock.advance(50);
      this.#life.network.drain();
    }
    assert.ok(isOver, "it did not stop within its time");
    this.#happened.stops++;
    this.#die();
  }

  /** No fault any more, and after a while no new readings: everything must come to an end. */
  async #finish(): Promise<void> {
    this.#disk.heal();
    this.#store.mood = GOOD_MOOD;
    if (this.#life.failure !== null || this.#random.chance(0.5)) this.#die();
    let openFor = 0;
    for (let round = 0; round < 3000; round++) {
      await this.#tend();
      const { network, shard } = this.#life;
      for (const datalogger of this.#dataloggers) {
        if (datalogger.connection === null) datalogger.connect(network);
        datalogger.receive(100);
        if (round < 20) datalogger.make();
        datalogger.send(network, 20);
      }
      network.flush(50);
      this.#life.step();
      await turns(30);
      network.drain();
      network.keep(100);
      if (shard !== null) openFor++;
      // What fires under a rule that is gone ends within a second.
      this.#clock.advance(openFor === 20 ? 2_000 : 20);
      if (round % 200 === 199) {
        this.#life.snapshot();
        await turns(100);
        this.#life.release();
      }
      const { position } = shard?.loop.pump ?? { position: -1 };
      if (shard === null || round < 20 || openFor < 25 || !this.#plans.isSure(shard.journal.durable)) continue;
      if (shard.applier.late.size === 0 && this.#isDone(position, shard.journal.appended)) return this.#checkEnd();
    }
    const { shard } = this.#life;
    const waiting = this.#dataloggers.filter(({ done }) => !done).map(({ name, safe, sent }) => `${name} has ${safe} of ${sent}`);
    assert.fail(
      `it does not come to an end: ${waiting.join(", ")}; stored ${shard?.loop.pump.position} of ${shard?.journal.appended}, ` +
        `${shard?.applier.late.size} late inputs wait: ${shard?.loop.beside.mender.trouble}`,
    );
  }

  #isDone(stored: number, appended: number): boolean {
    return stored === appended && this.#life.network.idle && this.#dataloggers.every(({ done }) => done);
  }

  /** Whatever happened, what is stored was never seen to be wrong. */
  #checkAudit(): void {
    const auditor = this.#life.shard?.loop.beside.auditor;
    if (auditor === undefined) return;
    assert.equal(auditor.mismatches, 0, "the audit found stored rows that are not what they should be");
    this.#happened.auditedDays += auditor.days;
  }

  #checkEnd(): void {
    this.#checkAudit();
    this.#life.network.drain();
    this.#life.network.keep(Number.POSITIVE_INFINITY);
    for (const connection of this.#life.network.connections) {
      const { name } = connection.datalogger;
      assert.equal(connection.inFlight, 0, `${name}: all is acked, yet ${connection.inFlight} bytes count as in flight`);
    }
  }
}

export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}
