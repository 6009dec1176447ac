import { UnitType } from "../../engine/base/entries.js";
import { limits } from "../../engine/base/limits.js";
import type { TenantPlan } from "../../engine/base/settings.js";
import { HELD_UP, Input, type Origin, Outcome, SET_ASIDE } from "../../engine/memory/protocol.js";
import type { OpenSession } from "../../engine/shards/tasks.js";
import { readPost } from "../decode/post.js";
import { adoptPlans, checkPlans } from "./adopt-plans.js";
import type { Detail } from "./answer.js";
import { Answers } from "./answers.js";
import type { Applier } from "./applier.js";
import { Batches } from "./batches.js";
import { Beside } from "./beside.js";
import { Connections } from "./connections.js";
import { Costs } from "./costs.js";
import { Counters } from "./counters.js";
import { FrameIntake, setAside, Taken } from "./frame-intake.js";
import { LaneHolds } from "./lane-holds.js";
import { Outbox } from "./outbox.js";
import { Pace } from "./pace.js";
import { answerQuery } from "./queries.js";
import { Reached } from "./reached.js";
import type { Session } from "./sessions.js";
import type { ShardOptions, ShardPorts } from "./shard-options.js";
import { type Content, SinkPump } from "./sink-pump.js";
import { Telling } from "./telling.js";
import { Ticks } from "./ticks.js";

/** Payload bytes and milliseconds after which a step ends, so that acks, disk and store get their turn. */
const STEP_BYTES = 256 * 1024;
const STEP_MS = 5;
const textDecoder = new TextDecoder();

/**
 * One shard: takes records from its ring, turns each into a unit, journals the units of a batch together, and
 * answers as positions advance. Does nothing by itself: `step` is called while there is work, `durable` by the
 * journal, and the pump by its own promises; so a simulation can drive it as well as a thread.
 */
export class ShardLoop {
  readonly #ports: ShardPorts;
  readonly #options: ShardOptions;
  readonly #applier: Applier;
  readonly #intake: FrameIntake;
  readonly #outbox: Outbox;
  readonly #answers: Answers;
  readonly #connections: Connections;
  readonly #costs = new Costs();
  readonly #batches: Batches;
  readonly #pace: Pace;
  readonly #telling: Telling;
  readonly #ticks: Ticks;
  readonly #u32: Uint32Array;
  readonly #f64: Float64Array;
  readonly counters = new Counters();
  readonly pump: SinkPump;
  readonly beside: Beside;
  readonly #reached: Reached;

  constructor(ports: ShardPorts, options: ShardOptions, applier: Applier) {
    this.#ports = ports;
    this.#options = options;
    this.#applier = applier;
    this.#intake = new FrameIntake(applier, this.counters, options.splitTenants, () => this.#unitOver());
    this.#outbox = new Outbox(ports.output);
    this.#telling = new Telling(applier, this.counters, this.#outbox);
    this.#ticks = new Ticks(ports.clock, applier);
    this.#batches = new Batches(ports.input);
    this.#connections = new Connections(applier.directory);
    const { sessions } = this.#connections;
    this.#answers = new Answers(this.#outbox, applier.directory, sessions, (detail) => this.beside.mustWait(detail));
    this.#pace = new Pace({ clock: ports.clock, oldestLiveMs: () => this.#batches.oldestLiveMs });
    const ring = ports.input.bytes;
    this.#u32 = new Uint32Array(ring.buffer, ring.byteOffset, ring.byteLength >> 2);
    this.#f64 = new Float64Array(ring.buffer, ring.byteOffset, ring.byteLength >> 3);
    this.#reached = new Reached(this.counters, options.backlogRows);
    this.pump = new SinkPump(
      {
        ...ports,
        onStored: (_position, content) => this.#onStored(content),
        onError: (kind) => this.counters.storeError(kind),
        onFailed: options.onFailed,
        restMs: (workedMs) => this.#pace.restMs(workedMs),
      },
      options.stored,
    );
    const holds = new LaneHolds((lane, on) => this.#outbox.send(Outcome.HOLD, lane, on ? 1 : 0, 0));
    options.shares.hold = (lane, on) => holds.set(lane, "journal", on);
    this.beside = new Beside({
      ...{ ...ports, applier, pump: this.pump, costs: this.#costs, pace: this.#pace },
      ...{ ack: options.ack, audits: options.audits, random: options.random, onFailed: options.onFailed },
      isJournalFull: () => this.#isFull,
      settle: () => this.settle(),
      onError: (kind) => this.counters.storeError(kind),
      hold: (lane, on) => holds.set(lane, "late", on),
      warn: (message) => this.#outbox.sendText(Outcome.WARNING, 0, 0, 0, message),
    });
  }

  /** Begins to send rows, and what goes on beside the loop. */
  start(): void {
    this.pump.start();
    this.beside.start();
  }

  /** Tells again of the alert transitions in these journaled units, which begin at `base`; all up to `keptTo` are kept elsewhere. */
  tellAgain(units: Uint8Array, base: number, keptTo: number): void {
    this.#telling.again(units, base, keptTo);
  }

  /**
   * Whether `adopt` would take these plans. Between batches.
   * @throws MeterstormError `settings_changed`
   */
  check(plans: readonly TenantPlan[]): void {
    checkPlans(this.#applier, plans);
  }

  /**
   * Goes on by what the configuration says now. Between batches; what was taken before is judged by what was said before.
   * @throws MeterstormError `settings_changed`; nothing has changed then
   */
  adopt(plans: readonly TenantPlan[]): void {
    const { journal, clock } = this.#ports;
    const write = (units: Uint8Array) => journal.append(units);
    const { isHome } = this.#options;
    adoptPlans(this.#applier, plans, { type: UnitType.CONTROL, nowMs: clock.nowMs(), isHome, write });
    journal.commit();
  }

  /** Takes one batch, or of it one record. Returns how many records it took; 0: there is nothing to do, or no room for it in the journal or before it. */
  step(isCareful = false): number {
    const { input, journal, clock } = this.#ports;
    if (this.#isFull || journal.appended - journal.durable > limits.maxVolatileBytes) {
      this.settle();
      return 0;
    }
    const out = this.#applier.out;
    out.reset();
    const ticked = this.#ticks.run();
    if (ticked > 0) this.#telling.written(journal.appended);
    let taken = 0;
    const most = journal.appended + limits.maxVolatileBytes;
    const endMs = clock.monotonicMs() + STEP_MS;
    let bytes = 0;
    while (bytes < STEP_BYTES && journal.appended <= most && input.next()) {
      // Before it is worked on: whoever looks after a death finds on what it was.
      if (isCareful) input.take();
      this.#record();
      taken++;
      bytes += input.payloadBytes;
      if (isCareful || clock.monotonicMs() >= endMs) break;
    }
    if (taken === 0 && ticked === 0) {
      this.settle();
      return 0;
    }
    input.take();
    if (this.#reached.isUnwritten || (this.#telling.isUnwritten && out.length > 0))
      this.#reached.write(out, clock.nowMs(), this.pump.position, this.#telling, this.#position);
    if (out.length > 0) journal.append(out.bytes());
    this.#batches.end(journal.appended);
    journal.commit();
    this.#costs.report(this.#outbox);
    this.settle();
    if (this.#applier.late.size > 0) this.beside.mender.notify();
    return taken + ticked;
  }

  /**
   * The budget is for what waits for the store. Once that has everything, a batch may come whatever is on the disk: files
   * that are over, the newest apart, are let go of by the snapshots, and the newest ends only when another batch comes.
   */
  get #isFull(): boolean {
    const { journal } = this.#ports;
    return journal.bytesOnDisk >= this.#options.journalMaxBytes && this.pump.position < journal.appended;
  }

  /** Answers all that the positions reached allow. Called after a batch, by the journal and by the pump. */
  settle(): void {
    const { journal } = this.#ports;
    const durable = journal.durable;
    const safe = this.#options.ack === "stored" ? Math.min(durable, this.pump.position) : durable;
    this.#batches.free(durable, (arrivalMs) => this.#pace.live(arrivalMs));
    this.#answers.release(safe);
    this.#telling.tell(durable);
    this.#outbox.publish();
  }

  /** What the journal calls when more is durable. */
  durable(): void {
    this.settle();
    this.pump.notify();
  }

  /** `snapshotTrouble`: why the last snapshot failed; empty when it did not. */
  reportStats(snapshotTrouble: string): void {
    const { journal } = this.#ports;
    const { meterCount } = this.#applier.directory;
    const stats = this.counters.stats({
      journalBytes: journal.bytesOnDisk,
      meters: meterCount,
      lagReadings: this.#reached.lag(this.beside.mender.rows) + this.pump.rowsAgain,
      storeTrouble: this.pump.trouble,
      snapshotTrouble,
      ...this.beside.stats,
    });
    this.#outbox.sendText(Outcome.STATS, 0, 0, 0, JSON.stringify(stats));
    this.#outbox.publish();
  }

  #record(): void {
    const { input, clock } = this.#ports;
    const from = this.#position;
    if ((input.type & SET_ASIDE) !== 0) {
      this.#setAside(from);
      return;
    }
    switch (input.type) {
      case Input.BINARY:
      case Input.TEXT: {
        const session = this.#connections.sessions.get(input.id);
        if (session === undefined) return;
        const startMs = clock.monotonicMs();
        const taken =
          input.type === Input.BINARY
            ? this.#intake.binary(session, input, this.#u32, this.#f64)
            : this.#intake.text(session, input, this.#u32);
        const spentMs = clock.monotonicMs() - startMs;
        this.#afterFrame(session, taken, spentMs);
        this.#wrote(session.dataloggerNumber, from);
        if (this.#intake.late > 0) this.#late(session.tenant);
        this.#costs.add(this.#lane, input.payloadBytes, this.#intake.count, spentMs * 1000);
        return;
      }
      case Input.HELLO:
        this.#hello();
        return;
      case Input.BYE:
        this.#connections.sessions.delete(input.id);
        return;
      case Input.POST:
        this.#post();
        this.#wrote(this.#applier.datalogger, from);
        return;
      case Input.QUERY:
        this.#query(input.id, this.#payloadText());
        return;
      case Input.TOLD:
        this.#telling.kept(input.number);
        return;
    }
  }

  /** A record that has ended threads: a frame is acked and kept as one that cannot be read, the rest is answered or left. */
  #setAside(from: number): void {
    const { input } = this.#ports;
    const type = input.type & ~SET_ASIDE;
    const session = this.#connections.sessions.get(input.id);
    if (type === Input.POST) this.#outbox.sendText(Outcome.POSTED, input.id, 500, 0, JSON.stringify({ error: setAside }));
    if ((type !== Input.TEXT && type !== Input.BINARY) || session === undefined) return;
    this.#afterFrame(session, this.#intake.setAside(session, input, this.#u32), 0);
    this.#wrote(session.dataloggerNumber, from);
  }

  /** Position behind what has been written so far. */
  get #position(): number {
    return this.#ports.journal.appended + this.#applier.out.length;
  }

  /** A unit of a frame that goes on: what is written goes to the journal, so that the writer stays small. */
  #unitOver(): void {
    const { out } = this.#applier;
    this.#options.alive();
    this.#telling.written(this.#ports.journal.appended);
    this.#ports.journal.append(out.bytes());
    out.reset();
  }

  #payloadText(): string {
    const { bytes, payloadAt, payloadBytes } = this.#ports.input;
    return textDecoder.decode(bytes.slice(payloadAt, payloadAt + payloadBytes));
  }

  /** What the shard knows is answered at once, what it has to ask the store for once that has answered. */
  #query(id: number, text: string): void {
    const answer = answerQuery(this.#applier, text, (query) => this.beside.explain(query, this.#position));
    if (typeof answer === "string") {
      this.#outbox.sendText(Outcome.REPLY, id, 0, 0, answer);
      return;
    }
    void answer.then((reply) => {
      this.#outbox.sendText(Outcome.REPLY, id, 0, 0, reply);
      this.#outbox.publish();
    });
  }

  #hello(): void {
    const { id, number } = this.#ports.input;
    this.#greet(this.#connections.open(id, JSON.parse(this.#payloadText()) as Origin), number);
  }

  #greet(session: Session, arrivalMs: number): void {
    this.#answers.greeting(this.#position, session, arrivalMs, this.#detail([], session.dataloggerNumber, 0));
  }

  /** A connection of the thread before this one: what that did not answer any more, this one does. */
  resume(open: OpenSession): void {
    const session = this.#connections.resume(open);
    const nowMs = this.#ports.clock.nowMs();
    if (open.isWelcome) this.#greet(session, nowMs);
    if (open.unackedBytes === 0) return;
    this.#answers.frame(this.#position, session, 0, open.unackedBytes, nowMs, this.#detail([], session.dataloggerNumber, 0));
  }

  #afterFrame(session: Session, taken: number, spentMs: number): void {
    const { input } = this.#ports;
    const { rejects, seq, fault, late, count } = this.#intake;
    if (taken === Taken.CLOSE) {
      this.#connections.sessions.delete(session.id);
      this.#outbox.sendText(Outcome.CLOSE, session.id, fault.closeCode, 0, `${fault.code}\n${fault.message}`);
      return;
    }
    const position = this.#position;
    const detail = this.#detail(rejects, session.dataloggerNumber, spentMs);
    this.#answers.frame(position, session, seq, input.payloadBytes, input.number, detail);
    this.#telling.written(this.#ports.journal.appended);
    if (late === 0) this.#live();
    const isLate = 2 * late > count;
    if (isLate === session.isLate || taken === Taken.NOTHING) return;
    session.isLate = isLate;
    this.#outbox.send(Outcome.LATE, session.id, isLate ? 1 : 0, 0);
  }

  /** A frame without late readings: how long it waits is what others give way to, where it is not for its own client's sake. */
  #live(): void {
    const { input } = this.#ports;
    if ((input.extra & HELD_UP) === 0) this.#batches.live(input.number);
  }

  /** What is to be said of the last frame beside that it is safe; null: nothing. */
  #detail(texts: readonly string[], datalogger: number, spentMs: number): Detail | null {
    const late = this.#applier.late.takeBatch(datalogger);
    if (late === null) return texts.length === 0 ? null : { texts, late, notBeforeMs: 0 };
    return { texts, late, notBeforeMs: this.beside.lateFrame(spentMs) };
  }

  #post(): void {
    const { input, clock } = this.#ports;
    const { payloadBytes } = input;
    const { origin, body } = readPost(input.bytes, this.#u32, input.payloadAt, payloadBytes);
    const startMs = clock.monotonicMs();
    const taken = this.#intake.post(origin, body, input.number);
    const { fault, accepted, rejects, seq } = this.#intake;
    if (taken === Taken.CLOSE) {
      const { code, message } = fault;
      this.#outbox.sendText(Outcome.POSTED, input.id, fault.closeCode, 0, JSON.stringify({ error: { code, message } }));
    } else {
      const position = this.#position;
      const { datalogger } = this.#applier;
      const detail = this.#detail(rejects, datalogger, clock.monotonicMs() - startMs);
      this.#answers.post(position, input.id, datalogger, seq, accepted, input.number, detail);
      this.#telling.written(this.#ports.journal.appended);
      if (this.#intake.late > 0) this.#late(origin.tenant);
      else this.#live();
    }
    this.#costs.add(this.#lane, payloadBytes, this.#intake.count, (clock.monotonicMs() - startMs) * 1000);
  }

  /** What was written since `from` came from this datalogger. */
  #wrote(datalogger: number, from: number): void {
    const position = this.#position;
    if (position === from) return;
    const { shares } = this.#options;
    const client = this.#applier.directory.dataloggerState(datalogger).tenant;
    shares.wrote(client, position - from, position);
    shares.came(client, this.#lane);
  }

  #late(client: string): void {
    this.beside.late(this.#applier.directory.tenantNumber(client), this.#lane);
  }

  /** By which the record came that was taken last. */
  get #lane(): number {
    return this.#ports.input.extra & ~HELD_UP;
  }

  #onStored(content: Content): void {
    this.#reached.stored(content);
    for (const { text } of content.refused) this.#outbox.sendText(Outcome.WARNING, 0, 0, 0, text);
    this.#options.shares.stored(this.pump.position);
    this.beside.stored();
    if (this.#options.ack === "stored") this.settle();
  }
}
