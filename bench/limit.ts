import { Client } from "undici";
import { encodePeriod, encodeReading, IlpBuffer, SeriesNames } from "../workers/sinks/ilp.js";
import { type BenchSize, fleetOf } from "./fleet.js";
import { processCpuMicros } from "./process-cpu.js";
import type { BenchFigures } from "./result.js";
import { makeRows, namesOf, type Totals, totalsOf } from "./rows.js";
import type { BenchStore } from "./store.js";

/**
 * The limit: what the store takes when nobody computes anything.
 *
 *   rows made and encoded beforehand ──▶ connection of the meter (one of two) ──▶ store
 *
 * The very rows that the engine makes of the same readings, in its own encoding, in requests of one
 * table and of the size that the store likes best.
 */
export interface LimitInput {
  readonly totals: Totals;
  /** Requests of each connection, in order. */
  readonly requests: readonly (readonly Buffer[])[];
}

class Batches {
  readonly requests: Buffer[] = [];
  readonly #names: SeriesNames;
  readonly #batchRows: number;
  readonly readings = new IlpBuffer(1 << 20);
  readonly consumption = new IlpBuffer(1 << 20);

  constructor(names: SeriesNames, batchRows: number) {
    this.#names = names;
    this.#batchRows = batchRows;
  }

  reading(meter: number, ts: number, value: number, delta: number, flags: number): void {
    encodeReading(this.readings, this.#names, meter, ts, value, delta, 0, flags);
    if (this.readings.rows >= this.#batchRows) this.#cut(this.readings);
  }

  period(meter: number, period: number, start: number, value: number, coverage: number, readings: number, flags: number): void {
    encodePeriod(this.consumption, this.#names, meter, period, start, value, Number.NaN, Number.NaN, coverage, readings, flags);
    if (this.consumption.rows >= this.#batchRows) this.#cut(this.consumption);
  }

  finish(): void {
    this.#cut(this.readings);
    this.#cut(this.consumption);
  }

  #cut(rows: IlpBuffer): void {
    if (rows.rows === 0) return;
    this.requests.push(Buffer.from(rows.written()));
    rows.reset();
  }
}

/** Makes and encodes everything; about 100 bytes of memory a row. */
export function prepareLimit(size: BenchSize, connections = 2): LimitInput {
  const series = fleetOf(size);
  const names = namesOf(series);
  const batches = Array.from({ length: connections }, () => new Batches(new SeriesNames(names), size.batchRows));
  const of = (meter: number) => batches[meter % connections]!;
  makeRows(series, size.readings, {
    reading: (meter, ts, value, delta, flags) => of(meter).reading(meter, ts, value, delta, flags),
    period: (meter, ...row) => of(meter).period(meter, ...row),
  });
  for (const batch of batches) batch.finish();
  return { totals: totalsOf(series, size.readings), requests: batches.map((batch) => batch.requests) };
}

export async function runLimit(input: LimitInput, store: BenchStore, storePid: number): Promise<BenchFigures> {
  await store.empty();
  const { totals, requests } = input;
  const cpu = processCpuMicros(storePid);
  const own = process.cpuUsage();
  const startMs = performance.now();
  await Promise.all(requests.map((batches) => replay(store.httpUrl, batches)));
  const ackedMs = performance.now() - startMs;
  await store.visible(totals);
  const visibleMs = performance.now() - startMs;
  const used = process.cpuUsage(own);
  const storeCpu = processCpuMicros(storePid) - cpu;
  await store.check(totals);
  return {
    readings: totals.readings,
    rows: totals.readings + totals.periods,
    seconds: visibleMs / 1000,
    readingsPerSecond: (totals.readings / visibleMs) * 1000,
    ackedReadingsPerSecond: (totals.readings / ackedMs) * 1000,
    cpuMicros: null,
    loadCpuMicros: (used.user + used.system) / totals.readings,
    storeCpuMicros: storeCpu / totals.readings,
    ackMs: null,
  };
}

/** One request after the other over one kept-alive connection. */
async function replay(httpUrl: string, batches: readonly Buffer[]): Promise<void> {
  const client = new Client(httpUrl, { pipelining: 1, headersTimeout: 60_000 });
  try {
    for (const body of batches) {
      const answer = await client.request({ method: "POST", path: "/write?precision=ms", body });
      const text = await answer.body.text();
      if (answer.statusCode !== 204) throw new Error(`the store answered HTTP ${answer.statusCode}: ${text.slice(0, 500)}`);
    }
  } finally {
    await client.close();
  }
}
