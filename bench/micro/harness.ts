import Benchmark from "benchmark";

/** One way of doing something, `units` times a call. */
export interface MicroCase {
  readonly name: string;
  run(): void;
}

/** Ways of doing the same, ours first; the others are kept so that the choice can be made again. */
export interface MicroBench {
  readonly name: string;
  /** What is counted, such as "reading". */
  readonly unit: string;
  readonly unitsPerRun: number;
  readonly cases: readonly MicroCase[];
  /** What the first case takes beyond the second, of which so many are in one of its units. */
  readonly difference?: { readonly name: string; readonly unit: string; readonly perUnit: number };
  /** Throws unless every case did what it claims. Called before and after measuring. */
  check(): void;
}

export interface MicroResult {
  readonly bench: string;
  readonly name: string;
  readonly unit: string;
  readonly nanosPerUnit: number;
  /** Relative margin of error, per cent, at 95 % confidence. */
  readonly marginPercent: number;
  /** How many times as long as ours. */
  readonly ratio: number;
}

const WARM_RUNS = 20;

/** Measures the cases one after the other. `small` takes a fraction of a second in all. */
export function runMicro(bench: MicroBench, small: boolean): MicroResult[] {
  bench.check();
  // Each case meets compiled code, and hidden classes that have seen the others.
  for (let i = 0; i < WARM_RUNS; i++) for (const { run } of bench.cases) run();
  const suite = new Benchmark.Suite();
  const options = small ? { minSamples: 2, maxTime: 0.005, minTime: 0.002, initCount: 1 } : { minSamples: 30, maxTime: 2 };
  for (const { name, run } of bench.cases) suite.add(name, run, options);
  const results: MicroResult[] = [];
  suite.on("cycle", (event: Benchmark.Event) => {
    const { name, stats } = event.target as unknown as Benchmark;
    const nanosPerUnit = ((stats?.mean ?? Number.NaN) * 1e9) / bench.unitsPerRun;
    const ratio = nanosPerUnit / (results[0]?.nanosPerUnit ?? nanosPerUnit);
    results.push({
      bench: bench.name,
      name: name ?? "",
      unit: bench.unit,
      nanosPerUnit,
      marginPercent: stats?.rme ?? Number.NaN,
      ratio,
    });
  });
  suite.run({ async: false });
  bench.check();
  return bench.difference === undefined ? results : [...results, differenceOf(bench.difference, results)];
}

function differenceOf(of: NonNullable<MicroBench["difference"]>, [first, second]: readonly MicroResult[]): MicroResult {
  const nanosPerUnit = (first!.nanosPerUnit - second!.nanosPerUnit) / of.perUnit;
  const margin = [first!, second!].reduce((sum, result) => sum + result.nanosPerUnit * result.marginPercent, 0);
  const marginPercent = margin / of.perUnit / nanosPerUnit;
  return { bench: first!.bench, name: of.name, unit: of.unit, nanosPerUnit, marginPercent, ratio: Number.NaN };
}
