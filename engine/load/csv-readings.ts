import { MeterstormError, messageOf } from "../base/errors.js";
import type { MeterReading } from "../client/frames.js";
import { type Columns, columnsOf, parseTs, splitLine } from "./csv.js";
import { DecimalSum } from "./decimal-sum.js";

/** How rows of energy by interval become readings: the register of a meter, or the energy at the interval's end. */
export type IntervalsAs = "counter" | "interval";

export interface CsvReadingsOptions {
  /** The meter of rows that name none. */
  readonly meter: string;
  readonly as: IntervalsAs;
  /** Length of the intervals. */
  readonly intervalMs: number;
}

interface Register {
  sum: DecimalSum;
  endMs: number;
}

/**
 * Turns the lines of a CSV file into readings, one line after the other.
 *
 * As a counter, energy is summed up exactly as it is written and the register read at each
 * interval's end; where intervals do not adjoin (before the first too) it is also read at the start,
 * so that each interval's energy is known by itself.
 */
export class CsvReadings {
  readonly #options: CsvReadingsOptions;
  readonly #registers = new Map<string, Register>();
  #columns: Columns | null = null;
  #line = 0;
  /** Rows with an empty value, which say that there was no reading. */
  empty = 0;
  /** Rows taken, the header not among them. */
  rows = 0;

  constructor(options: CsvReadingsOptions) {
    this.#options = options;
  }

  /**
   * The readings of a line: none for the header and for empty lines and values. Throws
   * MeterstormError `csv_header`, or `csv_row` with the line's number.
   */
  take(line: string): MeterReading[] {
    this.#line++;
    if (this.#columns === null) {
      this.#columns = columnsOf(line);
      return [];
    }
    if (line.trim() === "") return [];
    const readings = this.#row(splitLine(line), this.#columns);
    this.rows++;
    return readings;
  }

  #row(fields: readonly string[], columns: Columns): MeterReading[] {
    const meter = columns.meter < 0 ? this.#options.meter : (fields[columns.meter] ?? "");
    const ts = parseTs(fields[columns.ts] ?? "");
    const text = (fields[columns.value] ?? "").trim();
    if (Number.isNaN(ts)) {
      throw this.#fault(
        `the time ${JSON.stringify(fields[columns.ts] ?? "")} is neither epoch milliseconds nor RFC 3339 with an offset`,
      );
    }
    if (text === "") {
      this.empty++;
      return [];
    }
    if (!columns.intervals) return [{ meter, ts, value: this.#number(text) }];
    const endMs = ts + this.#options.intervalMs;
    if (this.#options.as === "interval") return [{ meter, ts: endMs, value: this.#number(text) }];
    return this.#counted(meter, ts, endMs, text);
  }

  #counted(meter: string, startMs: number, endMs: number, text: string): MeterReading[] {
    let register = this.#registers.get(meter);
    if (register === undefined) {
      register = { sum: new DecimalSum(), endMs: Number.NEGATIVE_INFINITY };
      this.#registers.set(meter, register);
    }
    if (startMs < register.endMs) {
      const end = new Date(register.endMs).toISOString();
      throw this.#fault(`the interval begins before ${end}, where the one before it ends; a register needs them in order`);
    }
    const readings: MeterReading[] = [];
    if (startMs > register.endMs) readings.push({ meter, ts: startMs, value: register.sum.toNumber() });
    try {
      register.sum.add(text);
    } catch (error) {
      throw this.#fault(messageOf(error));
    }
    register.endMs = endMs;
    readings.push({ meter, ts: endMs, value: register.sum.toNumber() });
    return readings;
  }

  #number(text: string): number {
    const value = Number(text);
    if (!Number.isFinite(value)) throw this.#fault(`${JSON.stringify(text)} is not a number`);
    return value;
  }

  #fault(text: string): MeterstormError {
    return new MeterstormError("csv_row", `line ${this.#line}: ${text}; correct or remove the line, then run it again`);
  }
}
