import type { Clock, Timer } from "../../engine/base/clock.js";
import { entryBytes, Kind, UnitType, viewsOf } from "../../engine/base/entries.js";
import { limits } from "../../engine/base/limits.js";
import type { Sink } from "../../engine/store/interface.js";
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

export interface SinkPumpPorts {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly sink: Sink;
  /** The store has everything up to here, and in it for the first time so much. */
  onStored(position: number, content: Content): void;
  onError(kind: string, message: string): void;
  /** What is no answer of the store. */
  onFailed(error: unknown): void;
  /** How long to let others by after so many milliseconds of work on late inputs. */
  restMs(workedMs: number): number;
}

/**
 * Sends what is durable to the store, in journal order, one batch at a time: the next batch is whatever
 * gathered while the last was in flight. Never gives a batch up; while the store does not take it, the
 * journal keeps it. What is no answer of the store (the journal cannot be read any more) ends it, by `onFailed`.
 */
export class SinkPump {
  readonly #ports: SinkPumpPorts;
  #position: number;
  /** How far it ever was. */
  #furthest: number;
  #running: Promise<void> | null = null;
  readonly #pause: Pause;
  #retryMs = 0;
  #wantsCheck = false;
  /** Why rows are not taken now; empty when they are. */
  trouble = "";

  /** `position`: what the store has already. */
  constructor(ports: SinkPumpPorts, position: number) {
    this.#ports = ports;
    this.#pause = new Pause(ports.clock);
    this.#position = position;
    this.#furthest = position;
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
    (timer as Timer | null)?.cancel();
  }

  get #settleMs(): number {
    return this.#ports.sink.settleMs ?? SETTLE_MS;
  }

  async #run(): Promise<void> {
    // Whoever was here before may have died with a request under way, older than what is sent from here on.
    if (this.#ports.journal.durable > this.#position && this.#settleMs > 0) {
      await this.#pause.wait(this.#settleMs, false);
      if (this.#pause.stopped) return;
    }
    for (;;) {
      const waiting = this.#ports.journal.durable - this.#position;
      if (waiting === 0 && !this.#wantsCheck) {
        if (this.#pause.stopped) return;
        await this.#pause.wait(null);
        continue;
      }
      this.#wantsCheck = false;
      if (waiting < SMALL_BATCH_BYTES && !this.#pause.stopped) await this.#pause.wait(LINGER_MS, false);
      const took = await this.#sendBatch();
      if (!took && this.#pause.stopped) return;
    }
  }

  async #sendBatch(): Promise<boolean> {
    const most = (this.#ports.sink.batchRows ?? limits.sinkBatchRows) * BYTES_PER_ROW;
    // What is sent a second time ends exactly where the first time ended, so that readings are counted once.
    const behind = this.#furthest - this.#position;
    const isEmpty = this.#ports.journal.durable === this.#position;
    const batch = isEmpty
      ? { pieces: [], end: this.#position }
      : await this.#ports.journal.read(this.#position, behind > 0 ? Math.min(behind, most) : most);
    const startMs = this.#ports.clock.monotonicMs();
    const outcome = await this.#ports.sink.write(batch.pieces);
    if (outcome.ok) {
      this.trouble = "";
      this.#retryMs = 0;
      this.#position = batch.end;
      const isNew = batch.end > this.#furthest;
      if (isNew) this.#furthest = batch.end;
      const content = contentOf(batch.pieces);
      this.#ports.onStored(batch.end, isNew ? content : NOTHING);
      // Each batch with rows of long ago costs the store the merge of whole days, however few they are.
      if (content.repairedRows > 0) await this.#rest(this.#ports.clock.monotonicMs() - startMs);
      return true;
    }
    // Nothing may be sent that would show that it is well again.
    if (isEmpty) this.#wantsCheck = true;
    if (outcome.kind === "doubtful" && outcome.lost) this.#goBack();
    this.trouble = `${outcome.kind}: ${outcome.message}`;
    this.#ports.onError(outcome.kind, outcome.message);
    this.#retryMs = Math.min(MAX_RETRY_MS, Math.max(FIRST_RETRY_MS, this.#retryMs * 2));
    if (!this.#pause.stopped)
      await this.#pause.wait(outcome.kind === "doubtful" ? Math.max(this.#settleMs, this.#retryMs) : this.#retryMs, false);
    return false;
  }

  async #rest(workedMs: number): Promise<void> {
    const restMs = this.#ports.restMs(workedMs);
    if (restMs > 0 && !this.#pause.stopped) await this.#pause.wait(restMs, false);
  }

  /** The store no longer has what it acknowledged: everything that is kept is sent again. */
  #goBack(): void {
    this.#position = Math.min(this.#position, this.#ports.journal.first);
    this.#ports.onStored(this.#position, NOTHING);
  }
}

/** What units hold, by their headers. */
export interface Content {
  readonly readings: number;
  /** Rows that repairs wrote again. */
  readonly repairedRows: number;
}

const NOTHING: Content = { readings: 0, repairedRows: 0 };

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
        at += views.u32[word + 1]!;
      } else at += entryBytes(views, at);
    }
  }
  return { readings, repairedRows };
}
