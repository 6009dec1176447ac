import type { Clock } from "../../engine/base/clock.js";
import { InTurn } from "../../engine/base/in-turn.js";
import { limits } from "../../engine/base/limits.js";
import type { Sink } from "../../engine/store/interface.js";
import type { Journal } from "../journal/journal.js";
import type { Applier } from "./applier.js";
import { Auditor } from "./auditor.js";
import type { Costs } from "./costs.js";
import type { StatsNow } from "./counters.js";
import { Explainer, type ExplainQuery } from "./explain.js";
import { Mender } from "./mender.js";
import type { SinkPump } from "./sink-pump.js";

export interface BesidePorts {
  clock: Clock;
  journal: Journal;
  sink: Sink;
  applier: Applier;
  pump: SinkPump;
  costs: Costs;
  ack: "durable" | "stored";
  /** Whether stored rows are looked at again for ever; not where nothing can be read back. */
  audits: boolean;
  /** 0 ≤ x < 1. */
  random(): number;
  isJournalFull(): boolean;
  /** Late inputs were worked in: acks may have waited for them. */
  onMended(): void;
  onError(kind: string): void;
  onFailed(error: unknown): void;
  /** Text for the log. */
  warn(message: string): void;
}

/**
 * What a shard does beside its loop, in slices between batches: it works in late inputs, audits what is stored, and explains figures. All
 * three ask the store, which answers one question at a time.
 */
export class Beside {
  readonly mender: Mender;
  readonly auditor: Auditor;
  readonly #explainer: Explainer;
  readonly #ports: BesidePorts;
  /** Lanes of clients that sent late inputs, by their numbers: repairs are charged to them. */
  readonly #lanes = new Map<number, number>();
  /** Where the last repair of what a datalogger sent ends in the journal, as long as that is not stored. */
  readonly #mendedAt = new Map<number, number>();

  constructor(ports: BesidePorts) {
    this.#ports = ports;
    const { clock, journal, applier, pump, sink, random, warn, onFailed } = ports;
    const turns = new InTurn();
    const history: Sink["history"] = (ranges) => turns.take(() => sink.history(ranges));
    const consumption: Sink["consumption"] = (ranges) => turns.take(() => sink.consumption(ranges));
    const stored = () => pump.position;
    this.mender = new Mender({
      ...{ clock, journal, applier, stored, onFailed },
      sink: { history },
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
    // Under `stored` a late reading is safe once its repair is stored, and nothing that its datalogger sent is acked before.
    if (ports.ack === "stored") applier.late.onMended = (datalogger) => this.#mendedAt.set(datalogger, journal.appended);
  }

  start(): void {
    this.mender.start();
    if (this.#ports.audits) this.auditor.start();
  }

  /** Late inputs that still wait are in the journal: the next start works them in. */
  async stop(): Promise<void> {
    await Promise.all([this.mender.stop(), this.auditor.stop()]);
  }

  /** JSON of what lies behind a figure; see Explainer. `position`: behind all that was computed so far. */
  explain(query: ExplainQuery, position: number): Promise<string> {
    return this.#explainer.answer(query, position);
  }

  /** A frame of the client, which came through this lane, brought late inputs. */
  late(client: number, lane: number): void {
    this.#lanes.set(client, lane);
  }

  /** The store has everything up to here. */
  stored(position: number): void {
    for (const [datalogger, end] of this.#mendedAt) if (end <= position) this.#mendedAt.delete(datalogger);
    this.mender.notify();
  }

  /** Whether what a datalogger sent is not yet as safe as acks promise, though its position is. */
  mustWait(datalogger: number): boolean {
    const { late } = this.#ports.applier;
    if (this.#ports.ack === "stored") return late.countOf(datalogger) > 0 || this.#mendedAt.has(datalogger);
    // So that a history that comes faster than it is worked in closes its own senders' windows.
    return late.size > limits.lateInputsWaiting && late.countOf(datalogger) > 0;
  }

  #onMended(meter: number, ms: number): void {
    const { applier, costs } = this.#ports;
    const lane = this.#lanes.get(applier.directory.meterTenant(meter));
    if (lane !== undefined) costs.add(lane, 0, 0, ms * 1000);
    this.auditor.changed(meter);
    this.#ports.onMended();
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
