/** What one run of a program has shown. */
export interface BenchFigures {
  readonly readings: number;
  /** Rows that the store was given. */
  readonly rows: number;
  /** From the first byte until everything was readable in the store (or acked, where there is none). */
  readonly seconds: number;
  readonly readingsPerSecond: number;
  /** Until the last ack. */
  readonly ackedReadingsPerSecond: number;
  /** CPU a reading: of what stands between dataloggers and store, of the load generator, of the store. Null where there is none. */
  readonly cpuMicros: number | null;
  readonly loadCpuMicros: number | null;
  readonly storeCpuMicros: number | null;
  readonly ackMs: { readonly p50: number; readonly p99: number } | null;
}

export interface BenchResult extends BenchFigures {
  /** The program's. */
  readonly name: string;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The medians of several runs of one program. */
export interface Summary {
  readonly name: string;
  readonly runs: number;
  readonly readingsPerSecond: number;
  readonly ackedReadingsPerSecond: number;
  readonly cpuMicros: number | null;
  readonly loadCpuMicros: number | null;
  readonly storeCpuMicros: number | null;
  readonly p50AckMs: number | null;
  readonly p99AckMs: number | null;
  /** Of the readings/s, to the median of the reference in the same run. */
  readonly ratio: number | null;
}

export function summarize(name: string, results: readonly BenchResult[], reference: readonly BenchResult[]): Summary {
  const of = (pick: (result: BenchResult) => number | null): number | null => {
    const values = results.map(pick).filter((value) => value !== null && !Number.isNaN(value)) as number[];
    return values.length === 0 ? null : median(values);
  };
  const rate = of((result) => result.readingsPerSecond) ?? Number.NaN;
  return {
    name,
    runs: results.length,
    readingsPerSecond: rate,
    ackedReadingsPerSecond: of((result) => result.ackedReadingsPerSecond) ?? Number.NaN,
    cpuMicros: of((result) => result.cpuMicros),
    loadCpuMicros: of((result) => result.loadCpuMicros),
    storeCpuMicros: of((result) => result.storeCpuMicros),
    p50AckMs: of((result) => result.ackMs?.p50 ?? null),
    p99AckMs: of((result) => result.ackMs?.p99 ?? null),
    ratio: reference.length === 0 ? null : rate / median(reference.map((result) => result.readingsPerSecond)),
  };
}
