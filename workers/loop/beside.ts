import type { Clock, Timer } from "../../engine/base/clock.js";
import { InTurn } from "../../engine/base/in-turn.js";
import { limits } from "../../engine/base/limits.js";
import type { Sink } from "../../engine/store/interface.js";
import type { Journal } from "../journal/journal.js";
import type { Detail } from "./answer.js";
import type { Applier } from "./applier.js";
import { Auditor } from "./auditor.js";
import type { Costs } from "./costs.js";
import type { StatsNow } from "./counters.js";
import { Explainer, type ExplainQuery } from "./explain.js";
import { LateLanes } from "./late-lanes.js";
import { Mender } from "./mender.js";
import type { Pace } from "./pace.js";
import type { SinkPump } from "./sink-pump.js";

export interface BesidePorts {
  clock: Clock;
  journal: Journal;
  sink: Sink;
  applier: Applier;
  pump: SinkPump;
  costs: Costs;
  pace: Pace;
  ack: "durable" | "stored";
  /** Whether stored rows are looked at again for ever; not where nothing can be read back. */
  audits: boolean;
  /** 0 ≤ x < 1. */
  random(): number;
  isJournalFull(): boolean;
  /** Answers may go out: late inputs were worked in, or their time has come. */
  settle(): void;
  onError(kind: string): void;
  /** Nothing is to be taken from a lane for now, or again. */
  hold(lane: number, on: boolean): void;
  onFailed(error: unknown): void;
  /** Text for the log. */
  warn(message: string): void;
}

/** Answers that keep late senders to the pace are looked at so often. */
const ANSWERS_EVERY_MS = 10;

/**
 * What a shard does beside its loop, in slices between batches: it works in late inputs, audits what is stored, and explains figures. All
 * three ask the store, which answers one question at a time.
 */
export class Beside {
  readonly mender: Mender;
  readonly auditor: Auditor;
  readonly #explainer: Explainer;
  readonly #ports: BesidePorts;
  readonly #lanes: LateLanes;
  /** Until when answers wait for the pace, and what looks at them. */
  #answersUntilMs = Number.NEGATIVE_INFINITY;
  #answers: Timer | null = null;

  constructor(ports: BesidePorts) {
    this.#ports = ports;
    this.#lanes = new LateLanes(limits.lateInputsHeld, ports.hold);
    const { clock, journal, applier, pump, sink, random, warn, onFailed } = ports;
    const turns = new InTurn();
    const history: Sink["history"] = (ranges) => turns.take(() => sink.history(ranges));
    const consumption: Sink["consumption"] = (ranges) => turns.take(() => sink.consumption(ranges));
    const stored = () => pump.position;
    this.mender = new Mender({
      ...{ clock, journal, applier, stored, onFailed },
      sink: { history },
      restMs: (workedMs) => ports.pace.restMs(workedMs),
      mayWrite: () => !ports.isJournalFull() && journal.appended - journal.durable <= limits.maxVolatileBytes,
      mayAsk: () => pump.trouble === "",
      onMended: (meter, ms) => this.#onMended(meter, ms),
      onError: (kind) => {
        ports.onError(kind);
        // A loss is told to whoever writes, and a pump that has nothing to send would never hear of it.
        pump.check();
      },
    });
    this.auditor = new Auditor({
      ...{ clock, journal, applier, stored, random, warn },
      sink: { history, consumption },
      mayLook: () => pump.trouble === "" && this.mender.trouble === "",
    });
    this.#explainer = new Explainer({ clock, applier, history, stored });
  }

  start(): void {
    this.mender.start();
    if (this.#ports.audits) this.auditor.start();
  }

  /** Late inputs that still wait are in the journal: the next start works them in. */
  async stop(): Promise<void> {
    this.#answers?.cancel();
    await Promise.all([this.mender.stop(), this.auditor.stop()]);
  }

  /** JSON of what lies behind a figure; see Explainer. `position`: behind all that was computed so far. */
  explain(query: ExplainQuery, position: number): Promise<string> {
    return this.#explainer.answer(query, position);
  }

  /** A frame of the client, which came through this lane, brought late inputs. */
  late(client: number, lane: number): void {
    this.#lanes.came(client, lane, this.#ports.applier.late.size);
  }

  /** A frame brought late inputs and took so long. Returns from when on, in monotonic milliseconds, it may be answered. */
  lateFrame(spentMs: number): number {
    this.#answersUntilMs = this.#ports.pace.takenUntil(spentMs);
    if (this.#answers === null) this.#lookAtAnswers();
    return this.#answersUntilMs;
  }

  #lookAtAnswers(): void {
    const { clock, settle } = this.#ports;
    if (this.#answersUntilMs <= clock.monotonicMs()) return;
    this.#answers = clock.after(ANSWERS_EVERY_MS, () => {
      this.#answers = null;
      settle();
      this.#lookAtAnswers();
    });
  }

  /** The store has more. */
  stored(): void {
    this.mender.notify();
  }

  /** Whether an answer has to wait though its position is safe. */
  mustWait({ late, notBeforeMs }: Detail): boolean {
    if (late === null) return false;
    const { ack, applier, clock, pump } = this.#ports;
    // Under `stored` a late reading is safe once its repair is stored.
    if (ack === "stored" && (late.waiting > 0 || late.mendedAt > pump.position)) return true;
    // So that a history that comes faster than it is worked in closes its own senders' windows.
    return (late.waiting > 0 && applier.late.size > limits.lateInputsWaiting) || clock.monotonicMs() < notBeforeMs;
  }

  #onMended(meter: number, ms: number): void {
    const { applier, costs } = this.#ports;
    this.#lanes.mended(applier.late.size);
    const lane = this.#lanes.of(applier.directory.meterTenant(meter));
    if (lane !== undefined) costs.add(lane, 0, 0, ms * 1000);
    this.auditor.changed(meter);
    this.#ports.settle();
  }

  get stats(): Pick<
    StatsNow,
    "lateWaiting" | "lateTrouble" | "repairs" | "repairedRows" | "auditRows" | "auditDays" | "auditMismatches"
  > {
    const { mender, auditor } = this;
    return {
      lateWaiting: this.#ports.applier.late.size,
      lateTrouble: mender.trouble,
      repairs: mender.repairs,
      repairedRows: mender.rows,
      auditRows: auditor.rows,
      auditDays: auditor.days,
      auditMismatches: auditor.mismatches,
    };
  }
}
