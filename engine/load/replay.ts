import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createInterface } from "node:readline";
import { type Clock, sleep } from "../base/clock.js";
import { Datalogger, type MeterReading, type Rejected } from "../client/datalogger.js";
import { CsvReadings, type CsvReadingsOptions } from "./csv-readings.js";
import { fingerprintOf, forget, remember, rememberedRows } from "./replay-state.js";
import { mix } from "./series.js";

export interface ReplayOptions extends CsvReadingsOptions {
  readonly file: string;
  readonly url: string;
  readonly token: string;
  readonly datalogger: string;
  /** `both`: a binary frame, then a text one, and so on. */
  readonly format: "binary" | "text" | "both";
  /** Most readings in a frame. */
  readonly frameReadings: number;
  /** Frames of every size up to that, chosen by the seed. */
  readonly mixed: boolean;
  readonly seed: number;
  readonly readingsPerSecond: number | null;
  /** Where it is remembered how far the file is acked. */
  readonly state: string;
  /** Forget that, and begin with the first row. */
  readonly restart: boolean;
}

export interface ReplayProgress {
  /** Bytes of the file that were read, of all. */
  readonly bytes: number;
  readonly ofBytes: number;
  readonly sent: number;
  readonly acked: number;
  readonly rejected: number;
}

export interface ReplayHooks {
  readonly clock: Clock;
  readonly random: () => number;
  readonly onProgress?: (progress: ReplayProgress) => void;
  readonly onReject?: (rejected: Rejected) => void;
  /** Stops reading the file; what was sent is still waited for and remembered. */
  readonly signal?: AbortSignal;
}

export interface ReplayResult {
  /** Rows of the file that were taken, and how many an earlier run had done. */
  readonly rows: number;
  readonly resumedRows: number;
  readonly emptyRows: number;
  readonly sent: number;
  readonly acked: number;
  readonly rejected: number;
  readonly complete: boolean;
}

const REMEMBER_EVERY_MS = 500;

/** Sizes of frames: the largest, or any up to it, small ones as often as large ones. */
export function frameSizes(largest: number, mixed: boolean, seed: number): () => number {
  if (!mixed) return () => largest;
  let count = 0;
  return () => {
    const share = (mix(Math.imul(seed, 0x9e3779b1) + count++) >>> 0) / 0x1_0000_0000;
    return Math.max(1, Math.min(largest, Math.floor((largest + 1) ** share)));
  };
}

/**
 * Streams a CSV file of readings as one datalogger would, and remembers how many rows are acked: an
 * interrupted replay goes on there. Rows sent twice are harmless, since a reading is known by its
 * meter and ts. Throws MeterstormError `csv_header`, `csv_row`, `replay_state`, or what ended the datalogger.
 */
export async function replay(options: ReplayOptions, hooks: ReplayHooks): Promise<ReplayResult> {
  const run = new Replay(options, hooks);
  try {
    return await run.run();
  } finally {
    await run.close();
  }
}

class Replay {
  readonly #options: ReplayOptions;
  readonly #hooks: ReplayHooks;
  readonly #datalogger: Datalogger;
  readonly #csv: CsvReadings;
  readonly #how: string;
  #file = "";
  #resumedRows = 0;
  #ackedRows = 0;
  #rememberedRows = 0;
  /** Readings sent up to the end of a batch, and the rows that these complete. */
  #batches: { readings: number; rows: number }[] = [];
  #queued = 0;
  #frame = 0;
  #savedMs = 0;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: ReplayOptions, hooks: ReplayHooks) {
    this.#options = options;
    this.#hooks = hooks;
    this.#csv = new CsvReadings(options);
    this.#how = `datalogger ${options.datalogger}, meter ${options.meter}, as ${options.as}`;
    const { url, token, datalogger } = options;
    this.#datalogger = new Datalogger({
      url,
      token,
      datalogger,
      format: options.format === "text" ? "text" : "binary",
      clock: hooks.clock,
      random: hooks.random,
      onAck: () => this.#onAck(),
      onReject: (rejected) => hooks.onReject?.(rejected),
    });
  }

  async run(): Promise<ReplayResult> {
    const { file, state, restart } = this.#options;
    this.#file = await fingerprintOf(file);
    if (restart) await forget(state);
    this.#resumedRows = await rememberedRows(state, this.#file, this.#how);
    this.#ackedRows = this.#rememberedRows = this.#resumedRows;
    const complete = await this.#stream((await stat(file)).size);
    if (this.#queued > 0) await this.#datalogger.drained();
    const { sent, acked, rejected } = this.#datalogger.counters;
    return { rows: this.#csv.rows, resumedRows: this.#resumedRows, emptyRows: this.#csv.empty, sent, acked, rejected, complete };
  }

  /** Closes the connection and remembers what is acked, whatever went wrong. */
  async close(): Promise<void> {
    await this.#datalogger.close();
    await this.#saving;
    if (this.#ackedRows > this.#rememberedRows) await this.#remember();
  }

  /** Returns false when it was stopped before the end of the file. */
  async #stream(ofBytes: number): Promise<boolean> {
    const { frameReadings, mixed, seed, file } = this.#options;
    const sizes = frameSizes(frameReadings, mixed, seed);
    const input = createReadStream(file);
    const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
    let batch: MeterReading[] = [];
    let size = sizes();
    try {
      for await (const line of lines) {
        if (this.#hooks.signal?.aborted === true) return false;
        const readings = this.#csv.take(line);
        // Rows that are done are read all the same: a register is the sum of all rows before.
        if (this.#csv.rows <= this.#resumedRows) continue;
        for (const reading of readings) batch.push(reading);
        if (batch.length < size) continue;
        await this.#send(batch, { bytes: input.bytesRead, ofBytes });
        batch = [];
        size = sizes();
      }
      if (batch.length > 0) await this.#send(batch, { bytes: ofBytes, ofBytes });
      return true;
    } finally {
      lines.close();
      input.destroy();
    }
  }

  async #send(batch: readonly MeterReading[], read: { bytes: number; ofBytes: number }): Promise<void> {
    const { format, readingsPerSecond } = this.#options;
    this.#queued += batch.length;
    this.#batches.push({ readings: this.#queued, rows: this.#csv.rows });
    const startMs = this.#hooks.clock.monotonicMs();
    await this.#datalogger.send(batch, format === "both" ? (this.#frame % 2 === 0 ? "binary" : "text") : format);
    this.#frame++;
    const { sent, acked, rejected } = this.#datalogger.counters;
    this.#hooks.onProgress?.({ ...read, sent, acked, rejected });
    if (readingsPerSecond === null) return;
    const restMs = (batch.length / readingsPerSecond) * 1000 - (this.#hooks.clock.monotonicMs() - startMs);
    if (restMs > 0) await sleep(this.#hooks.clock, restMs);
  }

  #onAck(): void {
    const { acked } = this.#datalogger.counters;
    while (this.#batches.length > 0 && this.#batches[0]!.readings <= acked) this.#ackedRows = this.#batches.shift()!.rows;
    const nowMs = this.#hooks.clock.monotonicMs();
    if (nowMs - this.#savedMs < REMEMBER_EVERY_MS) return;
    this.#savedMs = nowMs;
    this.#saving = this.#saving.then(() => this.#remember());
    // A disk that is full shows at the end, when the last state is written.
    this.#saving = this.#saving.catch(() => {});
  }

  async #remember(): Promise<void> {
    const ackedRows = this.#ackedRows;
    await remember(this.#options.state, { file: this.#file, how: this.#how, ackedRows });
    this.#rememberedRows = ackedRows;
  }
}
