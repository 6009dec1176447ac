import { type Clock, sleep, type Timer } from "../../engine/base/clock.js";
import { Kind, UnitType } from "../../engine/base/entries.js";
import { entryBytes, viewsOf } from "../../engine/base/entry-views.js";
import { invariant, messageOf } from "../../engine/base/errors.js";
import { limits } from "../../engine/base/limits.js";
import type { RefusedRow, Sink, StoreOutcome } from "../../engine/store/interface.js";
import { unitBytes } from "../journal/block.js";
import type { Journal } from "../journal/journal.js";
import { Pause } from "./pause.js";

/** Rows of a reading in the journal take about this much; turns rows per batch into bytes per read, and bytes to be sent again into rows. */
const BYTES_PER_ROW = 40;
/** A batch smaller than this waits a little for company: every request costs the store the same. */
const SMALL_BATCH_BYTES = 5_000 * BYTES_PER_ROW;
const LINGER_MS = 50;
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 5_000;
/** After a request whose fate is unknown, nothing is sent until an old copy of it can no longer commit; for sinks that do not say. */
const SETTLE_MS = 5_000;

/** Rows that the store has taken and does not show yet are looked for after this long, then after twice as long, and so on. */
const FIRST_LOOK_MS = 5;
const MAX_LOOK_MS = 200;

export interface SinkPumpPorts {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly sink: Sink;
  /** Everything up to here can be read in the store, and for the first time so much. */
  onStored(position: number, content: Content): void;
  onError(kind: string, message: string): void;
  /** What is no answer of the store. */
  onFailed(error: unknown): void;
  /** How long to let others by after so many milliseconds of work on late inputs. */
  restMs(workedMs: number): number;
}

/** A batch that the store has taken and does not show yet. */
interface Taken {
  readonly end: number;
  readonly content: Content;
}

/**
 * Sends what is durable to the store, in journal order, one batch at a time: the next batch is whatever
 * gathered while the last was in flight. Never gives a batch up; while the store does not take it, the
 * journal keeps it. What is no answer of the store (the journal cannot be read any more) ends it, by `onFailed`.
 *
 *     position (can be read) ≤ sent (taken by the store) ≤ durable
 *
 * A store that takes rows and does not show them, since it lags behind or a table of it is suspended, moves `sent` alone.
 */
export class SinkPump {
  readonly #ports: SinkPumpPorts;
  #position: number;
  #sent: number;
  /** Batches between `position` and `sent`. */
  #hidden: Taken[] = [];
  /** How far it ever was. */
  #furthest: number;
  #running: Promise<void> | null = null;
  readonly #pause: Pause;
  #retryMs = 0;
  #lookMs = FIRST_LOOK_MS;
  #wantsCheck: boolean;
  /** What the store is like is written down once it has everything that it ever had. */
  #isRemembered = false;
  #isOver = false;
  /** Why rows are not taken now; empty when they are. */
  trouble = "";

  /** `position`: what the store has already. */
  constructor(ports: SinkPumpPorts, position: number) {
    this.#ports = ports;
    this.#pause = new Pause(ports.clock);
    this.#position = position;
    this.#sent = position;
    this.#furthest = position;
    // A store that lost rows while nobody looked is found out even when there is nothing to send.
    this.#wantsCheck = ports.sink.remember !== undefined;
  }

  /** Position up to which the store has everything. */
  get position(): number {
    return this.#position;
  }

  /** About how many rows are to be sent a second time, since the store has lost them. */
  get rowsAgain(): number {
    return Math.round((this.#furthest - this.#position) / BYTES_PER_ROW);
  }

  start(): void {
    this.#running ??= this.#run().catch((error: unknown) => this.#ports.onFailed(error));
  }

  /** Tells the pump that more is durable. */
  notify(): void {
    if (this.trouble === "") this.#pause.wake();
  }

  /** Someone else found the store not as it should be: it is asked even if there is nothing to send, and may tell a loss. */
  check(): void {
    this.#wantsCheck = true;
    this.notify();
  }

  /** Sends what is durable while the store takes it, until `deadlineMs` from now; resolves when the pump rests. */
  async stop(deadlineMs: number): Promise<void> {
    this.#pause.stop();
    let timer: Timer | null = null;
    const deadline = new Promise<void>((resolve) => {
      timer = this.#ports.clock.after(deadlineMs, resolve);
    });
    await Promise.race([this.#running ?? Promise.resolve(), deadline]);
    this.#isOver = true;
    (timer as Timer | null)?.cancel();
  }

  get #settleMs(): number {
    return this.#ports.sink.settleMs ?? SETTLE_MS;
  }

  async #run(): Promise<void> {
    const { journal } = this.#ports;
    // Whoever was here before may have died with a request under way, older than what is sent from here on.
    if (journal.durable > this.#position && this.#settleMs > 0) {
      await this.#pause.wait(this.#settleMs, false);
      if (this.#pause.stopped) return;
    }
    while (!this.#isOver) {
      const waiting = journal.durable - this.#sent;
      if (waiting > 0) {
        if (waiting < SMALL_BATCH_BYTES && !this.#pause.stopped) await this.#pause.wait(LINGER_MS, false);
      } else if (this.#hidden.length > 0) {
        await this.#beforeLook();
        if (journal.durable > this.#sent) continue;
      } else if (!this.#wantsCheck) {
        if (this.#pause.stopped) return;
        await this.#pause.wait(null);
        continue;
      }
      this.#wantsCheck = false;
      const took = await this.#sendBatch();
      if (!took && this.#pause.stopped) return;
    }
  }

  /** What the store hides now it shows soon; whoever is stopping waits for that too. */
  async #beforeLook(): Promise<void> {
    const delayMs = this.#lookMs;
    this.#lookMs = Math.min(MAX_LOOK_MS, delayMs * 2);
    if (this.#pause.stopped) await sleep(this.#ports.clock, delayMs);
    else await this.#pause.wait(delayMs);
  }

  async #sendBatch(): Promise<boolean> {
    const { journal, sink, clock } = this.#ports;
    const most = (sink.batchRows ?? limits.sinkBatchRows) * BYTES_PER_ROW;
    // What is sent a second time ends exactly where the first time ended, so that readings are counted once.
    const behind = this.#furthest - this.#sent;
    const isEmpty = journal.durable === this.#sent;
    const batch = isEmpty
      ? { pieces: [], end: this.#sent }
      : await journal.read(this.#sent, behind > 0 ? Math.min(behind, most) : most);
    const startMs = clock.monotonicMs();
    const outcome = await sink.write(batch.pieces);
    if (!outcome.ok) {
      await this.#failed(outcome, isEmpty);
      return false;
    }
    this.trouble = outcome.trouble ?? "";
    this.#retryMs = 0;
    const content = contentOf(batch.pieces);
    if (!isEmpty) {
      this.#sent = batch.end;
      this.#lookMs = FIRST_LOOK_MS;
      this.#hidden.push({ end: batch.end, content: withoutRefused(content, outcome.refused ?? []) });
    }
    this.#shown(outcome.hidden ?? 0);
    // Each batch with rows of long ago costs the store the merge of whole days, however few they are.
    if (content.repairedRows > 0) await this.#rest(clock.monotonicMs() - startMs);
    return true;
  }

  /** Of the batches that were taken all but the latest `hidden` can be read. */
  #shown(hidden: number): void {
    invariant(hidden <= this.#hidden.length, "a store hides no more batches than it was given");
    for (const { end, content } of this.#hidden.splice(0, this.#hidden.length - hidden)) {
      const isNew = end > this.#furthest;
      this.#position = end;
      if (isNew) this.#furthest = end;
      this.#ports.onStored(end, isNew ? content : NOTHING);
    }
    if (this.#isRemembered || this.#hidden.length > 0 || this.#position < this.#furthest) return;
    this.#isRemembered = true;
    try {
      this.#ports.sink.remember?.();
    } catch (error) {
      this.#isRemembered = false;
      this.#ports.onError("memory", messageOf(error));
    }
  }

  async #failed(outcome: StoreOutcome & { ok: false }, isEmpty: boolean): Promise<void> {
    // Nothing may be sent that would show that it is well again.
    if (isEmpty) this.#wantsCheck = true;
    if (outcome.again !== undefined) this.#goBack(outcome.again);
    this.trouble = `${outcome.kind}: ${outcome.message}`;
    this.#ports.onError(outcome.kind, outcome.message);
    this.#retryMs = Math.min(MAX_RETRY_MS, Math.max(FIRST_RETRY_MS, this.#retryMs * 2));
    if (this.#pause.stopped) return;
    await this.#pause.wait(outcome.kind === "doubtful" ? Math.max(this.#settleMs, this.#retryMs) : this.#retryMs, false);
  }

  async #rest(workedMs: number): Promise<void> {
    const restMs = this.#ports.restMs(workedMs);
    if (restMs > 0 && !this.#pause.stopped) await this.#pause.wait(restMs, false);
  }

  /** What the store has taken it may not have: what it did not show yet, or everything that is kept, is sent again. */
  #goBack(again: "hidden" | "all"): void {
    this.#hidden = [];
    if (again === "all") {
      this.#position = Math.min(this.#position, this.#ports.journal.first);
      this.#isRemembered = false;
      this.#ports.onStored(this.#position, NOTHING);
    }
    this.#sent = this.#position;
  }
}

/** What units hold, by their headers. */
export interface Content {
  readonly readings: number;
  /** Rows that repairs wrote again. */
  readonly repairedRows: number;
  /** Rows that the store refuses by themselves; readings among them are not in `readings`. */
  readonly refused: readonly RefusedRow[];
}

const NOTHING: Content = { readings: 0, repairedRows: 0, refused: [] };

function withoutRefused(content: Content, refused: readonly RefusedRow[]): Content {
  if (refused.length === 0) return content;
  return { ...content, readings: content.readings - refused.filter((row) => row.isReading).length, refused };
}

export function contentOf(pieces: readonly Uint8Array[]): Content {
  let readings = 0;
  let repairedRows = 0;
  for (const piece of pieces) {
    const views = viewsOf(piece);
    for (let at = 0; at < piece.length; ) {
      const word = at >> 2;
      const head = views.u32[word]!;
      if ((head & 0xff) === Kind.UNIT) {
        if (head >>> 8 === UnitType.REPAIR) repairedRows += views.u32[word + 5]!;
        else readings += views.u32[word + 5]!;
        at += unitBytes(piece, at);
      } else at += entryBytes(views, at);
    }
  }
  return { readings, repairedRows, refused: [] };
}
