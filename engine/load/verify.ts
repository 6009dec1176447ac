import { type Series, UNITS } from "./series.js";

/** A row as the engine's API gives it. */
export interface StoredRow {
  readonly ts: number;
  readonly value: number;
  readonly delta: number | null;
}

/** What ought to be in the store of one meter. */
export interface Expectation {
  readonly datalogger: number;
  readonly meter: number;
  /** Rounds below this were acked: each must be there. */
  readonly ackedRounds: number;
  /** Rounds below this were sent: none beyond may be there. */
  readonly sentRounds: number;
  /** Rounds that the engine refused: none of them may be there. */
  readonly rejectedRounds: ReadonlySet<number>;
  /** Whether deltas are compared too (the meter must be a counter with three decimals and no other history). */
  readonly deltas: boolean;
}

export interface MeterFindings {
  /** Acked readings that are there as they should be. */
  found: number;
  /** Acked readings that are not there. */
  missing: number;
  /** Rows beyond the first of a ts. */
  doubled: number;
  /** Rows with another value or delta than was sent. */
  changed: number;
  /** Rows that nobody sent, or that were refused. */
  foreign: number;
  /** The first fault in words, null where all is well. */
  firstFault: string | null;
}

/**
 * Compares a meter's rows, in order of ts, with the readings that its series says were sent. Takes
 * the rows in as many pieces as they come.
 */
export class MeterCheck {
  readonly #series: Series;
  readonly #expected: Expectation;
  readonly #findings: MeterFindings = { found: 0, missing: 0, doubled: 0, changed: 0, foreign: 0, firstFault: null };
  /** The next round that has not been seen. */
  #next = 0;
  #lastTs = Number.NEGATIVE_INFINITY;
  /** Register at the last accepted reading; -1 before the first. */
  #baselineUnits = -1;

  constructor(series: Series, expected: Expectation) {
    this.#series = series;
    this.#expected = expected;
  }

  take(rows: readonly StoredRow[]): void {
    for (const row of rows) {
      const fault = this.#row(row);
      if (fault !== null) this.#fault(fault);
    }
  }

  /** Ends the check: what has not come by now is missing. */
  finish(): MeterFindings {
    this.#skipTo(this.#expected.ackedRounds);
    return this.#findings;
  }

  /** Returns what is wrong with the row, or null. */
  #row(row: StoredRow): string | null {
    const { datalogger, meter, sentRounds, rejectedRounds, ackedRounds, deltas } = this.#expected;
    const findings = this.#findings;
    if (row.ts === this.#lastTs) {
      findings.doubled++;
      return `the reading at ${iso(row.ts)} is there more than once`;
    }
    if (row.ts < this.#lastTs) {
      findings.foreign++;
      return `the row at ${iso(row.ts)} comes after that at ${iso(this.#lastTs)}`;
    }
    this.#lastTs = row.ts;
    const round = this.#series.indexAt(datalogger, meter, row.ts);
    if (round < 0 || round >= sentRounds || rejectedRounds.has(round)) {
      findings.foreign++;
      return `a row at ${iso(row.ts)} is there that was ${rejectedRounds.has(round) ? "refused" : "never sent"}`;
    }
    this.#skipTo(round);
    this.#next = round + 1;
    const units = this.#series.valueUnits(datalogger, meter, round);
    const delta = this.#baselineUnits < 0 ? null : (units - this.#baselineUnits) / UNITS;
    this.#baselineUnits = units;
    if (row.value !== units / UNITS) {
      findings.changed++;
      return `the reading at ${iso(row.ts)} has the value ${row.value}, ${units / UNITS} was sent`;
    }
    if (deltas && row.delta !== delta) {
      findings.changed++;
      return `the reading at ${iso(row.ts)} has the delta ${row.delta}, ${delta} is right`;
    }
    if (round < ackedRounds) findings.found++;
    return null;
  }

  /** Counts as missing the acked rounds that were passed over. */
  #skipTo(round: number): void {
    const { datalogger, meter, ackedRounds, rejectedRounds } = this.#expected;
    for (; this.#next < round; this.#next++) {
      if (this.#next >= ackedRounds || rejectedRounds.has(this.#next)) continue;
      this.#findings.missing++;
      // The engine called it safe, so what follows is judged as if it were there.
      this.#baselineUnits = this.#series.valueUnits(datalogger, meter, this.#next);
      this.#fault(`the acked reading at ${iso(this.#series.tsMs(datalogger, meter, this.#next))} is missing`);
    }
  }

  #fault(text: string): void {
    const { datalogger, meter } = this.#expected;
    this.#findings.firstFault ??= `${this.#series.meterId(datalogger, meter)}: ${text}`;
  }
}

function iso(ts: number): string {
  return Math.abs(ts) < 8.64e15 ? new Date(ts).toISOString() : String(ts);
}
